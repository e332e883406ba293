#!/usr/bin/env python3
"""Makes metrics.json: figures of scikit-learn and SciPy for 220 small random splits, most of them with ties.

Read by tests/metrics/golden_test.cpp; run in this folder (PyPI: numpy, scipy, scikit-learn) when a definition there changes.
Logits are stored as integers, in 64ths, so that both programs start from the same exact numbers.
"""
import json
import warnings

import numpy as np
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu, norm
from sklearn import metrics as m

warnings.simplefilter("ignore")
random = np.random.default_rng(20180)
BINS = np.arange(16) / 15


def split(kind):
    n = int(random.integers(2, 9)) if kind == "tiny" else int(random.integers(4, 45))
    share = random.choice([0.5, 0.2, 0.8])
    labels = (random.random(n) < share).astype(int)
    if kind == "one_class":
        labels[:] = random.integers(0, 2)
    else:
        labels[0], labels[1] = 0, 1
    spread = {"coarse": 2, "tied": 0}.get(kind, 40 if kind != "sure" else 4000)
    step = 32 if kind == "coarse" else 1
    signal = random.choice([0, 1, -1]) * spread // 2
    real = random.integers(-spread, spread + 1, n) * step
    fake = random.integers(-spread, spread + 1, n) * step + labels * signal
    return real, fake, labels


def delong_variance(d, labels):
    """By the definition: every pair's kernel (1, 1/2 or 0), its row and column means, their sample variances."""
    x, y = d[labels == 1], d[labels == 0]
    if len(x) < 2 or len(y) < 2:
        return None
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    return psi.mean(axis=1).var(ddof=1) / len(x) + psi.mean(axis=0).var(ddof=1) / len(y)


def best_cut(labels, scores, rule):
    """False and true positives of the best point of scikit-learn's curve, the first (highest threshold) of equally good ones."""
    fpr, tpr, _ = m.roc_curve(labels, scores, drop_intermediate=False)
    negatives, positives = (labels == 0).sum(), labels.sum()
    fp, tp = np.rint(fpr * negatives).astype(int), np.rint(tpr * positives).astype(int)
    merit = {"youden": tp * negatives - fp * positives, "eer": -np.abs((positives - tp) * negatives - fp * positives), "accuracy": tp + negatives - fp,
             "fpr:0.1": np.where(fpr <= 0.1, tp, -1)}[rule]
    best = int(np.argmax(merit))
    return [int(fp[best]), int(tp[best])]


def figures(real, fake, labels):
    real, fake = real / 64, fake / 64
    d = fake - real
    p = 1 / (1 + np.exp(-d))
    called = (d > 0).astype(int)
    both = 0 < labels.sum() < len(labels)
    tn, fp, fn, tp = (int(v) for v in m.confusion_matrix(labels, called, labels=[0, 1]).ravel())
    out = {"confusion": [tn, fp, fn, tp]}
    losses = np.logaddexp(0, np.where(labels == 1, -d, d))
    out["loss"] = losses.mean()
    out["accuracy"] = m.accuracy_score(labels, called)
    out["balanced_accuracy"] = m.balanced_accuracy_score(labels, called) if both else None
    out["precision"] = m.precision_score(labels, called) if tp + fp else None
    out["recall"] = m.recall_score(labels, called) if tp + fn else None
    out["f1"] = m.f1_score(labels, called) if tp + fp + fn else None
    out["majority_accuracy"] = max(labels.mean(), 1 - labels.mean())
    out["brier"] = m.brier_score_loss(labels, p, pos_label=1) if both else np.mean((p - labels) ** 2)
    bin_of = np.clip(np.digitize(p, BINS) - 1, 0, 14)
    out["ece"] = sum((bin_of == k).mean() * abs(labels[bin_of == k].mean() - p[bin_of == k].mean()) for k in set(bin_of))
    out["auc_delong_variance"] = delong_variance(d, labels) if both else None
    for name in ("auc_first_score", "auc_second_score", "auc_p_value", "eer", "average_precision", "tpr_at_fpr_1pct", "cllr"):
        out[name] = None
    if both:
        out["auc_first_score"] = m.roc_auc_score(labels, -d)
        out["auc_second_score"] = m.roc_auc_score(labels, d)
        if len(set(d)) > 1:
            test = mannwhitneyu(d[labels == 1], d[labels == 0], method="asymptotic", alternative="two-sided")
            out["auc_p_value"] = test.pvalue
        fpr, tpr, thresholds = m.roc_curve(labels, d, drop_intermediate=False)
        out["eer"] = brentq(lambda x: 1 - x - np.interp(x, fpr, tpr), 0, 1, xtol=1e-15, rtol=1e-15)
        # A vertical step holds the answer where np.interp jumps over it: then the rate is the step's fpr, which brentq finds.
        out["average_precision"] = m.average_precision_score(labels, d)
        out["tpr_at_fpr_1pct"] = tpr[fpr <= 0.01].max()
        out["cllr"] = (losses[labels == 1].mean() + losses[labels == 0].mean()) / 2 / np.log(2)
        out["thresholds"] = {rule: best_cut(labels, d, rule) for rule in ("youden", "eer", "accuracy", "fpr:0.1")}
        if np.abs(d).max() > 30:  # where probabilities round to 1 a threshold on them can do less than one on logits
            out["thresholds_on_p"] = {rule: best_cut(labels, p, rule) for rule in ("youden", "eer", "accuracy", "fpr:0.1")}
        out["roc"] = [np.rint(fpr * (labels == 0).sum()).astype(int).tolist(), np.rint(tpr * labels.sum()).astype(int).tolist()]
    return {k: (float(v) if isinstance(v, np.floating) else v) for k, v in out.items()}


cases = []
for kind, count in {"plain": 50, "coarse": 70, "tiny": 50, "sure": 20, "tied": 10, "one_class": 20}.items():
    for _ in range(count):
        real, fake, labels = split(kind)
        cases.append({"kind": kind, "real": real.tolist(), "fake": fake.tolist(), "labels": "".join(map(str, labels))} | figures(real, fake, labels))

probabilities = [1e-300, 1e-100, 1e-20, 1e-8, 1e-4, 0.001, 0.01, 0.02425, 0.1, 0.25, 0.4, 0.4999, 0.5, 0.51, 0.75, 0.9, 0.99, 0.9999, 1 - 2.0**-50]
values = sorted(random.integers(0, 1000, 37).tolist())
quantiles = [0, 0.025, 0.1, 0.5, 0.731, 0.975, 1]
golden = {
    "probit": [probabilities, norm.ppf(probabilities).tolist()],
    "quantile": [values, quantiles, np.quantile(values, quantiles).tolist()],
    "cases": cases,
}
with open("metrics.json", "w") as file:
    file.write(json.dumps(golden, separators=(",", ":")).replace('{"kind"', '\n{"kind"') + "\n")
