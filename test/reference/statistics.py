"""Makes test/fixtures/model/statistics.json: evaluation statistics by scikit-learn, SciPy and formulas written out.

Needs: pip install scikit-learn scipy numpy.  Run: python test/reference/statistics.py
"""
import json
import os
import sys

# This file is called like a module of the standard library.
sys.path = [path for path in sys.path if os.path.abspath(path or '.') != os.path.dirname(os.path.abspath(__file__))]

import numpy as np
from scipy import stats
from sklearn import metrics

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'fixtures', 'model', 'statistics.json')


def kernel(positives, negatives):
    """1 where the positive scores higher, 1/2 for a tie: every pair, [positives, negatives]."""
    return (positives[:, None] > negatives[None, :]) + 0.5 * (positives[:, None] == negatives[None, :])


def area(labels, scores):
    return kernel(scores[labels == 1], scores[labels == 0]).mean()


def delong_covariance(labels, first, second):
    """DeLong 1988, equations 4 to 7, from all pairs."""
    k, l = (kernel(s[labels == 1], s[labels == 0]) for s in (first, second))
    up = np.cov(k.mean(axis=1), l.mean(axis=1), ddof=1)[0, 1]
    down = np.cov(k.mean(axis=0), l.mean(axis=0), ddof=1)[0, 1]
    return up / k.shape[0] + down / k.shape[1]


def obuchowski_variance(labels, scores, subjects):
    """Obuchowski 1997 for clustered samples, as in the paper: sums over clusters."""
    k = kernel(scores[labels == 1], scores[labels == 0])
    m, n, theta = k.shape[0], k.shape[1], k.mean()
    v10, v01 = k.mean(axis=1), k.mean(axis=0)
    who10, who01 = subjects[labels == 1], subjects[labels == 0]
    everyone = sorted(set(subjects))
    d10 = np.array([(v10[who10 == s] - theta).sum() for s in everyone])
    d01 = np.array([(v01[who01 == s] - theta).sum() for s in everyone])
    i10, i01, i = len(set(who10)), len(set(who01)), len(everyone)
    s10 = i10 / ((i10 - 1) * m) * (d10**2).sum()
    s01 = i01 / ((i01 - 1) * n) * (d01**2).sum()
    s11 = i / (i - 1) * (d10 * d01).sum()
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def case(seed, count, effect, decimals):
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < 0.4).astype(int)
    base = generator.normal(size=count) + effect * labels
    first = np.round(stats.norm.cdf(base - effect / 2), decimals)
    second = np.round(stats.norm.cdf(0.6 * base + 0.8 * generator.normal(size=count)), decimals)
    # About two samples a subject; some subjects have samples of both kinds.
    subjects = generator.integers(0, count // 2, count)
    covariance = delong_covariance(labels, first, second)
    variances = [delong_covariance(labels, s, s) for s in (first, second)]
    difference = area(labels, first) - area(labels, second)
    z = difference / np.sqrt(sum(variances) - 2 * covariance)
    fpr, tpr, _ = metrics.roc_curve(labels, first, drop_intermediate=False)
    called = (first > 0.5).astype(int)
    return {
        'labels': labels.tolist(),
        'first': first.tolist(),
        'second': second.tolist(),
        'subjects': subjects.tolist(),
        'auc': metrics.roc_auc_score(labels, first),
        'variance': variances[0],
        'clustered': obuchowski_variance(labels, first, subjects),
        'z': z,
        'p': 2 * stats.norm.sf(abs(z)),
        'fpr': fpr.tolist(),
        'tpr': tpr.tolist(),
        'metrics': {
            'balancedAccuracy': metrics.balanced_accuracy_score(labels, called),
            'accuracy': metrics.accuracy_score(labels, called),
            'sensitivity': metrics.recall_score(labels, called),
            'specificity': metrics.recall_score(labels, called, pos_label=0),
            'ppv': metrics.precision_score(labels, called),
            'npv': metrics.precision_score(labels, called, pos_label=0),
            'f1': metrics.f1_score(labels, called),
            'mcc': metrics.matthews_corrcoef(labels, called),
        },
        'brier': metrics.brier_score_loss(labels, first),
    }


def regression(seed, count):
    generator = np.random.default_rng(seed)
    x = np.round(generator.normal(5, 1.5, count), 3)
    y = np.round(3 - 2 * x + generator.normal(0, 2, count), 3)
    fit = stats.linregress(x, y)
    pearson = stats.pearsonr(x, y)
    interval = pearson.confidence_interval(0.95)
    at = 4.25
    spread = np.sqrt(((y - fit.intercept - fit.slope * x) ** 2).sum() / (count - 2))
    error = spread * np.sqrt(1 / count + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    mean = fit.intercept + fit.slope * at
    reach = stats.t.ppf(0.975, count - 2) * error
    return {
        'x': x.tolist(),
        'y': y.tolist(),
        'slope': fit.slope,
        'intercept': fit.intercept,
        'r': pearson.statistic,
        'p': pearson.pvalue,
        'interval': [interval.low, interval.high],
        'at': at,
        'mean': [mean, mean - reach, mean + reach],
    }


Z = [-38, -12, -6, -5, -4.99, -2, -0.3, 0, 1e-8, 0.7, 3, 5.5, 9]
T = [-60, -8, -2.2, -0.4, 0, 0.01, 1.5, 12]
P = [1e-12, 1e-4, 0.025, 0.2, 0.5, 0.8, 0.975, 0.9999]
FREEDOM = [1, 2, 3, 7, 30, 200, 5000]
json.dump(
    {
        'cases': [case(1, 40, 1.4, 2), case(2, 61, 0.6, 1), case(3, 24, 2.0, 3)],
        'regressions': [regression(1, 20), regression(2, 5)],
        'normalCdf': [[z, stats.norm.cdf(z)] for z in Z],
        'normalQuantile': [[p, stats.norm.ppf(p)] for p in P],
        'studentCdf': [[t, f, stats.t.cdf(t, f)] for f in FREEDOM for t in T],
        'studentQuantile': [[p, f, stats.t.ppf(p, f)] for f in FREEDOM for p in P],
        'wilson': [[k, n, *stats.binomtest(k, n).proportion_ci(0.95, 'wilson')] for k, n in [(0, 7), (5, 9), (40, 40)]],
    },
    open(OUT, 'w'),
)
