"""Makes test/fixtures/explain/occlusion.json: Captum's Occlusion and FeatureAblation of a small 3D network.

Needs: pip install torch captum.  Run: python test/reference/captum_occlusion.py
The network's weights and its input are given by a formula (wave), so that a test can make the same ones.
"""
import json
import os

import torch
from captum.attr import FeatureAblation, Occlusion
from torch import nn

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'explain', 'occlusion.json')
SHAPE = (2, 7, 9, 6)


def wave(count, step):
    """(i * step mod 1009) / 1009 - 1/2, exact in float32's double."""
    return (torch.arange(count, dtype=torch.float64) * step % 1009 / 1009 - 0.5).float()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(2, 4, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool3d(2),
            nn.Conv3d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 3 * 4 * 3, 3),
        )
        for k, p in enumerate(self.body.parameters()):
            p.data = wave(p.numel(), 7919 + 2 * k).reshape(p.shape)

    def forward(self, x):
        return self.body(x)


def main():
    net = Net().eval()
    x = (wave(torch.Size(SHAPE).numel(), 331) + 0.5).reshape(1, *SHAPE)
    cases = []
    for edge, stride, baseline, target in [
        ((3, 3, 3), (1, 1, 1), 0.0, 0),
        ((3, 4, 2), (2, 3, 2), 0.25, 2),
        ((5, 2, 6), (3, 1, 4), 0.0, 1),
        ((2, 2, 2), (2, 2, 2), 1.0, 0),
    ]:
        found = Occlusion(net).attribute(
            x, (2, *edge), strides=(2, *stride), baselines=baseline, target=target, perturbations_per_eval=4)
        cases.append({'edge': edge, 'stride': stride, 'value': baseline, 'target': target,
                      'relevance': [float(f'{v:.7g}') for v in found[0, 0].flatten().tolist()]})
        assert torch.equal(found[0, 0], found[0, 1])
    voxels = torch.arange(7 * 9 * 6)
    labels = (voxels * 37 // 50 % 5).reshape(1, 1, 7, 9, 6)
    ablated = FeatureAblation(net).attribute(x, baselines=0.1, target=1, feature_mask=labels.expand(1, *SHAPE))
    with open(OUT, 'w') as file:
        json.dump({
            'input': SHAPE,
            'logits': net(x)[0].tolist(),
            'occlusion': cases,
            'ablation': {
                'labels': labels.flatten().tolist(), 'value': 0.1, 'target': 1,
                'relevance': [float(f'{v:.7g}') for v in ablated[0, 0].flatten().tolist()],
            },
        }, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    with torch.no_grad():
        main()
