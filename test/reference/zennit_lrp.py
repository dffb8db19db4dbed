"""Relevance maps by zennit of small 3D networks: test/fixtures/explain/lrp_zennit.json.

Needs: pip install torch numpy zennit (written with 0.5.1).  Run: python test/reference/zennit_lrp.py
Or, for other networks: python test/reference/zennit_lrp.py networks.json out.json, a list of {input, layers, seed, cases} as below.

Networks are lists of layers as network descriptions have them. Their weights and inputs are values(count, seed) of
test/support/evaluate.ts, weight k (in the order of the description) from seed + k: see `weight`. Everything in float64.
Canonisation is done here on the description: zennit's NamedMergeBatchNorm for a batch norm after a linear layer; one before
linear layers is merged into their weights and, because they pad with zeros, into a bias of the shape of their output (the
max-pools between are turned into min-pools where the scale is negative); other batch norms get zennit's Norm rule.
"""
import base64
import json
import os
import sys

import numpy
import torch
from torch import nn
from zennit import rules
from zennit.canonizers import NamedMergeBatchNorm
from zennit.composites import (EpsilonAlpha2Beta1, EpsilonAlpha2Beta1Flat, EpsilonGammaBox, EpsilonPlus, EpsilonPlusFlat,
                               LayerMapComposite, MixedComposite, NameMapComposite, layer_map_base)
from zennit.layer import Sum
from zennit.types import Convolution, Linear

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'explain', 'lrp_zennit.json')
LINEAR = ('conv3d', 'convTranspose3d', 'dense')


def values(count, seed):
    state = seed * 2654435761 % 2**32
    found = numpy.empty(count)
    for k in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        found[k] = (state >> 8) / 2**23 - 1
    return found.astype(numpy.float32).astype(numpy.float64)


def weight(name, shape, seed):
    """test/support/lrp.ts makes the same."""
    v = values(int(numpy.prod(shape)), seed)
    if name.endswith('.running_var'):
        v = 1 + 0.5 * v
    elif name.endswith('.norm_weight'):
        v = 1.5 * v
    elif name.endswith('.running_mean') or name.endswith('.bias'):
        v = 0.25 * v
    else:
        v = v * numpy.sqrt(3 / numpy.prod(shape[1:]))
    return torch.tensor(v.astype(numpy.float32).astype(numpy.float64)).reshape(shape)


def triple(value):
    return (value,) * 3 if isinstance(value, int) else tuple(value)


class MapConv(nn.Conv3d):
    """Its bias has the shape of the output."""

    def forward(self, x):
        return self._conv_forward(x, self.weight, None) + self.bias


class MapTranspose(nn.ConvTranspose3d):
    def forward(self, x):
        return nn.functional.conv_transpose3d(
            x, self.weight, None, self.stride, self.padding, self.output_padding, self.groups, self.dilation) + self.bias


class SignedMaxPool(nn.Module):
    def __init__(self, layer, sign):
        super().__init__()
        self.kernel, self.stride, self.padding = (triple(layer[k]) if k in layer else 0 for k in ('kernel', 'stride', 'padding'))
        self.sign = sign

    def forward(self, x):
        return self.sign * nn.functional.max_pool3d(self.sign * x, self.kernel, self.stride, self.padding)


