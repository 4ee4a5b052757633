#!/usr/bin/env python3
"""Writes convolution_golden.json, computed by PyTorch in float64; the weights come from a formula, so none are stored.

blocks: gated convolutions (torch.nn.Conv1d with weight_norm, GLU, residual), output and all gradients, over sentences
        of different lengths.
models: logits, every parameter's gradient and ten training losses of a tiny ConvS2S.

    python3 tests/goldens/make_convolution_golden.py > tests/goldens/convolution_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

torch.set_default_dtype(torch.float64)

HALF = math.sqrt(0.5)


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


def start_value(k, shape, kind):
    """Element i of parameter k (in the order of the model's list)."""
    i = torch.arange(math.prod(shape))
    wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
    return {"length": 1 + 0.1 * wave, "bias": 0.1 * wave, "matrix": 0.4 * wave}[kind].reshape(shape)


# ---- Blocks: PyTorch's own modules ----------------------------------------------------------------------------------

LENGTHS = [3, 1, 5, 2]


def block(width, channels, kernel, causal):
    convolution = weight_norm(torch.nn.Conv1d(width, 2 * channels, kernel), dim=0)
    projection = weight_norm(torch.nn.Linear(width, channels), dim=0) if width != channels else None
    x = start_value(9, [sum(LENGTHS), width], "matrix").requires_grad_()
    modules = {"": convolution} | ({"projection.": projection} if projection else {})
    k = 0
    with torch.no_grad():
        for module in modules.values():
            norm = module.parametrizations.weight
            # Ours is [out, kernel * in], PyTorch's [out, in, kernel].
            value = start_value(k, [norm.original1.shape[0], norm.original1[0].numel()], "matrix")
            if module is convolution:
                value = value.unflatten(1, (kernel, width)).transpose(1, 2)
            norm.original1.copy_(value)
            norm.original0.copy_(start_value(k + 1, list(norm.original0.shape), "length"))
            module.bias.copy_(start_value(k + 2, list(module.bias.shape), "bias"))
            k += 3
    left = kernel - 1 if causal else (kernel - 1) // 2
    padded = torch.nn.utils.rnn.pad_sequence(x.split(LENGTHS), batch_first=True)
    seen = F.pad(padded.transpose(1, 2), (left, kernel - 1 - left))
    y = F.glu(convolution(seen), dim=1).transpose(1, 2)
    y = ((padded if projection is None else projection(padded)) + y) * HALF
    y = torch.cat([row[:length] for row, length in zip(y, LENGTHS)])
    (y * start_value(8, list(y.shape), "matrix")).sum().backward()
    gradients = {}
    for name, module in modules.items():
        norm = module.parametrizations.weight
        of_v = norm.original1.grad
        gradients[name + "weight_v"] = numbers(of_v.transpose(1, 2) if module is convolution else of_v)
        gradients[name + "weight_g"] = numbers(norm.original0.grad)
        gradients[name + "bias"] = numbers(module.bias.grad)
    return {"in": width, "out": channels, "kernel-width": kernel, "causal": causal, "output": numbers(y),
            "of-input": numbers(x.grad), "gradients": gradients}


# ---- Models ---------------------------------------------------------------------------------------------------------

SOURCES = [[5, 3, 7, 2], [4, 10, 2], [6, 6, 8, 9, 3, 2]]  # ids with </s> = 2
TARGETS = [[8, 4, 9], [3], [7, 10, 5, 5, 6]]  # without <s> = 1 and </s>
VOCABULARY, WIDTH, POSITIONS, LAYERS = 11, 8, 9, 2
SMOOTHING = 0.1
LR = 0.003


class Tiny:
    def __init__(self, channels, kernel, tied):
        self.kernel, self.parameters = kernel, {}
        if tied != "all":
            self.add("source_embedding.weight", [VOCABULARY, WIDTH], "matrix")
        self.add("target_embedding.weight", [VOCABULARY, WIDTH], "matrix")
        for side in ("encoder", "decoder"):
            self.add(side + ".positions.table", [POSITIONS, WIDTH], "matrix")
            self.add_linear(side + ".input", WIDTH, channels[0])
            before = channels[0]
            for layer, width in enumerate(channels):
                at = f"{side}.layers.{layer}" + (".convolution" if side == "decoder" else "")
                self.add_linear(at, kernel * before, 2 * width)
                if before != width:
                    self.add_linear(at + ".projection", before, width)
                if side == "decoder":
                    self.add_linear(f"{side}.layers.{layer}.query", width, WIDTH)
                    self.add_linear(f"{side}.layers.{layer}.context", WIDTH, width)
                before = width
            self.add_linear(side + ".output", before, WIDTH)
        if tied == "none":
            self.add("output.weight_v", [VOCABULARY, WIDTH], "matrix")
            self.add("output.weight_g", [VOCABULARY], "length")
        self.add("output.bias", [VOCABULARY], "bias")

    def add(self, name, shape, kind):
        self.parameters[name] = start_value(len(self.parameters), shape, kind).requires_grad_()

    def add_linear(self, name, width, out):
        self.add(name + ".weight_v", [out, width], "matrix")
        self.add(name + ".weight_g", [out], "length")
        self.add(name + ".bias", [out], "bias")

    def weight(self, name):
        v, g = self.parameters[name + ".weight_v"], self.parameters[name + ".weight_g"]
        return torch._weight_norm(v, g[:, None], 0)

    def linear(self, x, name):
        return F.linear(x, self.weight(name), self.parameters[name + ".bias"])

    def convolve(self, x, name, left):
        weight = self.weight(name).unflatten(1, (self.kernel, -1)).transpose(1, 2)
        seen = F.pad(x.T, (left, self.kernel - 1 - left))
        return F.glu(F.conv1d(seen[None], weight, self.parameters[name + ".bias"])[0].T)

    def residual(self, x, name):
        return self.linear(x, name + ".projection") if name + ".projection.bias" in self.parameters else x

    def embed(self, ids, table, side):
        return self.parameters[table][torch.tensor(ids)] + self.parameters[side + ".positions.table"][: len(ids)]

    def encode(self, source):
        table = "source_embedding.weight" if "source_embedding.weight" in self.parameters else "target_embedding.weight"
        embedded = self.embed(source, table, "encoder")
        x = self.linear(embedded, "encoder.input")
        for layer in range(LAYERS):
            at = f"encoder.layers.{layer}"
            x = (self.residual(x, at) + self.convolve(x, at, (self.kernel - 1) // 2)) * HALF
        z = self.linear(x, "encoder.output")
        factor = 1 / (2 * LAYERS)
        z = z * factor + z.detach() * (1 - factor)  # the value of z, its gradient times the factor
        return z, (z + embedded) * HALF

    def attend(self, h, embedded, memory, at):
        keys, values = memory
        query = (self.linear(h, at + ".query") + embedded) * HALF
        m = len(keys)
        context = (query @ keys.T).softmax(-1) @ values * (m * math.sqrt(1 / m))
        return (self.linear(context, at + ".context") + h) * HALF

    def logits(self):
        rows = []
        for source, target in zip(SOURCES, TARGETS):
            memory = self.encode(source)
            embedded = self.embed([1] + target, "target_embedding.weight", "decoder")
            x = self.linear(embedded, "decoder.input")
            for layer in range(LAYERS):
                at = f"decoder.layers.{layer}"
                h = self.convolve(x, at + ".convolution", self.kernel - 1)
                x = (self.residual(x, at + ".convolution") + self.attend(h, embedded, memory, at)) * HALF
            hidden = self.linear(x, "decoder.output")
            tied = "output.weight_v" not in self.parameters
            weight = self.parameters["target_embedding.weight"] if tied else self.weight("output")
            rows.append(F.linear(hidden, weight, self.parameters["output.bias"]))
        return torch.cat(rows)

    def loss(self, logits):
        gold = torch.tensor([i for target in TARGETS for i in target + [2]])
        return F.cross_entropy(logits, gold, label_smoothing=SMOOTHING)


def model(channels, kernel, tied):
    tiny = Tiny(channels, kernel, tied)
    logits = tiny.logits()
    tiny.loss(logits).backward()
    result = {"channels": ",".join(map(str, channels)), "kernel-width": kernel, "tied-embeddings": tied,
              "logits": numbers(logits), "gradients": {name: numbers(p.grad) for name, p in tiny.parameters.items()}}
    optimizer = torch.optim.Adam(tiny.parameters.values(), lr=LR, betas=(0.9, 0.98), eps=1e-9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = tiny.loss(tiny.logits())
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return result | {"losses": losses}


print(json.dumps({"blocks": [block(3, 3, 3, False), block(3, 3, 3, True), block(4, 2, 5, False), block(2, 3, 2, True)],
                  "models": [model([12, 10], 3, "none"), model([6, 6], 4, "decoder")]}, separators=(",", ":")))
