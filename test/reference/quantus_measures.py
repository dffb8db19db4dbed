"""Makes test/fixtures/explain/quantus.json: measures of maps by Quantus, on a small network of dense layers.

Needs: pip install quantus torch.  Run: python test/reference/quantus_measures.py
"""
import json
import os

import numpy as np
import quantus
import torch

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'fixtures', 'explain', 'quantus.json')
SIDE = 8


def main():
    rng = np.random.default_rng(5)
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(SIDE * SIDE, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2)
    ).eval()
    x = rng.uniform(0.1, 1, (2, 1, SIDE, SIDE)).astype(np.float32)
    a = rng.normal(size=x.shape).astype(np.float32)
    inside = np.zeros(x.shape, dtype=bool)
    inside[0, :, 2:5, 1:6] = True
    inside[1, :, 5:, :3] = True
    y = np.array([1, 0])

    def run(metric, normalise=True, softmax=True, **options):
        # Quantus divides by the largest |value| where asked; no measure here depends on the scale.
        made = metric(normalise=normalise, disable_warnings=True, display_progressbar=False, **options)
        calls = dict(model=model, x_batch=x, y_batch=y, a_batch=a, device='cpu', channel_first=True, softmax=softmax)
        result = made(**calls, s_batch=inside)
        return [np.asarray(value).astype(float).tolist() for value in result]

    zero = dict(perturb_baseline=0.0)
    regions = dict(patch_size=2, regions_evaluation=10, softmax=False, **zero)
    flipping = dict(features_in_step=8, **zero)
    document = {
        'source': f'Quantus {quantus.__version__}, torch {torch.__version__}',
        'side': SIDE,
        'weights': [p.detach().numpy().ravel().astype(float).tolist() for p in model.parameters()],
        'x': [v.ravel().astype(float).tolist() for v in x],
        'a': [v.ravel().astype(float).tolist() for v in a],
        'y': y.tolist(),
        'inside': [v.ravel().astype(int).tolist() for v in inside],
        'pixelFlipping': run(quantus.PixelFlipping, **flipping),
        'regionPerturbation': run(quantus.RegionPerturbation, **regions),
        'sparseness': run(quantus.Sparseness),
        'massAccuracy': run(quantus.RelevanceMassAccuracy, abs=True),
        'rankAccuracy': run(quantus.RelevanceRankAccuracy, abs=True),
        'auc': run(quantus.AUC, abs=True),
        'pointing': run(quantus.PointingGame, abs=True),
    }
    with open(OUT, 'w') as file:
        json.dump(document, file)


main()
