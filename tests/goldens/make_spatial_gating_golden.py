#!/usr/bin/env python3
"""Writes spatial_gating_golden.json, computed by PyTorch in float64; the weights come from a formula, so none are stored.

units:  the spatial gating unit in every form (torch.nn.LayerNorm, and the product over tokens as torch.nn.Conv1d of
        kernel 1 with tokens as channels, as the published ports write it), output and all gradients.
blocks: a gMLP and an aMLP block (pre-norm, exact GELU, residual; the tiny attention through torch.nn.functional.
        scaled_dot_product_attention), output and all gradients.

    python3 tests/goldens/make_spatial_gating_golden.py > tests/goldens/spatial_gating_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

LENGTHS = [3, 1, 5, 2]
POSITIONS = 6
EPSILON = 1e-3  # large enough to be seen


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


def start_value(k, shape, name):
    """Element i of parameter k (in the order of the module's list)."""
    i = torch.arange(math.prod(shape))
    wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
    scaled = 1 + 0.1 * wave if "norm.weight" in name else 0.1 * wave if name.endswith("bias") else 0.4 * wave
    return scaled.reshape(shape).requires_grad_()


def square(weight, toeplitz):
    """[heads, n, n] of what is learnt."""
    if not toeplitz:
        return weight
    n = (weight.shape[1] + 1) // 2
    offset = torch.arange(n)[None, :] - torch.arange(n)[:, None] + n - 1
    return weight[:, offset]


def project(v, weight, bias, causal):
    """v [tokens, channels] of one sentence; heads share the channels."""
    tokens, heads = len(v), len(weight)
    parts = []
    for part, matrix, shift in zip(v.chunk(heads, dim=1), weight, bias):
        matrix = matrix[:tokens, :tokens]
        matrix = matrix.tril() if causal else matrix
        parts.append(F.conv1d(part[None], matrix[:, :, None], shift[:tokens])[0])
    return torch.cat(parts, dim=1)


def unit(z, parameters, form, added=None):
    content, gate = z.chunk(2, dim=1) if form["gate"] == "split" else (z, z)
    gate = F.layer_norm(gate, gate.shape[1:], parameters["gate_norm.weight"], parameters["gate_norm.bias"], EPSILON)
    weight = square(parameters["spatial.weight"], form["toeplitz"])
    f = project(gate, weight, parameters["spatial.bias"], form["causal"])
    f = f if added is None else f + added
    return {"split": content * f, "multiplicative": content * f, "additive": content + f, "linear": f}[form["gate"]]


def unit_shapes(form, inner):
    channels, heads = inner // 2 if form["gate"] == "split" else inner, form["heads"]
    weight = [heads, 2 * POSITIONS - 1] if form["toeplitz"] else [heads, POSITIONS, POSITIONS]
    return {"gate_norm.weight": [channels], "gate_norm.bias": [channels], "spatial.weight": weight,
            "spatial.bias": [heads, POSITIONS]}, channels


def finished(form, x, parameters, run):
    y = torch.cat([run(part) for part in x.split(LENGTHS)])
    (y * start_value(8, list(y.shape), "seed").detach()).sum().backward()
    return form | {"output": numbers(y), "of-input": numbers(x.grad),
                   "gradients": {name: numbers(p.grad) for name, p in parameters.items()}}


def golden_unit(gate, causal=False, toeplitz=False, heads=1):
    form, inner = {"gate": gate, "causal": causal, "toeplitz": toeplitz, "heads": heads}, 8
    shapes, _ = unit_shapes(form, inner)
    parameters = {name: start_value(k, shape, name) for k, (name, shape) in enumerate(shapes.items())}
    z = start_value(9, [sum(LENGTHS), inner], "z")
    return finished(form, z, parameters, lambda part: unit(part, parameters, form))


def golden_block(gate, causal=False, tiny=0, tiny_heads=1):
    form, width, inner = {"gate": gate, "causal": causal, "toeplitz": False, "heads": 1}, 4, 12
    shapes, channels = unit_shapes(form, inner)
    layer = {"self_attention.first.weight": [inner, width], "self_attention.first.bias": [inner]}
    layer |= {"self_attention." + name: shape for name, shape in shapes.items()}
    if tiny:
        layer |= {"self_attention.tiny_attention.query_key_value.weight": [3 * tiny, width],
                  "self_attention.tiny_attention.query_key_value.bias": [3 * tiny],
                  "self_attention.tiny_attention.output.weight": [channels, tiny],
                  "self_attention.tiny_attention.output.bias": [channels]}
    layer |= {"self_attention.second.weight": [width, channels], "self_attention.second.bias": [width],
              "self_attention_norm.weight": [width], "self_attention_norm.bias": [width]}
    p = {name: start_value(k, shape, name) for k, (name, shape) in enumerate(layer.items())}

    def linear(x, name):
        return F.linear(x, p[f"self_attention.{name}.weight"], p[f"self_attention.{name}.bias"])

    def attend(x):
        q, k, v = (part.unflatten(1, (tiny_heads, -1)).transpose(0, 1)
                   for part in linear(x, "tiny_attention.query_key_value").chunk(3, dim=1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return linear(mixed.transpose(0, 1).flatten(1), "tiny_attention.output")

    def block(x):
        h = F.layer_norm(x, [width], p["self_attention_norm.weight"], p["self_attention_norm.bias"], 1e-5)
        own = {name: p["self_attention." + name] for name in shapes}
        gated = unit(F.gelu(linear(h, "first")), own, form, attend(h) if tiny else None)
        return x + linear(gated, "second")

    x = start_value(9, [sum(LENGTHS), width], "x")
    return finished(form | {"tiny-attention": tiny, "tiny-attention-heads": tiny_heads}, x, p, block)


GATES = ["split", "multiplicative", "additive", "linear"]
print(json.dumps({
    "units": [golden_unit(gate, causal) for gate in GATES for causal in (False, True)]
             + [golden_unit("split", causal, toeplitz=True, heads=2) for causal in (False, True)]
             + [golden_unit("linear", heads=4), golden_unit("additive", toeplitz=True)],
    "blocks": [golden_block(gate) for gate in GATES]
              + [golden_block("split", causal=True), golden_block("split", tiny=6), golden_block("split", True, 6, 2)],
}, separators=(",", ":")))
