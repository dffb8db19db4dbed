"""Relevance maps by the formulas of iNNvestigate 1.0, in numpy: test/fixtures/explain/lrp_innvestigate.json.

Needs: pip install numpy.  Run: python test/reference/innvestigate_lrp.py

iNNvestigate itself needs Keras 2.2. What is computed here, and taken from its relevance_based modules:
- AlphaBetaRule: x+ and x- through layers with the positive and the negative weights, biases kept in both, so that P and N
  both hold b+ + b-; SafeDivide, which adds 1e-7 where a denominator is exactly zero.
- EpsilonRule: z + eps sgn z, sgn 0 = 1, bias included.
- FlatRule: weights of one, no bias, SafeDivide.
- BatchNormalizationReverseLayer: x (y - beta) R / d, d = (x - mean) y with 1e-7 sgn d added.
- sequential presets: Epsilon (default 0.1) on dense layers; A: alpha 1 beta 0, B: alpha 2 beta 1 on convolutions; `_flat`:
  FlatRule on the layer that takes the input. Activations pass relevance on; max-pools give it to the winner. It starts
  from the logit.
Networks, weights and inputs as in zennit_lrp.py.
"""
import base64
import json
import os

import numpy as np

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'explain', 'lrp_innvestigate.json')


def values(count, seed):
    state = seed * 2654435761 % 2**32
    found = np.empty(count)
    for k in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        found[k] = (state >> 8) / 2**23 - 1
    return found.astype(np.float32).astype(np.float64)


def draw(kind, shape, seed):
    v = values(int(np.prod(shape)), seed)
    change = {'weight': lambda: v * np.sqrt(3 / np.prod(shape[1:])), 'small': lambda: 0.25 * v,
              'gamma': lambda: 1.5 * v, 'variance': lambda: 1 + 0.5 * v}[kind]()
    return change.astype(np.float32).astype(np.float64).reshape(shape)


def taps(w):
    return [(a, b, c) for a in range(w.shape[2]) for b in range(w.shape[3]) for c in range(w.shape[4])]


def conv(x, w):
    """x [C, D, H, W], w [M, C, 3, 3, 3], padding 1."""
    p = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1)))
    d, h, n = x.shape[1:]
    return sum(np.einsum('mc,cdhw->mdhw', w[:, :, a, b, c], p[:, a:a + d, b:b + h, c:c + n]) for a, b, c in taps(w))


def conv_back(s, w):
    d, h, n = s.shape[1:]
    p = np.zeros((w.shape[1], d + 2, h + 2, n + 2))
    for a, b, c in taps(w):
        p[:, a:a + d, b:b + h, c:c + n] += np.einsum('mc,mdhw->cdhw', w[:, :, a, b, c], s)
    return p[:, 1:-1, 1:-1, 1:-1]


def dense(x, w):
    return w @ x


def dense_back(s, w):
    return w.T @ s


def safe_divide(a, b):
    return a / (b + (b == 0) * 1e-7)


def away(d, eps):
    return d + np.where(d >= 0, eps, -eps)


def alpha_beta(x, w, b, r, ops, alpha, beta):
    go, back = ops
    pos, neg = np.maximum(x, 0), np.minimum(x, 0)
    up, down = np.maximum(w, 0), np.minimum(w, 0)

    def part(w1, w2):
        s = safe_divide(r, go(pos, w1) + go(neg, w2) + b)
        return pos * back(s, w1) + neg * back(s, w2)

    return alpha * part(up, down) - (beta * part(down, up) if beta else 0)


