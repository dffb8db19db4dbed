"""Makes test/fixtures/model/torch-training.json: 30 training steps of a small network by PyTorch's optimizers.

Needs: pip install torch numpy.  Run: python test/reference/torch_training.py
Scans, weights and labels come from the generator that the test also has, so that the fixture holds results only.
"""
import base64
import json
import os
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'fixtures', 'model', 'torch-training.json')
SHAPE = (1, 8, 6, 10)
BATCH = 4
STEPS = 30
SCANS = 12
CLASS_WEIGHTS = torch.tensor([0.8, 1.5])


def values(count, seed):
    """The test's values(): a linear congruential generator, in [-1, 1)."""
    state = (seed * 2654435761) & 0xFFFFFFFF
    out = np.empty(count, np.float32)
    for k in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[k] = (state >> 8) / 2.0**23 - 1
    return out


def network():
    # No bias before a norm: its gradient is rounding noise, which Adam turns into steps of full size.
    net = nn.Sequential(OrderedDict(
        conv1=nn.Conv3d(1, 3, 3, padding=1, bias=False), norm1=nn.BatchNorm3d(3), relu1=nn.LeakyReLU(0.01),
        pool1=nn.MaxPool3d(2, 2),
        conv2=nn.Conv3d(3, 4, 3, padding=1), relu2=nn.LeakyReLU(0.01), norm2=nn.BatchNorm3d(4),
        pool2=nn.MaxPool3d(2, 2),
        flatten=nn.Flatten(), output=nn.Linear(4 * 2 * 1 * 2, 2),
    ))
    with torch.no_grad():
        for k, (name, p) in enumerate(net.named_parameters()):
            norm = name.startswith('norm')
            own = torch.from_numpy(values(p.numel(), 1000 + k)).reshape(p.shape)
            p.copy_(own * (0.1 if norm else 0.4) + (1.0 if norm and name.endswith('weight') else 0.0))
    return net


def data():
    labels = [n % 2 for n in range(SCANS)]
    scans = []
    for n, label in enumerate(labels):
        x = 0.5 * values(int(np.prod(SHAPE)), 10 + n)
        x = x + (0.3 * label) * (np.arange(x.size) % 10 < 4)
        scans.append(x.astype(np.float32).reshape(SHAPE))
    return torch.from_numpy(np.stack(scans)), torch.tensor(labels)


def batch_of(k):
    """Scans of batch k: in order, round and round."""
    return [(k * BATCH + j) % SCANS for j in range(BATCH)]


def encode(tensor):
    return base64.b64encode(tensor.detach().numpy().astype('<f4').tobytes()).decode()


def run(make, accumulate=1):
    torch.manual_seed(0)
    net, (x, y) = network(), data()
    optimizer = make(net.parameters())
    net.train()
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        chosen = [batch_of(step * accumulate + k) for k in range(accumulate)]
        # The mean over all scans of the step, as if they were one batch.
        total = CLASS_WEIGHTS[y[sum(chosen, [])]].sum()
        step_loss = 0.0
        for own in chosen:
            loss = nn.functional.cross_entropy(net(x[own]), y[own], weight=CLASS_WEIGHTS, reduction='sum') / total
            loss.backward()
            step_loss += loss.item()
        optimizer.step()
        losses.append(step_loss)
    net.eval()
    with torch.no_grad():
        logits = net(x)
    state = {k: encode(v) for k, v in net.state_dict().items() if not k.endswith('num_batches_tracked')}
    return {'losses': losses, 'weights': state, 'logits': encode(logits)}


cases = {
    'adam': run(lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2)),
    'amsgrad': run(lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2, amsgrad=True)),
    'adamw': run(lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1)),
    'sgd': run(lambda p: torch.optim.SGD(p, lr=2e-2, momentum=0.9, weight_decay=1e-2)),
    'nesterov': run(lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True)),
    'dampening': run(lambda p: torch.optim.SGD(p, lr=5e-2, momentum=0.8, dampening=0.3)),
    'accumulate': run(lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2), accumulate=3),
}
with open(OUT, 'w') as file:
    json.dump({'torch': torch.__version__.split('+')[0], 'cases': cases}, file, indent=1)
    file.write('\n')
print(os.path.getsize(OUT), 'bytes', {k: (c['losses'][0], c['losses'][-1]) for k, c in cases.items()})
