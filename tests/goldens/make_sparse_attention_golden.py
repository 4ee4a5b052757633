#!/usr/bin/env python3
"""Writes sparse_attention_golden.json, computed by PyTorch in float64 from masks that are written out here pair by pair,
one mechanism after another, from the papers; inputs come from a formula, so none are stored.

Each case: torch.nn.functional.scaled_dot_product_attention per sequence and head under the mask (rows that see nothing:
0), output and the gradients of q, k and v. longformer: the output of the window's projections for ordinary tokens and of
the global ones for global tokens, and the gradients of all six.

    python3 tests/goldens/make_sparse_attention_golden.py > tests/goldens/sparse_attention_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

LENGTHS = [7, 1, 15]
HEADS, DEPTH = 2, 2
GLOBAL = [[0, 5], [0], [0, 4, 13]]  # the first token, and these
MASK64 = (1 << 64) - 1


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]


def start_value(k, rows):
    i = torch.arange(rows * HEADS * DEPTH)
    return torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i).reshape(rows, HEADS, DEPTH).requires_grad_()


# ---- The program's random numbers (base/rng.h), for BigBird's dice ---------------------------------------------------


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def stream(key, number):
    return mix((key + 0xD1342543DE82EF95 * (number + 1)) & MASK64)


def below(key, element, bound):
    return (mix((key + (element + 1) * 0x9E3779B97F4A7C15) & MASK64) * bound) >> 64


def draw(seed, head, query_block, candidates, count):
    """Floyd's sample of `count` of the candidates."""
    key = stream(stream(mix(seed ^ 0x41747475_6E653231), head), query_block)
    chosen = []
    for j in range(max(len(candidates) - count, 0), len(candidates)):
        n = below(key, j, j + 1)
        chosen.append(j if n in chosen else n)
    return [candidates[n] for n in chosen]


# ---- Masks: allowed[i, j] ------------------------------------------------------------------------------------------


def empty(n):
    return torch.zeros(n, n, dtype=torch.bool)


