#!/usr/bin/env python3
"""Writes transformer_golden.json: logits, every parameter's gradient and ten training losses of a tiny Transformer, pre-
and post-norm, computed by PyTorch in float64. The weights come from a formula, so none are stored.

    python3 tests/goldens/make_transformer_golden.py > tests/goldens/transformer_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

SOURCES = [[5, 3, 7, 2], [4, 10, 2], [6, 6, 8, 9, 3, 2]]  # ids with </s> = 2
TARGETS = [[8, 4, 9], [3], [7, 10, 5, 5, 6]]  # without <s> = 1 and </s>
VOCABULARY, WIDTH, HEADS, INNER = 11, 8, 2, 12
SMOOTHING = 0.1
LR = 0.003


def start_value(k, shape, kind):
    """Element i of parameter k (in the order of the model's list)."""
    i = torch.arange(math.prod(shape))
    wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
    value = {"norm": 1 + 0.1 * wave, "bias": 0.1 * wave, "matrix": 0.4 * wave}[kind]
    return value.reshape(shape).requires_grad_()


class Tiny:
    def __init__(self, pre, activation, tied):
        self.pre, self.activation, self.parameters = pre, activation, {}
        if tied != "all":
            self.add("source_embedding.weight", [VOCABULARY, WIDTH], "matrix")
        self.add("target_embedding.weight", [VOCABULARY, WIDTH], "matrix")
        for side, layers, attentions in (("encoder", 1, ["self_attention"]),
                                         ("decoder", 2, ["self_attention", "cross_attention"])):
            for layer in range(layers):
                at = f"{side}.layers.{layer}"
                for attention in attentions:
                    for part in ("query", "key", "value", "output"):
                        self.add(f"{at}.{attention}.{part}.weight", [WIDTH, WIDTH], "matrix")
                        self.add(f"{at}.{attention}.{part}.bias", [WIDTH], "bias")
                    self.add_norm(f"{at}.{attention}_norm")
                self.add(f"{at}.feed_forward.first.weight", [INNER, WIDTH], "matrix")
                self.add(f"{at}.feed_forward.first.bias", [INNER], "bias")
                self.add(f"{at}.feed_forward.second.weight", [WIDTH, INNER], "matrix")
                self.add(f"{at}.feed_forward.second.bias", [WIDTH], "bias")
                self.add_norm(f"{at}.feed_forward_norm")
            if pre:
                self.add_norm(f"{side}.norm")
        if tied == "none":
            self.add("output.weight", [VOCABULARY, WIDTH], "matrix")
        self.add("output.bias", [VOCABULARY], "bias")

    def add(self, name, shape, kind):
        self.parameters[name] = start_value(len(self.parameters), shape, kind)

    def add_norm(self, name):
        self.add(name + ".weight", [WIDTH], "norm")
        self.add(name + ".bias", [WIDTH], "bias")

    def linear(self, x, name):
        return F.linear(x, self.parameters[name + ".weight"], self.parameters[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.parameters[name + ".weight"], self.parameters[name + ".bias"], 1e-5)

    def attend(self, x, memory, name, causal):
        q, k, v = (self.linear(y, f"{name}.{part}").unflatten(-1, (HEADS, -1)).transpose(0, 1)
                   for y, part in ((x, "query"), (memory, "key"), (memory, "value")))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.linear(mixed.transpose(0, 1).flatten(1), name + ".output")

    def around(self, x, name, f):
        if self.pre:
            return x + f(self.norm(x, name))
        return self.norm(x + f(x), name)

    def feed(self, x, name):
        return self.linear(getattr(F, self.activation)(self.linear(x, name + ".first")), name + ".second")

    def embed(self, ids, name):
        position = torch.arange(len(ids))[:, None]
        angle = position * 10000.0 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
        table = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        return self.parameters[name][torch.tensor(ids)] * WIDTH**0.5 + table

    def stack(self, x, side, layers, memory=None):
        for layer in range(layers):
            at = f"{side}.layers.{layer}"
            x = self.around(x, at + ".self_attention_norm",
                            lambda h: self.attend(h, h, at + ".self_attention", memory is not None))
            if memory is not None:
                x = self.around(x, at + ".cross_attention_norm",
                                lambda h: self.attend(h, memory, at + ".cross_attention", False))
            x = self.around(x, at + ".feed_forward_norm", lambda h: self.feed(h, at + ".feed_forward"))
        return self.norm(x, side + ".norm") if self.pre else x

    def logits(self):
        source_table = "source_embedding.weight" if "source_embedding.weight" in self.parameters else "target_embedding.weight"
        output = self.parameters.get("output.weight", self.parameters["target_embedding.weight"])
        rows = []
        for source, target in zip(SOURCES, TARGETS):
            memory = self.stack(self.embed(source, source_table), "encoder", 1)
            hidden = self.stack(self.embed([1] + target, "target_embedding.weight"), "decoder", 2, memory)
            rows.append(F.linear(hidden, output, self.parameters["output.bias"]))
        return torch.cat(rows)

    def loss(self, logits):
        gold = torch.tensor([i for target in TARGETS for i in target + [2]])
        return F.cross_entropy(logits, gold, label_smoothing=SMOOTHING)


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


def run(pre, activation, tied):
    model = Tiny(pre, activation, tied)
    logits = model.logits()
    model.loss(logits).backward()
    result = {"norm-position": "pre" if pre else "post", "activation": activation, "tied-embeddings": tied,
              "logits": numbers(logits), "gradients": {name: numbers(p.grad) for name, p in model.parameters.items()}}
    optimizer = torch.optim.Adam(model.parameters.values(), lr=LR, betas=(0.9, 0.98), eps=1e-9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = model.loss(model.logits())
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    result["losses"] = losses
    return result


print(json.dumps({"runs": [run(True, "gelu", "none"), run(False, "relu", "all")]}, separators=(",", ":")))
