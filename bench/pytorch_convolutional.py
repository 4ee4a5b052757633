"""ConvS2S (Gehring 2017) as one would write it in PyTorch: the side that bench/train_speed.sh compares attune's
architecture `convolutional` with."""
import math

import torch
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

HALF = math.sqrt(0.5)


class ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


def linear(width, out):
    return weight_norm(torch.nn.Linear(width, out))


def convolution(channels, kernel, padding):
    return weight_norm(torch.nn.Conv1d(channels, 2 * channels, kernel, padding=padding))


class DecoderLayer(torch.nn.Module):
    def __init__(self, width, channels, kernel):
        super().__init__()
        self.left = kernel - 1
        self.convolution = convolution(channels, kernel, 0)
        self.query, self.context = linear(channels, width), linear(width, channels)

    def forward(self, x, embedded, keys, values, hidden_keys, factor, dropout):
        h = F.dropout(x, dropout).transpose(1, 2)
        h = F.glu(self.convolution(F.pad(h, (self.left, 0))), dim=1).transpose(1, 2)
        scores = ((self.query(h) + embedded) * HALF) @ keys.transpose(1, 2)
        context = scores.masked_fill(hidden_keys, -math.inf).softmax(-1) @ values * factor
        return (x + (self.context(context) + h) * HALF) * HALF


class ConvS2S(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pad = config["vocab-size"]
        width, kernel, self.dropout = config["width"], config["kernel-width"], config["dropout"]
        channels = int(config["channels"])
        self.embedding = torch.nn.Embedding(self.pad + 1, width)
        self.source_positions, self.target_positions = torch.nn.Embedding(512, width), torch.nn.Embedding(512, width)
        self.source_in, self.source_out = linear(width, channels), linear(channels, width)
        self.target_in, self.target_out = linear(width, channels), linear(channels, width)
        self.encoder = torch.nn.ModuleList(convolution(channels, kernel, kernel // 2)
                                           for _ in range(config["encoder-layers"]))
        self.decoder = torch.nn.ModuleList(DecoderLayer(width, channels, kernel)
                                           for _ in range(config["decoder-layers"]))
        self.bias = torch.nn.Parameter(torch.zeros(self.pad + 1))

    def embed(self, ids, positions):
        return F.dropout(self.embedding(ids) + positions(torch.arange(ids.shape[1])), self.dropout)

    def encode(self, source, real):
        embedded = self.embed(source, self.source_positions)
        x = self.source_in(embedded)
        for layer in self.encoder:
            h = F.dropout(x, self.dropout).masked_fill(~real[..., None], 0).transpose(1, 2)
            x = (x + F.glu(layer(h), dim=1).transpose(1, 2)) * HALF
        z = ScaledGradient.apply(self.source_out(x), 1 / (2 * len(self.decoder)))
        return z, (z + embedded) * HALF

    def forward(self, source, target):
        real = source != self.pad
        keys, values = self.encode(source, real)
        factor = real.sum(1).sqrt()[:, None, None]
        embedded = self.embed(target, self.target_positions)
        x = self.target_in(embedded)
        for layer in self.decoder:
            x = layer(x, embedded, keys, values, ~real[:, None, :], factor, self.dropout)
        hidden = F.dropout(self.target_out(x), self.dropout)
        return F.linear(hidden, self.embedding.weight, self.bias)
