#!/usr/bin/env python3
"""Writes explain_golden.json: the built-in example of `attune explain`, every quantity and every gradient, by PyTorch's
autograd in float64; and the same with the causal mask, with cross entropy, and with two heads on drawn weights that the
file then holds.

    python3 tests/goldens/make_explain_golden.py > tests/goldens/explain_golden.json     (torch 2.13)
"""
import json
import math

import torch

torch.set_default_dtype(torch.float64)

X = [[1, 0], [0, 1], [1, 1]]
WEIGHTS = {"Wq": [[1, 0], [1, 1]], "Wk": [[0, 1], [1, 0.5]], "Wv": [[1, 2], [-1, 1]]}
OUTPUT = {"Wo": [[0.5, -1], [1, 0.25]]}
TARGETS = [[1, 0], [0, 1], [1, 0]]
ETA = 0.1


def run(weights, heads=1, causal=False, loss="bce"):
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    w = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in weights.items()}
    targets = torch.tensor(TARGETS, dtype=torch.float64)

    def forward(w, kept):
        def keep(name, value):
            kept[name] = value
            if value.requires_grad:
                value.retain_grad()
            return value

        q, k, v = (keep(n, x @ w["W" + n.lower()]) for n in "QKV")
        cut = [t.reshape(len(X), heads, -1).transpose(0, 1) for t in (q, k, v)]
        s = keep("S", cut[0] @ cut[1].transpose(1, 2) / math.sqrt(cut[0].shape[-1]))
        masked = s
        if causal:
            masked = s.masked_fill(torch.ones(len(X), len(X)).triu(1).bool(), -math.inf)
        p = keep("P", masked.softmax(-1))
        o = keep("O", (p @ cut[2]).transpose(0, 1).reshape(len(X), -1))
        y = keep("Y", o @ w["Wo"]) if "Wo" in w else o
        if loss == "bce":
            keep("A", torch.sigmoid(y))
            total = torch.nn.functional.binary_cross_entropy_with_logits(y, targets, reduction="sum")
        else:
            keep("A", y.softmax(-1))
            total = torch.nn.functional.cross_entropy(y, targets.argmax(-1), reduction="sum")
        return keep("L", total)

    kept = {}
    forward(w, kept).backward()
    values = {name: value.detach() for name, value in kept.items()}
    values.update({"d" + name: value.grad for name, value in kept.items() if name not in "AL" and value.grad is not None})
    values.update({"d" + name: value.grad for name, value in w.items()})
    values["dX"] = x.grad
    moved = {name: value.detach() - ETA * value.grad for name, value in w.items()}
    values.update({name + "_new": value for name, value in moved.items()})
    values["L_new"] = forward(moved, {}).detach()
    for name in ("S", "P", "dS", "dP"):  # one head: a matrix
        if heads == 1:
            values[name] = values[name][0]
    return {name: value.tolist() for name, value in values.items()}


print(json.dumps({
    "X": X, "T": TARGETS, "weights": WEIGHTS, "output": OUTPUT,
    "plain": run(WEIGHTS), "causal": run(WEIGHTS, causal=True),
    "cross_entropy": run(WEIGHTS, loss="cross-entropy"),
    "heads": run(WEIGHTS | OUTPUT, heads=2),
}, indent=None, separators=(",", ":")))
