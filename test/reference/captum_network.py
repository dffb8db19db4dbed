"""Networks described as voxplain describes them, as torch modules that Captum can hook, and random ones to try."""
import random

import torch
from torch import nn

TRIPLE = lambda v: tuple(v) if isinstance(v, (list, tuple)) else (v, v, v)


def module(layer, shape):
    """The torch module of a layer on inputs [C, ...] of the given shape; None for what has none."""
    kind, get = layer['type'], layer.get
    if kind == 'conv3d':
        return nn.Conv3d(shape[0], get('channels'), TRIPLE(get('kernel')), TRIPLE(get('stride', 1)), TRIPLE(get('padding', 0)),
                         TRIPLE(get('dilation', 1)), get('groups', 1), get('bias', True))
    if kind == 'convTranspose3d':
        return nn.ConvTranspose3d(shape[0], get('channels'), TRIPLE(get('kernel')), TRIPLE(get('stride', 1)),
                                  TRIPLE(get('padding', 0)), TRIPLE(get('outputPadding', 0)), get('groups', 1), get('bias', True))
    return {
        'dense': lambda: nn.Linear(shape[0], get('units')),
        'batchNorm': lambda: nn.BatchNorm3d(shape[0]) if len(shape) == 4 else nn.BatchNorm1d(shape[0]),
        'instanceNorm': lambda: nn.InstanceNorm3d(shape[0], affine=True),
        'relu': nn.ReLU,
        'leakyRelu': lambda: nn.LeakyReLU(get('slope', 0.01)),
        'elu': lambda: nn.ELU(get('alpha', 1)),
        'prelu': lambda: nn.PReLU(get('parameters', 1)),
        'sigmoid': nn.Sigmoid,
        'tanh': nn.Tanh,
        'clamp': lambda: nn.Hardtanh(get('low'), get('high')),
        'maxPool3d': lambda: nn.MaxPool3d(TRIPLE(get('kernel')), TRIPLE(get('stride')), TRIPLE(get('padding', 0)),
                                          ceil_mode=get('ceilMode', False)),
        'avgPool3d': lambda: nn.AvgPool3d(TRIPLE(get('kernel')), TRIPLE(get('stride')), TRIPLE(get('padding', 0))),
        'globalAvgPool': lambda: nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten()),
        'globalMaxPool': lambda: nn.Sequential(nn.MaxPool3d(tuple(shape[1:])), nn.Flatten()) if len(shape) == 4 else None,
        'flatten': nn.Flatten,
    }.get(kind, lambda: None)()


