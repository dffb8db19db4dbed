"""Makes the small PyTorch checkpoints in test/fixtures/model (torch_*) and their networks' logits.

Needs: pip install torch numpy.  Run: python test/reference/torch_models.py
The input of every network is x[i] = (i * 7919 % 1009) / 1009 over [D, H, W] in row-major order (one channel).
The networks are ClinicaDL's in small: its names, its order of layers, its padded max-pool.
"""
import json
import os

import torch
from torch import nn

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'model')
SHAPE = (7, 9, 6)


class PadMaxPool3d(nn.Module):
    """Zeros in front of odd axes, then a max-pool of 2."""

    def forward(self, x):
        depth, height, width = (n % 2 for n in x.shape[2:])
        return nn.functional.max_pool3d(nn.functional.pad(x, (width, 0, height, 0, depth, 0)), 2)


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv3d(1, 3, 3, padding=1), nn.BatchNorm3d(3), nn.ReLU(), PadMaxPool3d(),
            nn.Conv3d(3, 5, 3, padding=1), nn.BatchNorm3d(5), nn.ReLU(), PadMaxPool3d(),
        )
        self.fc = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(5 * 2 * 3 * 2, 7), nn.ReLU(), nn.Linear(7, 2))

    def forward(self, x):
        return self.fc(self.convolutions(x))


class Random(nn.Module):
    """As the random search names and orders them; blocks of 2 and 1 convolutions."""

    def __init__(self, stride):
        super().__init__()

        def conv(a, b, step=1):
            return [nn.Conv3d(a, b, 3, stride=step, padding=1), nn.BatchNorm3d(b), nn.LeakyReLU()]

        last, pool = (2, []) if stride else (1, [PadMaxPool3d()])
        self.convolutions = nn.Sequential()
        self.convolutions.add_module('conv0', nn.Sequential(*conv(1, 3), *conv(3, 4, last), *pool))
        self.convolutions.add_module('conv1', nn.Sequential(*conv(4, 5, last), *pool))
        self.fc = nn.Sequential()
        self.fc.add_module('flatten', nn.Flatten())
        self.fc.add_module('dropout', nn.Dropout(0.2))
        self.fc.add_module('FC0', nn.Sequential(nn.Linear(5 * 2 * 3 * 2, 8), nn.LeakyReLU()))
        self.fc.add_module('FC1', nn.Sequential(nn.Linear(8, 3)))

    def forward(self, x):
        return self.fc(self.convolutions(x))


class Own(nn.Module):
    """Nobody's names: an instance norm, an average pool, a global average."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(1, 4, 3, stride=2, bias=False)
        self.norm = nn.InstanceNorm3d(4, affine=True)
        self.act = nn.PReLU(4)
        self.body = nn.ModuleList([nn.Conv3d(4, 6, (1, 2, 1), groups=2)])
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = nn.functional.avg_pool3d(self.body[0](self.act(self.norm(self.stem(x)))), (2, 1, 1))
        return self.head(x.mean((2, 3, 4)))


def randomise(model, seed):
    """Every value away from its default, so that no swap of two arrays goes unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.rand(value.shape, generator=generator) - 0.5
        centre = 1.0 if name.endswith('running_var') else 0.0
        scale = 1.0 if value.dim() < 2 else 4 / value[0].numel() ** 0.5
        value.copy_(centre + scale * noise)
    return model.eval()


def logits(model):
    count = SHAPE[0] * SHAPE[1] * SHAPE[2]
    x = ((torch.arange(count) * 7919 % 1009) / 1009).to(torch.float32).reshape(1, 1, *SHAPE)
    with torch.no_grad():
        return model.to(torch.float64)(x.double())[0].tolist()


def scattered(value):
    """The same values with other strides and an offset, in a larger storage."""
    if value.dim() < 2:
        return value
    wide = torch.zeros([n + 1 for n in reversed(value.shape)], dtype=value.dtype)
    view = wide[tuple(slice(1, None) for _ in value.shape)].permute(*reversed(range(value.dim())))
    return view.copy_(value)


def main():
    expected = {}

    def save(name, model, wrap, new=True):
        torch.save(wrap(model), os.path.join(OUT, name), _use_new_zipfile_serialization=new)
        expected[name] = logits(model)
        print(name, os.path.getsize(os.path.join(OUT, name)), 'bytes', expected[name])

    def states(change):
        return lambda model: {k: change(v) for k, v in model.state_dict().items()}

    save('torch_clinicadl.pth.tar', randomise(Fixed(), 1), lambda m: {'model': m.state_dict(), 'epoch': 7, 'name': 'Conv2_FC2'})
    save('torch_legacy.pth', randomise(Fixed(), 2), lambda m: {'state_dict': nn.DataParallel(m).state_dict(), 'lr': 1e-4}, new=False)
    half = randomise(Fixed(), 3).half().float()
    save('torch_half.pt', half, states(lambda v: scattered(v.half()) if v.is_floating_point() else v))
    save('torch_bfloat16.pt', randomise(Fixed(), 4).bfloat16().float(), states(lambda v: v.bfloat16() if v.is_floating_point() else v))
    save('torch_double.pt', randomise(Fixed(), 5), lambda m: {'model_state_dict': m.double().state_dict(keep_vars=True)})
    save('torch_random_pool.pth.tar', randomise(Random(False), 6), lambda m: {'model': m.state_dict(), 'epoch': 1})
    save('torch_random_stride.pth.tar', randomise(Random(True), 7), lambda m: {'model': m.state_dict(), 'epoch': 1})
    save('torch_own.pt', randomise(Own(), 8), lambda m: m.state_dict())
    torch.jit.script(Own()).save(os.path.join(OUT, 'torch_script.pt'))
    with open(os.path.join(OUT, 'torch.json'), 'w') as file:
        json.dump({'input': [1, *SHAPE], 'logits': expected}, file, indent=1)


main()