def pool(x):
    c, d, h, w = x.shape[0], *(n // 2 for n in x.shape[1:])
    blocks = x[:, :2 * d, :2 * h, :2 * w].reshape(c, d, 2, h, 2, w, 2).transpose(0, 1, 3, 5, 2, 4, 6).reshape(c, d, h, w, 8)
    return blocks.max(-1), blocks.argmax(-1)


def unpool(r, winner, shape):
    c, d, h, w = r.shape
    blocks = np.zeros((c, d, h, w, 8))
    np.put_along_axis(blocks, winner[..., None], r[..., None], -1)
    back = np.zeros(shape)
    back[:, :2 * d, :2 * h, :2 * w] = blocks.reshape(c, d, h, w, 2, 2, 2).transpose(0, 1, 4, 2, 5, 3, 6).reshape(c, 2 * d, 2 * h, 2 * w)
    return back


def relevance(layers, shape, seed, conv_rule, flat, epsilon):
    x = values(int(np.prod(shape)), seed + 1000).reshape(shape)
    steps = []
    for layer in layers:
        kind = layer['type']
        if kind in ('conv3d', 'dense'):
            size = (layer['channels'], x.shape[0], 3, 3, 3) if kind == 'conv3d' else (layer['units'], x.shape[0])
            w = draw('weight', size, seed)
            b = draw('small', size[:1], seed + 1).reshape(-1, *[1] * (x.ndim - 1))
            seed += 2
            ops = (conv, conv_back) if kind == 'conv3d' else (dense, dense_back)
            y = ops[0](x, w) + b
            steps.append((kind, x, y, (w, b, ops)))
        elif kind == 'batchNorm':
            gamma, beta, mean, variance = (
                draw(k, x.shape[:1], seed + i).reshape(-1, *[1] * (x.ndim - 1))
                for i, k in enumerate(('gamma', 'small', 'small', 'variance')))
            seed += 4
            y = (x - mean) / np.sqrt(variance + layer.get('epsilon', 1e-5)) * gamma + beta
            steps.append((kind, x, y, (mean, beta)))
        elif kind == 'relu':
            y = np.maximum(x, 0)
            steps.append((kind, x, y, None))
        elif kind == 'maxPool3d':
            y, winner = pool(x)
            steps.append((kind, x, y, winner))
        else:
            y = x.ravel()
            steps.append(('flatten', x, y, None))
        x = y
    r = np.where(np.arange(x.size) == x.argmax(), x, 0)
    for k, (kind, x, y, more) in reversed(list(enumerate(steps))):
        if kind == 'flatten':
            r = r.reshape(x.shape)
        elif kind == 'maxPool3d':
            r = unpool(r, more, x.shape)
        elif kind == 'batchNorm':
            mean, beta = more
            r = x * (y - beta) * r / away((x - mean) * y, 1e-7)
        elif kind in ('conv3d', 'dense'):
            w, b, ops = more
            if k == 0 and flat:
                one = np.ones_like(w)
                r = ops[1](safe_divide(r, ops[0](np.ones_like(x), one)), one)
            elif kind == 'dense':
                r = x * ops[1](r / away(y, epsilon), w)
            else:
                r = alpha_beta(x, w, b, r, ops, *conv_rule)
    return steps[-1][2], r


def block(k, order):
    parts = {'c': {'name': f'conv{k}', 'type': 'conv3d', 'channels': 4, 'kernel': 3, 'padding': 1},
             'r': {'name': f'relu{k}', 'type': 'relu'},
             'p': {'name': f'pool{k}', 'type': 'maxPool3d', 'kernel': 2, 'stride': 2},
             'b': {'name': f'norm{k}', 'type': 'batchNorm', 'epsilon': 0.001}}
    return [parts[letter] for letter in order]


END = [{'name': 'flatten', 'type': 'flatten'}, {'name': 'dense1', 'type': 'dense', 'units': 8},
       {'name': 'dense1.relu', 'type': 'relu'}, {'name': 'dense2', 'type': 'dense', 'units': 2}]
NETWORKS = [('dyrba', [1, 6, 8, 5], block(1, 'crpb') + block(2, 'crpb') + END, 31),
            ('norm first', [1, 6, 7, 4], block(1, 'cbrp') + block(2, 'cbrp') + END, 47)]
PRESETS = {'sequentialPresetA': ((1, 0), False, 0.1), 'sequentialPresetB': ((2, 1), False, 0.1),
           'sequentialPresetAFlat': ((1, 0), True, 0.1), 'sequentialPresetBFlat': ((2, 1), True, 0.1),
           'dyrba': ((1, 0), False, 1e-10)}

found = []
for name, shape, layers, seed in NETWORKS:
    cases = []
    for preset, (rule, flat, epsilon) in PRESETS.items():
        logits, r = relevance(layers, shape, seed, rule, flat, epsilon)
        text = base64.b64encode(r.ravel().astype('<f4').tobytes()).decode()
        cases.append({'composite': preset, 'logits': [float(v) for v in logits], 'relevance': text})
    found.append({'name': name, 'input': shape, 'layers': layers, 'seed': seed, 'cases': cases})
with open(OUT, 'w') as file:
    json.dump(found, file, separators=(',', ':'))
    file.write('\n')
