#!/usr/bin/env python3
"""PyTorch's side of bench/encoder_speed.sh: gMLP-S on images, and masked language models by a Transformer with relative
positions and by a gMLP, written out in eager mode with the sizes of a config; random input. Prints tokens a second of
training steps (forward, backward, clipping, AdamW), and of forwards alone.

    python3 bench/encoder_pytorch.py CONFIG.toml SEQUENCES LENGTH [--updates 10] [--autocast] [--threads 2]

Runs on a virtual environment with torch 2.13.
"""
import argparse
import math
import time

import torch
import torch.nn.functional as F

from pytorch_training import prepared, products, update


class GatedBlock(torch.nn.Module):
    """Liu et al. 2021: norm, U, GELU, the spatial gating unit on half of the channels, V."""

    def __init__(self, config, length):
        super().__init__()
        width, inner = config["width"], config["feed-forward"]
        self.norm, self.first = torch.nn.LayerNorm(width), torch.nn.Linear(width, inner)
        self.gate_norm = torch.nn.LayerNorm(inner // 2)
        self.weight = torch.nn.Parameter(torch.randn(length, length) * 1e-3)
        self.bias = torch.nn.Parameter(torch.ones(length))
        self.second = torch.nn.Linear(inner // 2, width)

    def forward(self, x):
        z1, z2 = F.gelu(self.first(self.norm(x))).chunk(2, -1)
        return x + self.second(z1 * (self.weight @ self.gate_norm(z2) + self.bias[:, None]))


class RelativePositions(torch.nn.Module):
    """T5's buckets, both directions: a number for each head and bucket, added to the scores."""

    def __init__(self, heads, length):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(32, heads) * 0.02)
        offset = torch.arange(length)[None] - torch.arange(length)[:, None]
        near, far = offset.abs(), 8 + (torch.log(offset.abs().clamp(min=1) / 8) / math.log(128 / 8) * 8).long()
        self.register_buffer("buckets", 16 * (offset > 0) + torch.where(near < 8, near, far.clamp(max=15)))

    def forward(self):
        return self.table[self.buckets].permute(2, 0, 1)


class AttentionBlock(torch.nn.Module):
    def __init__(self, config, length):
        super().__init__()
        width, inner = config["width"], config["feed-forward"]
        self.heads = config["heads"]
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _ in range(2))
        self.joined, self.output = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.first, self.second = torch.nn.Linear(width, inner), torch.nn.Linear(inner, width)
        self.positions = RelativePositions(self.heads, length)

    def forward(self, x):
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for part in self.joined(self.norms[0](x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.positions().to(q.dtype))
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        return x + self.second(F.gelu(self.first(self.norms[1](x))))


class Encoder(torch.nn.Module):
    def __init__(self, config, length):
        super().__init__()
        block = GatedBlock if config.get("encoder-mixer") == "spatial_gating" else AttentionBlock
        self.layers = torch.nn.Sequential(*(block(config, length) for _ in range(config["encoder-layers"])))
        self.norm = torch.nn.LayerNorm(config["width"])

    def forward(self, x):
        return self.norm(self.layers(x))


class ImageModel(torch.nn.Module):
    def __init__(self, config, length):
        super().__init__()
        self.pixels, self.labels = config["patch-size"] ** 2 * config["image-channels"], 64  # as many as images
        self.patches = torch.nn.Linear(self.pixels, config["width"])
        self.encoder, self.head = Encoder(config, length), torch.nn.Linear(config["width"], self.labels)

    def forward(self, patches):
        return self.head(self.encoder(self.patches(patches)).mean(1))

    def made(self, sequences, length):
        return torch.randn(sequences, length, self.pixels), torch.randint(self.labels, (sequences,))

    def loss(self, x, labels):
        return F.cross_entropy(self(x).float(), labels, label_smoothing=0.1)


class MaskedLanguageModel(torch.nn.Module):
    """The output layer, tied, reads only what is masked."""

    def __init__(self, config, length):
        super().__init__()
        self.vocabulary = config["vocab-size"]
        self.embedding = torch.nn.Embedding(self.vocabulary, config["width"])
        torch.nn.init.normal_(self.embedding.weight, std=0.02)
        self.encoder, self.bias = Encoder(config, length), torch.nn.Parameter(torch.zeros(self.vocabulary))

    def forward(self, ids, masked):
        hidden = self.encoder(self.embedding(ids)).flatten(0, 1)
        return F.linear(hidden[masked], self.embedding.weight, self.bias)

    def made(self, sequences, length):
        ids = torch.randint(self.vocabulary, (sequences, length))
        masked = torch.randperm(ids.numel())[: ids.numel() * 15 // 100].sort().values
        return (ids, masked), torch.randint(self.vocabulary, masked.shape)

    def loss(self, x, labels):
        return F.cross_entropy(self(*x).float(), labels)


def measured(step, tokens, updates):
    """Tokens a second, behind three steps to warm up."""
    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(updates):
        step()
    return tokens * updates / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=argparse.FileType("rb"))
    parser.add_argument("sequences", type=int)
    parser.add_argument("length", type=int)
    arguments, config = prepared(parser, updates=10)
    kind = ImageModel if config["task"] == "image_classification" else MaskedLanguageModel
    model = kind(config, arguments.length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    x, labels = model.made(arguments.sequences, arguments.length)

    def train():
        with products(arguments):
            loss = model.loss(x, labels)
        update(model, optimizer, loss)

    @torch.no_grad()
    def infer():
        with products(arguments):
            model(*x) if isinstance(x, tuple) else model(x)

    tokens = arguments.sequences * arguments.length
    print(f"{measured(train, tokens, arguments.updates):.0f} {measured(infer, tokens, arguments.updates):.0f}")


main()
