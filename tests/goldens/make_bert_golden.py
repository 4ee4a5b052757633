#!/usr/bin/env python3
"""Writes bert_golden.json: the outputs and every parameter's gradient of a tiny two-layer BERT (Devlin 2019) with masked
pieces and next sentences, its layers torch.nn.TransformerEncoderLayer, computed by PyTorch in float64. The weights come
from a formula, so none are stored.

    python3 tests/goldens/make_bert_golden.py > tests/goldens/bert_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

# [CLS] A [SEP] B [SEP] with some pieces masked; which of them belong to B; rows to be told (of all rows) and their
# pieces; whether B follows A.
SEQUENCES = [[3, 7, 5, 9, 4, 10, 5, 8, 4], [3, 5, 4, 11, 4], [3, 6, 9, 5, 4, 12, 6, 4]]
TYPES = [[0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1, 1, 1]]
ROWS, GOLD = [2, 6, 7, 10, 17, 19], [11, 6, 8, 9, 7, 12]
FOLLOWS = [1, 0, 1]
VOCABULARY, WIDTH, HEADS, INNER, LONGEST, EPSILON = 13, 8, 2, 12, 10, 1e-12


class Tiny:
    def __init__(self):
        self.parameters = {}
        w = WIDTH
        self.add("encoder.embedding.weight", [VOCABULARY, w])
        self.add("encoder.types.weight", [2, w])
        self.add_norm("encoder.embedding_norm")
        for at in ("encoder.layers.0", "encoder.layers.1"):
            for part in ("query", "key", "value", "output"):
                self.add_linear(f"{at}.self_attention.{part}", w, w)
            self.add_norm(at + ".self_attention_norm")
            self.add_linear(at + ".feed_forward.first", INNER, w)
            self.add_linear(at + ".feed_forward.second", w, INNER)
            self.add_norm(at + ".feed_forward_norm")
        self.add("encoder.positions.table", [LONGEST, w])
        self.add_linear("head.transform", w, w)
        self.add_norm("head.transform_norm")
        self.add("head.output.bias", [VOCABULARY])
        self.add_linear("head.pooler", w, w)
        self.add_linear("head.next_sentence", 2, w)

    def add(self, name, shape):
        k, i = len(self.parameters), torch.arange(math.prod(shape))
        wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
        value = 1 + 0.1 * wave if "norm.weight" in name else 0.1 * wave if name.endswith(".bias") else 0.4 * wave
        self.parameters[name] = value.reshape(shape).requires_grad_()

    def add_linear(self, name, out, into):
        self.add(name + ".weight", [out, into])
        self.add(name + ".bias", [out])

    def add_norm(self, name):
        self.add(name + ".weight", [WIDTH])
        self.add(name + ".bias", [WIDTH])

    def linear(self, x, name):
        return F.linear(x, self.parameters[name + ".weight"], self.parameters[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.parameters[name + ".weight"], self.parameters[name + ".bias"], EPSILON)

    def layer(self, x, at):
        """torch's own layer, with these parameters in the place of its own."""
        module = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout=0.0, activation="gelu",
                                                  layer_norm_eps=EPSILON, norm_first=False, batch_first=True)
        p = self.parameters

        def joined(kind):
            return torch.cat([p[f"{at}.self_attention.{part}.{kind}"] for part in ("query", "key", "value")])

        given = {"self_attn.in_proj_weight": joined("weight"), "self_attn.in_proj_bias": joined("bias")}
        for theirs, ours in (("self_attn.out_proj", "self_attention.output"), ("linear1", "feed_forward.first"),
                             ("linear2", "feed_forward.second"), ("norm1", "self_attention_norm"),
                             ("norm2", "feed_forward_norm")):
            for kind in ("weight", "bias"):
                given[f"{theirs}.{kind}"] = p[f"{at}.{ours}.{kind}"]
        return torch.func.functional_call(module, given, (x[None],))[0]

    def hidden(self, ids, types):
        p = self.parameters
        x = p["encoder.embedding.weight"][ids] + p["encoder.types.weight"][types]
        x = self.norm(x + p["encoder.positions.table"][: len(ids)], "encoder.embedding_norm")
        return self.layer(self.layer(x, "encoder.layers.0"), "encoder.layers.1")

    def outputs(self):
        hidden = [self.hidden(torch.tensor(i), torch.tensor(t)) for i, t in zip(SEQUENCES, TYPES)]
        masked = self.norm(F.gelu(self.linear(torch.cat(hidden)[ROWS], "head.transform")), "head.transform_norm")
        logits = F.linear(masked, self.parameters["encoder.embedding.weight"], self.parameters["head.output.bias"])
        first = torch.stack([h[0] for h in hidden])
        return logits, self.linear(torch.tanh(self.linear(first, "head.pooler")), "head.next_sentence")


def numbers(tensor):
    return [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]


model = Tiny()
logits, follows = model.outputs()
loss = F.cross_entropy(logits, torch.tensor(GOLD)) + F.cross_entropy(follows, torch.tensor(FOLLOWS))
loss.backward()
print(json.dumps({"ids": sum(SEQUENCES, []), "lengths": [len(s) for s in SEQUENCES], "types": sum(TYPES, []),
                  "rows": ROWS, "gold": GOLD, "follows": FOLLOWS, "logits": numbers(logits),
                  "next_sentence": numbers(follows), "loss": float(loss.detach()),
                  "gradients": {name: numbers(p.grad) for name, p in model.parameters.items()}},
                 separators=(",", ":")))
