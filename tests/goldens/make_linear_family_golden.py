#!/usr/bin/env python3
"""Writes linear_family_golden.json, computed by PyTorch in float64; the inputs come from a formula, so none are stored.

linear attention (elu + 1; the causal form by its recurrence), Performer (as published, with one stabiliser for all keys
of a sentence, where epsilon is 0; its own definition else), Linformer (projections per head and shared) and Nystromformer
(six rounds and more; the convolution of values through torch.nn.functional.conv2d, one group per head), Reformer's
attention by hashing (round by round with the published penalties, merged by log-sum-exp; buckets from a formula): output
and all gradients, by automatic differentiation.

    python3 tests/goldens/make_linear_family_golden.py > tests/goldens/linear_family_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

LENGTHS = [3, 1, 5, 2]
HEADS, DEPTH, VALUES = 2, 3, 2
LONGEST = 6  # what Linformer's projections were made for


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


def start_value(k, shape):
    i = torch.arange(math.prod(shape))
    return torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i).reshape(shape).requires_grad_()


def read(weights, v):
    """One head; weights that are not normalised yet."""
    return weights @ v / weights.sum(1, keepdim=True)


def linear(q, k, v, causal):
    phi_q, phi_k = F.elu(q) + 1, F.elu(k) + 1
    if not causal:
        weights = phi_q @ phi_k.T
        return weights @ v / (weights.sum(1, keepdim=True) + 1e-6)
    state, normaliser, rows = torch.zeros(DEPTH, VALUES), torch.zeros(DEPTH), []
    for i in range(len(q)):
        state = state + phi_k[i][:, None] * v[i][None]
        normaliser = normaliser + phi_k[i]
        rows.append(phi_q[i] @ state / (phi_q[i] @ normaliser + 1e-6))
    return torch.stack(rows)


def performer(q, k, v, w, causal, kernel, epsilon):
    def project(x):
        return x * DEPTH ** -0.25 @ w.T

    def half_square(x):
        return (x * x).sum(1, keepdim=True) * DEPTH ** -0.5 / 2

    if kernel == "relu":
        phi_q, phi_k = (F.relu(project(x)) + epsilon for x in (q, k))
    elif epsilon == 0:
        phi_q = torch.exp(project(q) - half_square(q) - project(q).amax(1, keepdim=True).detach())
        phi_k = torch.exp(project(k) - half_square(k) - project(k).amax().detach())
    else:
        phi_q, phi_k = (torch.exp(project(x) - half_square(x)) for x in (q, k))
        phi_q, phi_k = (phi + epsilon * phi.amax(1, keepdim=True) for phi in (phi_q, phi_k))
    weights = phi_q @ phi_k.T
    return read(weights.tril() if causal else weights, v)


def linformer(q, k, v, e, f):
    n = len(k)
    return torch.softmax(q @ (e[:, :n] @ k).T / math.sqrt(DEPTH), 1) @ (f[:, :n] @ v)


def nystrom(q, k, v, landmarks, rounds):
    n = len(q)
    m = min(n, landmarks)
    cuts = [t * n // m for t in range(m + 1)]
    q_mean, k_mean = (torch.stack([x[a:b].mean(0) for a, b in zip(cuts, cuts[1:])]) for x in (q, k))
    left, a, right = (torch.softmax(x @ y.T / math.sqrt(DEPTH), 1)
                      for x, y in ((q, k_mean), (q_mean, k_mean), (q_mean, k)))
    eye = torch.eye(m)
    z = a.T / (a.abs().sum(1).max() * a.abs().sum(0).max())
    for _ in range(rounds):
        az = a @ z
        z = z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4
    return left @ z @ (right @ v)


def lsh(q, v, head, causal, rounds, chunk, count_once):
    n = len(q)
    count = -(-n // chunk) if chunk else 1
    cuts = [t * n // count for t in range(count + 1)]
    seen = torch.zeros(rounds, n, n, dtype=torch.bool)
    for r in range(rounds):
        place = sorted(range(n), key=lambda i: ((3 * i + 5 * head + 7 * r + i * i * (r + 1)) % (2 * count), i))
        chunks = [place[a:b] for a, b in zip(cuts, cuts[1:])]
        for t, own in enumerate(chunks):
            for i in own:
                seen[r, i, own + (chunks[t - 1] if count > 1 else [])] = True
    if causal:
        seen &= torch.ones(n, n, dtype=torch.bool).tril()
    logits = q @ (q / q.norm(dim=1, keepdim=True)).T - 1e5 * torch.eye(n)
    if count_once:
        logits = logits - seen.sum(0).clamp(min=1).log()
    scores = logits.masked_fill(~seen, -math.inf)
    sums = torch.logsumexp(scores, 2)
    return (torch.softmax(sums, 0)[:, :, None] * (torch.softmax(scores, 2) @ v)).sum(0)


def convolve(v, taps):
    """v [n, heads, VALUES], taps [heads, width]"""
    return F.conv2d(v.permute(1, 0, 2)[None], taps[:, None, :, None], padding=(taps.shape[1] // 2, 0),
                    groups=HEADS)[0].permute(1, 0, 2)


def golden(form, run, parameters=()):
    """run(q, k, v of a sentence and head, head) -> that head's rows"""
    rows = sum(LENGTHS)
    q, k = start_value(0, [rows, HEADS, DEPTH]), start_value(1, [rows, HEADS, DEPTH])
    v = start_value(2, [rows, HEADS, VALUES])
    parts = []
    for a, b, c in zip(q.split(LENGTHS), k.split(LENGTHS), v.split(LENGTHS)):
        y = torch.stack([run(a[:, h], b[:, h], c[:, h], h) for h in range(HEADS)], 1)
        parts.append(y + convolve(c, parameters[0]) if form.get("convolution") else y)
    y = torch.cat(parts)
    (y * start_value(8, list(y.shape)).detach()).sum().backward()
    return form | {"output": numbers(y), "gradients": [numbers(x.grad) for x in (q, k, v, *parameters) if x.grad is not None]}