class Net(nn.Module):
    def __init__(self, description, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layers, self.parts = description['layers'], nn.ModuleList()
        shapes, previous = {'input': tuple(description['input'])}, 'input'
        with torch.no_grad():
            for layer in self.layers:
                layer.setdefault('inputs', [previous])
                previous = layer['name']
                part = module(layer, shapes[layer['inputs'][0]])
                self.parts.append(part if part is not None else nn.Identity())
                y = self.step(layer, self.parts[-1].eval(), [torch.randn(2, *shapes[n]) for n in layer['inputs']])
                shapes[previous] = tuple(y.shape[1:])
                for name, value in (part.named_parameters() if part is not None else []):
                    scale = {1: 0.3}.get(value.ndim, 1.6 / (value[0].numel() ** 0.5))
                    value.copy_(torch.randn_like(value) * scale + (1 if layer['type'].endswith('Norm') and name == 'weight' else 0))
                if layer['type'] == 'prelu':
                    part.weight.uniform_(0.05, 0.5)
                if layer['type'] == 'batchNorm':
                    part.running_mean.normal_(0, 0.3)
                    part.running_var.uniform_(0.5, 1.5)
        self.shapes = shapes

    def step(self, layer, part, inputs):
        if layer['type'] == 'add':
            return sum(inputs[1:], inputs[0])
        if layer['type'] == 'multiply':
            return inputs[0] * inputs[1]
        if layer['type'] == 'concat':
            return torch.cat(inputs, 1)
        # A copy: Captum's DeepLift hooks the tensors between modules. Where two modules with rules share one (a ReLU and the
        # max-pool behind it), the first is given what arrives before the second's rule, and relevance does not add up.
        return part(inputs[0]).clone()

    def forward(self, x):
        values = {'input': x}
        for layer, part in zip(self.layers, self.parts):
            values[layer['name']] = y = self.step(layer, part, [values[n] for n in layer['inputs']])
        return y

    def weights(self):
        """By voxplain's names."""
        found = {}
        for layer, part in zip(self.layers, self.parts):
            for name, value in part.state_dict().items():
                if name != 'num_batches_tracked':
                    found[f"{layer['name']}.{name}"] = value.detach()
        return found


def random_description(seed, everything=False):
    """A random small 3D CNN with branches; `everything`: also with layers that Captum's DeepLift takes for linear."""
    rng = random.Random(seed)
    size = [rng.randint(1, 2), rng.randint(7, 10), rng.randint(7, 10), rng.randint(7, 10)]
    layers, count = [], [0]

    def put(type, inputs=None, **attributes):
        count[0] += 1
        layers.append({'name': f'{type}{count[0]}', 'type': type, **attributes, **({'inputs': inputs} if inputs else {})})
        return layers[-1]['name']

    def activation():
        kinds = ['relu', 'relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh'] + (['prelu', 'clamp'] if everything else [])
        kind = rng.choice(kinds)
        extra = {'leakyRelu': {'slope': rng.choice([0.01, 0.2])}, 'elu': {'alpha': rng.choice([1.0, 0.7])},
                 'clamp': {'low': -0.4, 'high': 0.9}}.get(kind, {})
        return put(kind, **extra)

    channels = rng.choice([2, 4])
    put('conv3d', channels=channels, kernel=3, padding=1)
    for block in range(rng.randint(1, 3)):
        if rng.random() < 0.6:
            put('instanceNorm' if everything and rng.random() < 0.5 else 'batchNorm')
        start = activation()
        kind = rng.choice(['residual', 'concat', 'chain', 'transposed', 'grouped'] + (['gate'] if everything else []))
        if kind == 'chain':
            put('conv3d', channels=channels, kernel=[3, 1, 2], padding=[1, 0, 1], dilation=[1, 1, 2])
        elif kind == 'transposed':
            put('convTranspose3d', channels=channels, kernel=2, stride=1, padding=rng.choice([0, 1]))
        elif kind == 'grouped':
            put('conv3d', channels=2 * channels, kernel=3, padding=1, groups=2, stride=rng.choice([1, 2]))
            channels *= 2
        else:
            inner = put('conv3d', channels=channels, kernel=3, padding=1, bias=rng.random() < 0.5)
            inner = put('batchNorm') if rng.random() < 0.5 else inner
            inner = activation() if rng.random() < 0.7 else inner
            if kind == 'gate':
                inner = put('sigmoid')
            put({'residual': 'add', 'concat': 'concat', 'gate': 'multiply'}[kind], [inner, start])
            channels *= 2 if kind == 'concat' else 1
        if block < 2 and rng.random() < 0.8:
            pool = rng.choice(['maxPool3d', 'maxPool3d', 'avgPool3d'])
            overlap = everything and rng.random() < 0.4
            put(pool, kernel=3 if overlap else 2, stride=2, padding=1 if overlap else 0)
    activation()
    if rng.random() < 0.4:
        put(rng.choice(['globalAvgPool', 'globalMaxPool']))
    else:
        put('flatten')
    put('dense', units=rng.choice([5, 6]))
    activation()
    put('dense', units=rng.choice([2, 3]))
    return {'format': 'voxplain-network', 'version': 1, 'name': f'random {seed}', 'input': size, 'layers': layers,
            'output': 'logits'}
