"""Relevance computed by Captum, in float64, for the gradient family of methods.

Needs: pip install torch captum.  Run: python test/reference/captum_methods.py [FOLDER SEED...]
Without arguments it makes test/fixtures/explain/captum.json. With them it makes random networks of these seeds; test with
VOXPLAIN_CAPTUM=FOLDER npx tsx test/explain-gradient-captum.node.test.ts. Odd seeds have layers that Captum's DeepLift does
not know (PReLU, clamp, instance norm, products, overlapping max-pools), and no DeepLift.
"""
import base64
import json
import os
import sys
from unittest import mock

import numpy as np
import torch
from captum.attr import (DeepLift, Deconvolution, GradientShap, GuidedBackprop, GuidedGradCam, InputXGradient,
                         IntegratedGradients, LayerAttribution, LayerGradCam, NoiseTunnel, Saliency)

from captum_network import Net, random_description

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 4
STEPS = 9

FIXTURE = {
    'format': 'voxplain-network', 'version': 1, 'name': 'captum', 'input': [1, 8, 9, 7], 'output': 'logits',
    'layers': [
        {'name': 'conv1', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1},
        {'name': 'bn1', 'type': 'batchNorm'},
        {'name': 'relu1', 'type': 'relu'},
        {'name': 'pool1', 'type': 'maxPool3d', 'kernel': 2, 'stride': 2},
        {'name': 'conv2', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1, 'bias': False},
        {'name': 'bn2', 'type': 'batchNorm'},
        {'name': 'leaky2', 'type': 'leakyRelu', 'slope': 0.1},
        {'name': 'add', 'type': 'add', 'inputs': ['leaky2', 'pool1']},
        {'name': 'relu3', 'type': 'relu'},
        {'name': 'conv3', 'type': 'conv3d', 'channels': 3, 'kernel': 3, 'padding': 1, 'inputs': ['relu3']},
        {'name': 'leaky3', 'type': 'leakyRelu', 'slope': 0.01},
        {'name': 'join', 'type': 'concat', 'inputs': ['leaky3', 'relu3']},
        {'name': 'pool3', 'type': 'maxPool3d', 'kernel': 2, 'stride': 2},
        {'name': 'conv4', 'type': 'conv3d', 'channels': 6, 'kernel': [1, 2, 1]},
        {'name': 'bn4', 'type': 'batchNorm'},
        {'name': 'relu4', 'type': 'relu'},
        {'name': 'flatten', 'type': 'flatten'},
        {'name': 'dense1', 'type': 'dense', 'units': 8},
        {'name': 'relu5', 'type': 'relu'},
        {'name': 'dense2', 'type': 'dense', 'units': 3},
    ],
}


def packed(values):
    """float32, little-endian, base64."""
    return base64.b64encode(np.asarray(values.detach(), '<f4').tobytes()).decode()


def make(description, seed, deep_lift):
    net = Net(description, seed)
    weights = net.weights()
    net = net.double().eval()
    generator = torch.Generator().manual_seed(seed + 1)
    draw = lambda *shape: torch.randn(*shape, generator=generator).float().double()
    size = description['input']
    x = draw(2, *size)
    x[0, :, :2] = 0
    baselines, noise = 0.5 * draw(2, *size), 0.2 * draw(SAMPLES, *size)
    scan = baselines[:1]
    classes = net(x).shape[1]
    target = [seed % classes, (seed + 1) % classes]
    alphas, choices = np.random.default_rng(seed).random(SAMPLES), [0, 1, 1, 0]
    conv = [k for k, layer in enumerate(net.layers) if layer['type'] in ('conv3d', 'convTranspose3d')]
    named = [k for k, layer in enumerate(net.layers) if len(net.shapes[layer['name']]) == 4 and not isinstance(
        net.parts[k], torch.nn.Identity)]
    layer = named[seed % len(named)]

    def smooth(kind, magnitude=False):
        with mock.patch('torch.normal', lambda *_: noise.repeat(2, 1, 1, 1, 1)):
            return NoiseTunnel(Saliency(net)).attribute(x, nt_type=kind, nt_samples=SAMPLES, stdevs=0.2, abs=magnitude, target=target)

    def shap():
        with mock.patch('torch.normal', lambda *_: noise.repeat(2, 1, 1, 1, 1)), \
             mock.patch('numpy.random.choice', lambda *_: np.array(choices * 2)), \
             mock.patch('numpy.random.uniform', lambda *_: np.tile(alphas, 2)):
            return GradientShap(net).attribute(x, baselines=baselines, n_samples=SAMPLES, stdevs=0.2, target=target)

    def cam(k, relu):
        small = LayerGradCam(net, net.parts[k]).attribute(x, target=target, relu_attributions=relu)
        large = torch.nn.functional.interpolate(small, size[1:], mode='trilinear', align_corners=False)
        return large.expand(-1, size[0], -1, -1, -1)

    def ig(base):
        return IntegratedGradients(net).attribute(x, baselines=base, target=target, n_steps=STEPS, method='gausslegendre')

    def lift(base):
        """One scan at a time: where a max-pool's input did not change, Captum takes the first scan's gradient for all."""
        return torch.cat([DeepLift(net).attribute(x[k:k + 1], baselines=base, target=target[k]) for k in range(2)])

    relevance = {
        'saliency': Saliency(net).attribute(x, target=target),
        'inputXGradient': InputXGradient(net).attribute(x, target=target),
        'ig zero': ig(0 * scan),
        'ig scan': ig(scan),
        'smoothGrad': smooth('smoothgrad'),
        'smoothGrad magnitude': smooth('smoothgrad', True),
        'smoothGradSquared': smooth('smoothgrad_sq'),
        'varGrad': smooth('vargrad'),
        'guidedBackprop': GuidedBackprop(net).attribute(x, target=target),
        'deconvolution': Deconvolution(net).attribute(x, target=target),
        'gradCam': cam(conv[-1], True),
        'gradCam signed': cam(conv[-1], False),
        'gradCam layer': cam(layer, False),
        'guidedGradCam': GuidedGradCam(net, net.parts[conv[-1]]).attribute(x, target=target, interpolate_mode='trilinear'),
        'gradientShap': shap(),
        **({'deepLift zero': lift(0 * scan), 'deepLift scan': lift(scan)} if deep_lift else {}),
    }
    return {
        'description': description,
        'weights': {name: {'shape': list(v.shape), 'data': packed(v)} for name, v in weights.items()},
        'steps': STEPS, 'samples': SAMPLES, 'target': target, 'layer': net.layers[layer]['name'],
        'alphas': list(alphas), 'choices': choices,
        'x': packed(x), 'scan': packed(scan), 'baselines': packed(baselines), 'noise': packed(noise),
        'relevance': {name: packed(v) for name, v in relevance.items()},
    }


def save(path, case):
    with open(path, 'w') as file:
        json.dump(case, file, indent=1)
    print(path, os.path.getsize(path), 'bytes')


if len(sys.argv) == 1:
    folder = os.path.join(HERE, '..', 'fixtures', 'explain')
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, 'captum.json'), make(FIXTURE, 4, True))
for seed in map(int, sys.argv[2:]):
    try:
        case = make(random_description(seed, seed % 2 == 1), seed, seed % 2 == 0)
    except (RuntimeError, ValueError) as error:
        # A window that does not fit what is left of the volume.
        print(f'seed {seed}: {str(error)[:90]}')
        continue
    save(os.path.join(sys.argv[1], f'captum-{seed}.json'), case)