def golden_performer(kernel, epsilon, causal):
    w = start_value(3, [5, DEPTH]).detach()
    return golden({"mechanism": "performer", "kernel": kernel, "epsilon": epsilon, "causal": causal},
                  lambda q, k, v, h: performer(q, k, v, w, causal, kernel, epsilon))


def golden_linformer(projections):
    e, f = start_value(4, [projections, 4, LONGEST]), start_value(5, [projections, 4, LONGEST])
    return golden({"mechanism": "linformer", "projections": projections},
                  lambda q, k, v, h: linformer(q, k, v, e[h % projections], f[h % projections]), (e, f))


def golden_nystrom(landmarks, rounds, convolution):
    taps = (start_value(6, [HEADS, convolution]),) if convolution else ()
    return golden({"mechanism": "nystrom", "landmarks": landmarks, "rounds": rounds, "convolution": convolution},
                  lambda q, k, v, h: nystrom(q, k, v, landmarks, rounds), taps)


def golden_lsh(causal, rounds, chunk, count_once):
    form = {"mechanism": "lsh", "causal": causal, "rounds": rounds, "chunk": chunk, "count-once": count_once}
    return golden(form, lambda q, k, v, h: lsh(q, v, h, causal, rounds, chunk, count_once))


print(json.dumps(
    [golden({"mechanism": "linear", "causal": causal}, lambda q, k, v, h: linear(q, k, v, causal))
     for causal in (False, True)]
    + [golden_performer(kernel, epsilon, causal) for causal in (False, True)
       for kernel, epsilon in (("exponential", 0), ("exponential", 0.01), ("relu", 0.001))]
    + [golden_linformer(1), golden_linformer(HEADS)]
    + [golden_nystrom(3, 6, 0), golden_nystrom(2, 6, 3), golden_nystrom(4, 9, 0)]
    + [golden_lsh(False, 1, 2, True), golden_lsh(True, 3, 2, True), golden_lsh(False, 3, 1, True),
       golden_lsh(True, 2, 1, False), golden_lsh(True, 2, 0, True)], separators=(",", ":")))