class Network(nn.Module):
    def __init__(self, layers, shape, seed):
        super().__init__()
        self.layers = layers
        self.before, self.norm = [], []
        self.layers_by_name = {layer['name']: layer for layer in layers}
        self.scale, self.made = {}, {}
        modules, shapes, previous = {}, {'input': shape}, 'input'
        for layer in layers:
            layer.setdefault('inputs', [previous])
            previous = layer['name']
        for layer in layers:
            name, sources = layer['name'], layer['inputs']
            module, seed = self.build(layer, [shapes[s] for s in sources], seed)
            modules[name] = self.made[name] = module.double()
            with torch.no_grad():
                shapes[name] = tuple(self.call(module, layer, [torch.zeros(1, *shapes[s]).double() for s in sources]).shape[1:])
        self.modules_by_name = modules
        for name, module in modules.items():
            self.add_module(name.replace('.', '_'), module)

    def readers(self, name):
        return [layer for layer in self.layers if name in layer['inputs']]

    def leads_to_linear(self, name):
        readers = self.readers(name)
        through = ('maxPool3d', 'flatten', 'dropout', 'concat', 'batchNorm')
        return bool(readers) and all(
            r['type'] in LINEAR or (r['type'] in through and r.get('padValue') != 'zero' and self.leads_to_linear(r['name']))
            for r in readers)

    def build(self, layer, shapes, seed):
        kind, name, source = layer['type'], layer['name'], layer['inputs'][0]
        shape = shapes[0]
        g, t = self.scale.get(source, (None, None))

        def draw(suffix, size):
            nonlocal seed
            seed += 1
            return weight(suffix, size, seed - 1)

        def keep(g, t):
            if g is not None:
                self.scale[name] = (g, t)

        if kind in ('conv3d', 'convTranspose3d'):
            c, m, groups = shape[0], layer['channels'], layer.get('groups', 1)
            options = dict(stride=triple(layer.get('stride', 1)), padding=triple(layer.get('padding', 0)),
                           dilation=triple(layer.get('dilation', 1)), groups=groups, bias=layer.get('bias', True))
            plain, mapped = (nn.Conv3d, MapConv) if kind == 'conv3d' else (nn.ConvTranspose3d, MapTranspose)
            if kind == 'convTranspose3d':
                options['output_padding'] = triple(layer.get('outputPadding', 0))
            made = plain(c, m, triple(layer['kernel']), **options).double()
            made.weight.data = draw('.weight', tuple(made.weight.shape))
            if options['bias']:
                made.bias.data = draw('.bias', (m,))
            if g is None:
                return made, seed
            merged = mapped(c, m, triple(layer['kernel']), **options).double()
            with torch.no_grad():
                merged.bias = nn.Parameter(made(t.reshape(1, -1, 1, 1, 1).expand(1, *shape)))
            w = made.weight.data
            if kind == 'conv3d':
                by = g.reshape(groups, 1, c // groups, 1).expand(groups, m // groups, c // groups, 1)
                merged.weight.data = w * by.reshape(m, c // groups, 1, 1, 1)
            else:
                merged.weight.data = w * g.reshape(-1, 1, 1, 1, 1)
            return merged, seed
        if kind == 'dense':
            made = nn.Linear(shape[0], layer['units'], bias=layer.get('bias', True)).double()
            made.weight.data = draw('.weight', tuple(made.weight.shape))
            if made.bias is not None:
                made.bias.data = draw('.bias', (layer['units'],))
            if g is not None:
                more = made.weight.data @ t
                made.bias = nn.Parameter(more if made.bias is None else made.bias.data + more)
                made.weight.data = made.weight.data * g
            return made, seed
        if kind == 'batchNorm':
            made = (nn.BatchNorm3d if len(shape) == 4 else nn.BatchNorm1d)(shape[0], eps=layer.get('epsilon', 1e-5)).double()
            made.weight.data = draw('.norm_weight', (shape[0],))
            made.bias.data = draw('.bias', (shape[0],))
            made.running_mean.data = draw('.running_mean', (shape[0],))
            made.running_var.data = draw('.running_var', (shape[0],))
            made.eval()
            while self.layers_by_name.get(source, {}).get('type') == 'dropout':
                source = self.layers_by_name[source]['inputs'][0]
            linear = self.layers_by_name.get(source, {}).get('type') in LINEAR
            if linear and len(self.readers(source)) == 1:
                module = self.made[source]
                if isinstance(module, (MapConv, MapTranspose)):
                    # zennit's canonizer knows no bias maps.
                    own = made.weight.data / torch.sqrt(made.running_var + made.eps)
                    by = (-1, 1, 1, 1, 1) if isinstance(module, MapConv) else (1, -1, 1, 1, 1)
                    module.weight.data = module.weight.data * own.reshape(by)
                    volume = (1, -1, 1, 1, 1)
                    shift = (made.bias.data - made.running_mean * own).reshape(volume)
                    module.bias.data = module.bias.data * own.reshape(volume) + shift
                    return nn.Identity(), seed
                self.before.append(((source.replace('.', '_'),), name.replace('.', '_')))
                return made, seed
            if self.leads_to_linear(name):
                own = made.weight.data / torch.sqrt(made.running_var + made.eps)
                shift = made.bias.data - made.running_mean * own
                keep(own if g is None else own * g, shift if g is None else own * t + shift)
                return nn.Identity(), seed
            self.norm.append(name.replace('.', '_'))
            return made, seed
        if kind == 'maxPool3d':
            keep(g, t)
            return SignedMaxPool(layer, 1 if g is None else torch.where(g < 0, -1., 1.).double().reshape(-1, 1, 1, 1)), seed
        if kind == 'flatten':
            if g is not None:
                times = int(numpy.prod(shape[1:]))
                keep(g.repeat_interleave(times), t.repeat_interleave(times))
            return nn.Flatten(), seed
        if kind == 'concat':
            parts = [self.scale.get(s) for s in layer['inputs']]
            if any(parts):
                one = [(torch.ones(s[0]).double(), torch.zeros(s[0]).double()) for s in shapes]
                whole = [p or o for p, o in zip(parts, one)]
                keep(torch.cat([a for a, _ in whole]), torch.cat([b for _, b in whole]))
            return nn.Identity(), seed
        if kind == 'dropout':
            keep(g, t)
            return nn.Identity(), seed
        if kind == 'globalAvgPool':
            return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten()), seed
        made = {
            'relu': lambda: nn.ReLU(),
            'leakyRelu': lambda: nn.LeakyReLU(layer['slope']),
            'elu': lambda: nn.ELU(layer.get('alpha', 1)),
            'tanh': lambda: nn.Tanh(),
            'sigmoid': lambda: nn.Sigmoid(),
            'avgPool3d': lambda: nn.AvgPool3d(triple(layer['kernel']), triple(layer['stride']), triple(layer.get('padding', 0))),
            'add': lambda: Sum(),
        }[kind]()
        return made, seed

    def call(self, module, layer, inputs):
        if layer['type'] == 'add':
            return module(torch.stack(inputs, -1))
        return module(torch.cat(inputs, 1) if layer['type'] == 'concat' else inputs[0])

    def forward(self, x):
        made = {'input': x}
        for layer in self.layers:
            made[layer['name']] = self.call(self.modules_by_name[layer['name']], layer, [made[s] for s in layer['inputs']])
        return made[self.layers[-1]['name']]


RULES = {
    'epsilon': lambda e: rules.Epsilon(e.get('epsilon', 1e-6)),
    'alphaBeta': lambda e: rules.AlphaBeta(e['alpha'], e['beta']),
    'zPlus': lambda e: rules.ZPlus(),
    'gamma': lambda e: rules.Gamma(e['gamma']),
    'zBox': lambda e: rules.ZBox(e['low'], e['high']),
    'wSquare': lambda e: rules.WSquare(),
    'flat': lambda e: rules.Flat(),
    'norm': lambda e: rules.Norm(),
    'pass': lambda e: rules.Pass(),
}
TYPES = {'linear': Linear, 'conv': Convolution, 'dense': nn.Linear}
NAMED = {
    'epsilonPlus': lambda: EpsilonPlus(),
    'epsilonAlpha2Beta1': lambda: EpsilonAlpha2Beta1(),
    'epsilonPlusFlat': lambda: EpsilonPlusFlat(),
    'epsilonAlpha2Beta1Flat': lambda: EpsilonAlpha2Beta1Flat(),
    'epsilonGammaBox': lambda: EpsilonGammaBox(low=-1., high=1.),
}


def composite_of(case, network):
    first = [NameMapComposite([(network.norm, rules.Norm())])] if network.norm else []
    if isinstance(case, str):
        return MixedComposite([*first, NAMED[case]()], canonizers=[NamedMergeBatchNorm(network.before)])
    named = [([e['layer'].replace('.', '_')], RULES[e['rule']](e)) for e in case['rules'] if 'layer' in e]
    typed = [(TYPES[e['type']], RULES[e['rule']](e)) for e in case['rules'] if 'layer' not in e]
    parts = [*first, NameMapComposite(named), LayerMapComposite(layer_map_base() + typed)]
    return MixedComposite(parts, canonizers=[NamedMergeBatchNorm(network.before)])


def relevances(entry):
    network = Network(json.loads(json.dumps(entry['layers'])), entry['input'], entry['seed']).eval()
    x = torch.tensor(values(int(numpy.prod(entry['input'])), entry['seed'] + 1000)).reshape(1, *entry['input'])
    for case in entry['cases']:
        composite = composite_of(case, network)
        with composite.context(network):
            leaf = x.clone().requires_grad_()
            out = network(leaf)
            target = int(out.argmax())
            seed = torch.zeros_like(out)
            seed[0, target] = out[0, target].detach()
            relevance, = torch.autograd.grad(out, leaf, seed)
        yield case, out.detach().numpy()[0], relevance.numpy().ravel()


def one_rule(rule, **more):
    return {'rules': [{'type': 'linear', 'rule': rule, **more}]}


CASES = [
    one_rule('epsilon'), one_rule('epsilon', epsilon=0.05), one_rule('zPlus'), one_rule('alphaBeta', alpha=2, beta=1),
    one_rule('alphaBeta', alpha=1.5, beta=0.5), one_rule('gamma', gamma=0.25), one_rule('zBox', low=-1, high=1),
    one_rule('wSquare'), one_rule('flat'), one_rule('norm'), *NAMED,
    {'rules': [{'layer': 'conv1', 'rule': 'wSquare'}, {'layer': 'conv2', 'rule': 'gamma', 'gamma': 1},
               {'type': 'conv', 'rule': 'alphaBeta', 'alpha': 3, 'beta': 2}, {'type': 'dense', 'rule': 'epsilon', 'epsilon': 1e-3}]},
]

CHAIN = [
    {'name': 'conv1', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1},
    {'name': 'norm1', 'type': 'batchNorm'},
    {'name': 'relu1', 'type': 'leakyRelu', 'slope': 0.1},
    {'name': 'pool1', 'type': 'maxPool3d', 'kernel': 2, 'stride': 2},
    {'name': 'conv2', 'type': 'conv3d', 'channels': 5, 'kernel': 3, 'padding': 1},
    {'name': 'relu2', 'type': 'relu'},
    {'name': 'norm2', 'type': 'batchNorm'},
    {'name': 'pool2', 'type': 'maxPool3d', 'kernel': 2, 'stride': 1},
    {'name': 'conv3', 'type': 'conv3d', 'channels': 6, 'kernel': 3, 'padding': 1, 'bias': False},
    {'name': 'relu3', 'type': 'relu'},
    {'name': 'flatten', 'type': 'flatten'},
    {'name': 'dense1', 'type': 'dense', 'units': 8},
    {'name': 'dense1.relu', 'type': 'relu'},
    {'name': 'dense2', 'type': 'dense', 'units': 3},
]
BRANCHES = [
    {'name': 'conv1', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1},
    {'name': 'relu1', 'type': 'relu'},
    {'name': 'norm1', 'type': 'batchNorm'},
    {'name': 'conv2', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1, 'stride': 2},
    {'name': 'norm2', 'type': 'batchNorm'},
    {'name': 'short', 'type': 'conv3d', 'channels': 4, 'kernel': 1, 'stride': 2, 'inputs': ['norm1'], 'bias': False},
    {'name': 'short.norm', 'type': 'batchNorm'},
    {'name': 'sum', 'type': 'add', 'inputs': ['norm2', 'short.norm', 'conv2b']},
    {'name': 'relu2', 'type': 'leakyRelu', 'slope': 0.2},
    {'name': 'grouped', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 2, 'dilation': 2, 'groups': 2},
    {'name': 'both', 'type': 'concat', 'axis': 1, 'inputs': ['relu2', 'grouped']},
    {'name': 'norm3', 'type': 'batchNorm'},
    {'name': 'relu3', 'type': 'relu'},
    {'name': 'up', 'type': 'convTranspose3d', 'channels': 3, 'kernel': 2, 'stride': 2},
    {'name': 'up.norm', 'type': 'batchNorm'},
    {'name': 'relu4', 'type': 'leakyRelu', 'slope': 0.1},
    {'name': 'average', 'type': 'avgPool3d', 'kernel': 2, 'stride': 2},
    {'name': 'norm4', 'type': 'batchNorm'},
    {'name': 'flatten', 'type': 'flatten'},
    {'name': 'dense1', 'type': 'dense', 'units': 8},
    {'name': 'norm5', 'type': 'batchNorm'},
    {'name': 'relu5', 'type': 'relu'},
    {'name': 'dense2', 'type': 'dense', 'units': 3},
]
BRANCHES.insert(3, {'name': 'conv2b', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1, 'stride': 2})
BRANCHES[4]['inputs'] = ['norm1']
DYRBA = [
    layer for k in (1, 2) for layer in (
        {'name': f'conv{k}', 'type': 'conv3d', 'channels': 5, 'kernel': 3, 'padding': 1},
        {'name': f'relu{k}', 'type': 'relu'},
        {'name': f'pool{k}', 'type': 'maxPool3d', 'kernel': 2, 'stride': 2},
        {'name': f'norm{k}', 'type': 'batchNorm', 'epsilon': 0.001})
] + [
    {'name': 'flatten', 'type': 'flatten'},
    {'name': 'dense1', 'type': 'dense', 'units': 8},
    {'name': 'dense1.relu', 'type': 'relu'},
    {'name': 'dense2', 'type': 'dense', 'units': 2},
]
# Each kernel that a test compiles takes time: every rule on the chain, and once more what other layers make different.
FEWER = [one_rule('epsilon'), one_rule('gamma', gamma=0.25), one_rule('wSquare'), 'epsilonAlpha2Beta1', 'epsilonPlusFlat',
         'epsilonGammaBox', CASES[-1]]
NETWORKS = [
    {'name': 'chain', 'input': [1, 7, 8, 6], 'layers': CHAIN, 'seed': 7, 'cases': CASES},
    {'name': 'branches', 'input': [2, 5, 6, 4], 'layers': BRANCHES, 'seed': 11, 'cases': FEWER},
    {'name': 'dyrba', 'input': [1, 6, 8, 5], 'layers': DYRBA, 'seed': 23, 'cases': ['epsilonPlus', *FEWER]},
]


def main():
    source, out = (json.load(open(sys.argv[1])), sys.argv[2]) if len(sys.argv) > 2 else (NETWORKS, OUT)
    found = []
    for entry in source:
        rows = [{'composite': case, 'logits': [float(v) for v in logits],
                 'relevance': base64.b64encode(relevance.astype('<f4').tobytes()).decode()}
                for case, logits, relevance in relevances(entry)]
        found.append({**entry, 'cases': rows})
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with open(out, 'w') as file:
        json.dump(found, file, separators=(',', ':'))
        file.write('\n')


main()