def window(s, head, n, w, dilations, tokens=()):
    """Longformer: w / 2 keys to each side, dilation apart; global tokens see and are seen."""
    allowed = empty(n)
    for i in range(n):
        for step in range(-(w // 2), w // 2 + 1):
            j = i + step * dilations[head]
            if 0 <= j < n:
                allowed[i, j] = True
    for g in tokens:
        allowed[g, :] = True
        allowed[:, g] = True
    return allowed


def strided(s, head, n, stride, causal):
    """Sparse Transformer: A_1 = the last `stride` positions, A_2 = every stride-th one."""
    allowed = empty(n)
    for i in range(n):
        if head == 0:
            allowed[i, max(0, i - stride + 1) : (i + 1 if causal else min(n, i + stride))] = True
        else:
            for j in range(i % stride, n, stride):
                allowed[i, j] = not causal or j <= i
    return allowed


def fixed(s, head, n, stride, summary, causal):
    """Sparse Transformer: A_1 = the own stretch, A_2 = the last `summary` positions of each."""
    allowed = empty(n)
    for i in range(n):
        for j in range(n):
            own = math.floor(i / stride) == math.floor(j / stride)
            summarises = j % stride in range(stride - summary, stride)
            allowed[i, j] = (own if head == 0 else summarises) and (not causal or j <= i)
    return allowed


def bigbird(s, head, n, block, around, first, last, random, seed, lead=0):
    """BigBird, blocks spelt out: global ones at both ends, a window, random ones; `lead` global tokens in front (ETC)."""
    blocks = [list(range(b, min(b + block, n))) for b in range(lead, n, block)]
    count = len(blocks)
    everywhere = set(range(min(first, count))) | set(range(max(count - last, min(first, count)), count))
    allowed = empty(n)
    allowed[:lead, :] = True
    allowed[:, :lead] = True
    for q, queries in enumerate(blocks):
        near = {b for b in range(q - around, q + around + 1) if 0 <= b < count}
        others = [b for b in range(count) if b not in everywhere and b not in near]
        seen = near | everywhere | set(draw(seed, head, q, others, random))
        if q in everywhere:
            seen = set(range(count))
        for i in queries:
            for b in seen:
                allowed[i, blocks[b]] = True
    return allowed


CASES = {
    "window": lambda s, h, n: window(s, h, n, 6, [1, 1]),
    "window, dilated": lambda s, h, n: window(s, h, n, 4, [1, 3]),
    "window, global": lambda s, h, n: window(s, h, n, 4, [1, 1], GLOBAL[s]),
    "window, dilated, causal, global": lambda s, h, n: window(s, h, n, 4, [1, 3], GLOBAL[s])
    & torch.ones(n, n, dtype=torch.bool).tril(),
    "strided": lambda s, h, n: strided(s, h, n, 4, False),
    "strided, causal": lambda s, h, n: strided(s, h, n, 4, True),
    "fixed": lambda s, h, n: fixed(s, h, n, 5, 2, False),
    "fixed, causal": lambda s, h, n: fixed(s, h, n, 5, 2, True),
    "bigbird": lambda s, h, n: bigbird(s, h, n, 2, 1, 1, 1, 2, 5),
    "bigbird, extended": lambda s, h, n: bigbird(s, h, n, 3, 0, 0, 0, 1, 6, lead=min(2, n)),
}


def attend(q, k, v, allowed):
    """One sequence and head; rows of `allowed` without a key give 0."""
    some = allowed.any(dim=1)
    scores = allowed | ~some[:, None]
    out = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=scores[None])[0]
    return torch.where(some[:, None], out, torch.zeros(()))


def over_sequences(attend_one):
    """Rows of all sequences: attend_one(sequence, rows of it, head) -> [length, depth]."""
    begin, sequences = 0, []
    for s, length in enumerate(LENGTHS):
        rows = slice(begin, begin + length)
        sequences.append(torch.stack([attend_one(s, rows, head) for head in range(HEADS)], dim=1))
        begin += length
    return torch.cat(sequences)


def result(out, inputs):
    seed = torch.cos(0.9 * torch.arange(out.numel())).reshape(out.shape)
    gradients = torch.autograd.grad((out * seed).sum(), inputs)
    return {"out": numbers(out), "gradients": [numbers(g) for g in gradients]}


def plain(mask):
    q, k, v = (start_value(n, sum(LENGTHS)) for n in range(3))
    out = over_sequences(
        lambda s, rows, h: attend(q[rows, h], k[rows, h], v[rows, h], mask(s, h, LENGTHS[s]))
    )
    return result(out, [q, k, v])


def longformer():
    """Two sets of projections: the pattern's rows are ordinary, but those of global tokens are the global ones'."""
    globals_in_all = sum(len(g) for g in GLOBAL)
    x = [start_value(n, globals_in_all if n == 3 else sum(LENGTHS)) for n in range(6)]
    first = [0, len(GLOBAL[0]), len(GLOBAL[0]) + len(GLOBAL[1])]

    def one(s, rows, h):
        n = LENGTHS[s]
        out = list(attend(x[0][rows, h], x[1][rows, h], x[2][rows, h], window(s, h, n, 4, [1, 2], GLOBAL[s])))
        own = x[3][first[s] : first[s] + len(GLOBAL[s]), h]
        everything = torch.ones(len(own), n, dtype=torch.bool)
        for g, row in zip(GLOBAL[s], attend(own, x[4][rows, h], x[5][rows, h], everything)):
            out[g] = row
        return torch.stack(out)

    return result(over_sequences(one), x)


if __name__ == "__main__":  # make_explain_pages_golden.py takes the masks
    print(json.dumps({"patterns": {name: plain(mask) for name, mask in CASES.items()}, "longformer": longformer()}))
