#!/usr/bin/env python3
"""Writes bahdanau_golden.json: logits and every parameter's gradient of a tiny Bahdanau model, whose decoder is a Python
loop over the paper's equations, computed by PyTorch in float64. The weights come from a formula, so none are stored.

    python3 tests/goldens/make_bahdanau_golden.py > tests/goldens/bahdanau_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

SOURCES = [[5, 3, 7, 2], [4, 10, 2], [6, 6, 8, 9, 3, 2]]  # ids with </s> = 2
TARGETS = [[8, 4, 9], [3], [7, 10, 5, 5, 6]]  # without <s> = 1 and </s>
VOCABULARY, WIDTH = 11, 8
SMOOTHING = 0.1


class Tiny:
    def __init__(self):
        self.parameters = {}
        w = WIDTH
        self.add("source_embedding.weight", [VOCABULARY, w])
        self.add("target_embedding.weight", [VOCABULARY, w])
        for at in ("encoder.layers.0", "encoder.backward_layers.0"):
            self.add_gru(at)
        self.add("decoder.start.weight", [w, w])
        self.add("decoder.start.bias", [w])
        self.add_gru("decoder.cell")
        self.add("decoder.context.weight", [3 * w, 2 * w])
        self.add("decoder.attention.query.weight", [w, w])
        self.add("decoder.attention.key.weight", [w, 2 * w])
        self.add("decoder.attention.vector", [w])
        self.add("decoder.readout.weight", [2 * w, 4 * w])
        self.add("decoder.readout.bias", [2 * w])
        self.add("output.bias", [VOCABULARY])

    def add_gru(self, at):
        self.add(at + ".input.weight", [3 * WIDTH, WIDTH])
        self.add(at + ".input.bias", [3 * WIDTH])
        self.add(at + ".recurrent.weight", [2 * WIDTH, WIDTH])
        self.add(at + ".candidate.weight", [WIDTH, WIDTH])

    def add(self, name, shape):
        k, i = len(self.parameters), torch.arange(math.prod(shape))
        wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
        self.parameters[name] = ((0.1 if name.endswith(".bias") else 0.4) * wave).reshape(shape).requires_grad_()

    def linear(self, x, name):
        return F.linear(x, self.parameters[name + ".weight"], self.parameters.get(name + ".bias"))

    def gru(self, name, shares, s):
        """shares: what reset, update and candidate read of the input. The paper's z is the share of the new state; the
        program keeps the weights of u = 1 - z = sigmoid(-...)."""
        reset, kept = torch.sigmoid(shares[: 2 * WIDTH] + self.linear(s, name + ".recurrent")).chunk(2)
        new = torch.tanh(shares[2 * WIDTH :] + self.linear(reset * s, name + ".candidate"))
        z = 1 - kept
        return (1 - z) * s + z * new

    def direction(self, name, rows):
        state, states = torch.zeros(WIDTH), []
        for row in rows:
            state = self.gru(name, self.linear(row, name + ".input"), state)
            states.append(state)
        return states

    def hidden(self, source, target):
        rows = self.parameters["source_embedding.weight"][torch.tensor(source)]
        forward = self.direction("encoder.layers.0", rows)
        backward = self.direction("encoder.backward_layers.0", rows.flip(0))
        h = torch.stack([torch.cat([a, b]) for a, b in zip(forward, backward[::-1])])
        keys = self.linear(h, "decoder.attention.key")
        s, result = torch.tanh(self.linear(backward[-1], "decoder.start")), []
        for y in [1] + target:
            embedded = self.parameters["target_embedding.weight"][y]
            energy = torch.tanh(self.linear(s, "decoder.attention.query") + keys) @ self.parameters["decoder.attention.vector"]
            c = energy.softmax(0) @ h
            t = self.linear(torch.cat([s, embedded, c]), "decoder.readout").unflatten(0, (WIDTH, 2)).amax(1)
            result.append(t)
            s = self.gru("decoder.cell", self.linear(embedded, "decoder.cell.input") + self.linear(c, "decoder.context"), s)
        return torch.stack(result)

    def logits(self):
        hidden = torch.cat([self.hidden(source, target) for source, target in zip(SOURCES, TARGETS)])
        return F.linear(hidden, self.parameters["target_embedding.weight"], self.parameters["output.bias"])


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


model = Tiny()
logits = model.logits()
gold = torch.tensor([i for target in TARGETS for i in target + [2]])
F.cross_entropy(logits, gold, label_smoothing=SMOOTHING).backward()
print(json.dumps({"logits": numbers(logits), "gradients": {name: numbers(p.grad) for name, p in model.parameters.items()}},
                 separators=(",", ":")))
