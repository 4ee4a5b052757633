#!/usr/bin/env python3
"""Writes positions_golden.json, computed by PyTorch in float64; the weights come from a formula, so none are stored.

buckets: T5's bucket (32 buckets, distance 128) of every relative position from -200 to 200.
layers:  multi-head self-attention with each kind of position inside it, as an encoder's and a decoder's: output and all
         gradients over sentences of different lengths.

    python3 tests/goldens/make_positions_golden.py > tests/goldens/positions_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

LENGTHS = [4, 1, 21]
WIDTH, HEADS = 12, 3
DEPTH = WIDTH // HEADS
BUCKETS, REACH = 32, 128
OFFSETS = 6  # max-positions: shorter than the longest sentence


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


def start_value(k, shape, kind):
    """Element i of parameter k (in the order of the model's list)."""
    i = torch.arange(math.prod(shape))
    wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
    return ({"bias": 0.1, "matrix": 0.4}[kind] * wave).reshape(shape)


# ---- The kinds of position ------------------------------------------------------------------------------------------


def offsets(n):
    """j - i of query i and key j."""
    at = torch.arange(n)
    return at[None, :] - at[:, None]


def bucket(relative, causal):
    """Raffel 2020: half of the buckets are single distances, the others grow with the logarithm, in float32."""
    buckets, first = BUCKETS, torch.zeros_like(relative)
    if causal:
        distance = (-relative).clamp(min=0)
    else:
        buckets //= 2
        first = (relative > 0) * buckets
        distance = relative.abs()
    exact = buckets // 2
    along = torch.log(distance.clamp(min=1).float() / exact) / math.log(REACH / exact)
    far = (exact + (along * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + torch.where(distance < exact, distance, far)


def turn_interleaved(x):
    """Su 2021: neighbours are a complex number, multiplied by e^(i p theta)."""
    theta = 10000.0 ** (-torch.arange(0, DEPTH, 2) / DEPTH)
    angle = torch.arange(x.shape[-2])[:, None] * theta
    z = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(z * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def turn_halves(x):
    """GPT-NeoX: number i belongs to number i + depth / 2."""
    theta = 10000.0 ** (-torch.arange(0, DEPTH, 2) / DEPTH)
    angle = torch.arange(x.shape[-2])[:, None] * theta.repeat(2)
    a, b = x.chunk(2, dim=-1)
    return x * angle.cos() + torch.cat([-b, a], dim=-1) * angle.sin()


def bias(kind, table, n, causal):
    if kind == "relative":
        return table[:, bucket(offsets(n), causal)]
    if kind == "relative_offset":
        clipped = offsets(n).clamp(1 - OFFSETS, OFFSETS - 1)
        return table[:, (-clipped).clamp(min=0) if causal else clipped + OFFSETS - 1]
    if kind == "alibi":
        slopes = torch.tensor([2 ** (-8 * (h + 1) / HEADS) for h in range(HEADS)])
        return -slopes[:, None, None] * offsets(n).abs()
    return torch.zeros(())


TABLE = {"relative": lambda causal: BUCKETS, "relative_offset": lambda causal: OFFSETS if causal else 2 * OFFSETS - 1}
TURN = {"rotary": turn_interleaved, "rotary_halves": turn_halves}


# ---- One layer of attention -----------------------------------------------------------------------------------------


def layer(kind, causal):
    shapes = {f"{part}.{what}": [WIDTH, WIDTH] if what == "weight" else [WIDTH]
              for part in ("query", "key", "value", "output") for what in ("weight", "bias")}
    if kind in TABLE:
        shapes["positions.table"] = [HEADS, TABLE[kind](causal)]
    parameters = {name: start_value(k, shape, "bias" if name.endswith("bias") else "matrix").requires_grad_()
                  for k, (name, shape) in enumerate(shapes.items())}
    x = start_value(30, [sum(LENGTHS), WIDTH], "matrix").requires_grad_()

    def linear(rows, name):
        return F.linear(rows, parameters[name + ".weight"], parameters[name + ".bias"])

    outputs = []
    for rows in x.split(LENGTHS):
        n = len(rows)
        q, k, v = (linear(rows, part).unflatten(-1, (HEADS, DEPTH)).transpose(0, 1) for part in ("query", "key", "value"))
        turn = TURN.get(kind, lambda y: y)
        scores = turn(q) @ turn(k).transpose(1, 2) / math.sqrt(DEPTH)
        scores = scores + bias(kind, parameters.get("positions.table"), n, causal)
        if causal:
            scores = scores.masked_fill(offsets(n) > 0, -math.inf)
        outputs.append(linear((scores.softmax(-1) @ v).transpose(0, 1).flatten(1), "output"))
    y = torch.cat(outputs)
    (y * start_value(31, list(y.shape), "matrix")).sum().backward()
    return {"positions": kind, "causal": causal, "output": numbers(y), "of-input": numbers(x.grad),
            "gradients": {name: numbers(p.grad) for name, p in parameters.items()}}


KINDS = ["relative", "relative_offset", "rotary", "rotary_halves", "alibi"]
far = torch.arange(-200, 201)
print(json.dumps({"buckets": {"encoder": bucket(far, False).tolist(), "decoder": bucket(far, True).tolist()},
                  "layers": [layer(kind, causal) for kind in KINDS for causal in (False, True)]},
                 separators=(",", ":")))
