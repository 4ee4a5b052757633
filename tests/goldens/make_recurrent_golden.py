#!/usr/bin/env python3
"""Writes recurrent_golden.json: outputs, last states and every gradient of nn.LSTM and nn.GRU, two layers, both ways, on
packed sequences of different lengths, computed by PyTorch in float64. Weights, inputs and the outputs' gradients come
from a formula, so none are stored.

    python3 tests/goldens/make_recurrent_golden.py > tests/goldens/recurrent_golden.json     (torch 2.13)
"""
import json
import math

import torch

torch.set_default_dtype(torch.float64)

LENGTHS = [3, 1, 4, 4]
IN, WIDTH, LAYERS = 3, 4, 2


def wave(k, shape, size=0.4):
    """Element i of tensor k."""
    i = torch.arange(math.prod(shape))
    return (size * torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)).reshape(shape)


def numbers(tensor):
    return [float(f"{value:.13g}") for value in tensor.flatten().tolist()]


def run(kind):
    layers = getattr(torch.nn, kind)(IN, WIDTH, LAYERS, bidirectional=True)
    names = [name for name, _ in layers.named_parameters()]
    with torch.no_grad():
        for k, name in enumerate(names):
            parameter = getattr(layers, name)
            parameter.copy_(wave(k, parameter.shape))
    rows = sum(LENGTHS)
    x = wave(100, [rows, IN], 1.0).requires_grad_()
    packed = torch.nn.utils.rnn.pack_sequence(list(x.split(LENGTHS)), enforce_sorted=False)
    packed_output, last = layers(packed)
    padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed_output, batch_first=True)
    output = torch.cat([padded[i, :length] for i, length in enumerate(lengths)])
    states = list(last) if kind == "LSTM" else [last]  # [layers * directions, sequences, WIDTH] each
    loss = (output * wave(200, output.shape, 1.0)).sum()
    for k, state in enumerate(states):
        loss = loss + (state * wave(201 + k, state.shape, 1.0)).sum()
    loss.backward()
    return {"output": numbers(output), "last": [numbers(state) for state in states], "input_gradient": numbers(x.grad),
            "gradients": {name: numbers(getattr(layers, name).grad) for name in names}}


print(json.dumps({"lengths": LENGTHS, "in": IN, "width": WIDTH, "layers": LAYERS,
                  **{kind.lower(): run(kind) for kind in ("LSTM", "GRU")}}))
