#!/usr/bin/env python3
"""PyTorch's side of the training comparison: the model of a config on a parallel corpus, padded batches of the same
size in target tokens, eager mode; prints real (unpadded) source plus target tokens a second, and the share of padding.
The architecture is the config's, as in attune; recurrent encoders read packed sequences.

    python3 bench/train_pytorch.py SOURCE.gz TARGET.gz PIECES.spm CONFIG.toml [--updates 40] [--autocast]

Runs on a virtual environment with torch 2.13 and sentencepiece; bench/train_speed.sh alternates it with attune.
"""
import argparse
import gzip
import time

import sentencepiece
import torch
import torch.nn.functional as F

from pytorch_convolutional import ConvS2S
from pytorch_training import prepared, products, update

BOS, EOS = 1, 2


class Transformer(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pad = config["vocab-size"]  # an id of its own: a real piece as padding would drop that piece from the loss
        self.width, self.dropout, layers = config["width"], config["dropout"], config["encoder-layers"]
        self.embedding = torch.nn.Embedding(self.pad + 1, self.width)
        self.transformer = torch.nn.Transformer(self.width, config["heads"], layers, config["decoder-layers"],
                                                config["feed-forward"], self.dropout, batch_first=True,
                                                norm_first=True)
        self.bias = torch.nn.Parameter(torch.zeros(self.pad + 1))
        position = torch.arange(512)[:, None]
        angle = position * 10000.0 ** (-torch.arange(0, self.width, 2) / self.width)
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], -1).flatten(1))

    def embed(self, ids):
        return F.dropout(self.embedding(ids) * self.width**0.5 + self.positions[: ids.shape[1]], self.dropout)

    def forward(self, source, target):
        length = target.shape[1]
        causal = torch.triu(torch.ones(length, length, dtype=torch.bool), 1)
        hidden = self.transformer(self.embed(source), self.embed(target), tgt_mask=causal, tgt_is_causal=True,
                                  src_key_padding_mask=source == self.pad, memory_key_padding_mask=source == self.pad)
        return F.linear(hidden, self.embedding.weight, self.bias)


class Bahdanau(torch.nn.Module):
    """A bidirectional nn.GRU; the decoder is a loop over nn.GRUCell, with all that does not need the state before it in
    products over all tokens: keys, target embeddings, the output."""

    def __init__(self, config):
        super().__init__()
        self.pad, self.width, self.dropout = config["vocab-size"], config["width"], config["dropout"]
        width = self.width
        self.embedding = torch.nn.Embedding(self.pad + 1, width)
        self.encoder = torch.nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.start = torch.nn.Linear(width, width)
        self.query = torch.nn.Linear(width, width, bias=False)
        self.key = torch.nn.Linear(2 * width, width, bias=False)
        self.vector = torch.nn.Linear(width, 1, bias=False)
        self.cell = torch.nn.GRUCell(3 * width, width)
        self.readout = torch.nn.Linear(4 * width, 2 * width)
        self.bias = torch.nn.Parameter(torch.zeros(self.pad + 1))

    def forward(self, source, target):
        lengths = (source != self.pad).sum(1)
        packed = torch.nn.utils.rnn.pack_padded_sequence(F.dropout(self.embedding(source), self.dropout), lengths,
                                                         batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states = F.dropout(torch.nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0], self.dropout)
        keys, hidden = self.key(states), (source == self.pad)
        state, embedded = torch.tanh(self.start(last[1])), F.dropout(self.embedding(target), self.dropout)
        before, contexts = [], []
        for token in embedded.unbind(1):
            score = self.vector(torch.tanh(self.query(state)[:, None] + keys)).squeeze(2)
            weights = score.masked_fill(hidden, -torch.inf).softmax(1)
            context = torch.bmm(weights[:, None], states).squeeze(1)
            before.append(state)
            contexts.append(context)
            state = self.cell(torch.cat([token, context], 1), state)
        read = self.readout(torch.cat([torch.stack(before, 1), embedded, torch.stack(contexts, 1)], 2))
        output = F.dropout(read.unflatten(2, (self.width, 2)).amax(3), self.dropout)
        return F.linear(output, self.embedding.weight, self.bias)


class EncoderDecoder(torch.nn.Module):
    """nn.LSTM, the source read from its end, over packed sequences on both sides; its last states start the decoder."""

    def __init__(self, config):
        super().__init__()
        self.pad, self.width, self.dropout = config["vocab-size"], config["width"], config["dropout"]
        self.reversed = config["reverse-source"]
        self.embedding = torch.nn.Embedding(self.pad + 1, self.width)
        self.encoder, self.decoder = (
            torch.nn.LSTM(self.width, self.width, config[layers], batch_first=True, dropout=self.dropout)
            for layers in ("encoder-layers", "decoder-layers"))
        self.bias = torch.nn.Parameter(torch.zeros(self.pad + 1))

    def packed(self, ids, lengths):
        embedded = F.dropout(self.embedding(ids) * self.width**0.5, self.dropout)
        return torch.nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)

    def forward(self, source, target):
        lengths = (source != self.pad).sum(1)
        if self.reversed:  # the padding stays behind
            place = torch.arange(source.shape[1])
            source = source.gather(1, torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place))
        _, state = self.encoder(self.packed(source, lengths))
        states, _ = self.decoder(self.packed(target, (target != self.pad).sum(1)), state)
        hidden = torch.nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0]
        return F.linear(F.dropout(hidden, self.dropout), self.embedding.weight, self.bias)


ARCHITECTURES = {"transformer": Transformer, "bahdanau": Bahdanau, "lstm": EncoderDecoder, "convolutional": ConvS2S}


def batches(pairs, batch_tokens):
    """Sorted by length within shuffled windows, as attune does."""
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(pairs), generator=generator).tolist()[:16384]
    order.sort(key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
    result, batch, tokens = [], [], 0
    for i in order:
        if batch and tokens + len(pairs[i][1]) + 1 > batch_tokens:
            result.append(batch)
            batch, tokens = [], 0
        batch.append(i)
        tokens += len(pairs[i][1]) + 1
    return [result[i] for i in torch.randperm(len(result), generator=generator).tolist()]


def padded_rows(rows, padding):
    longest = max(map(len, rows))
    return torch.tensor([row + [padding] * (longest - len(row)) for row in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("pieces")
    parser.add_argument("config", type=argparse.FileType("rb"))
    arguments, config = prepared(parser, updates=40)
    # attune puts a checksum in front of the model, as a protobuf field that SentencePiece ignores
    pieces = sentencepiece.SentencePieceProcessor(model_file=arguments.pieces)
    sides = [[pieces.encode(line.rstrip("\n")) for line in gzip.open(path, "rt", encoding="utf-8")]
             for path in (arguments.source, arguments.target)]
    pairs = list(zip(*sides))
    model = ARCHITECTURES[config.get("architecture", "transformer")](config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
    real = padded = 0
    for done, batch in enumerate(batches(pairs, config["batch-tokens"])[: arguments.updates + 5]):
        if done == 5:  # warmed up
            real = padded = 0
            start = time.perf_counter()
        source = padded_rows([pairs[i][0] + [EOS] for i in batch], model.pad)
        inputs = padded_rows([[BOS] + pairs[i][1] for i in batch], model.pad)
        outputs = padded_rows([pairs[i][1] + [EOS] for i in batch], model.pad)
        with products(arguments):
            logits = model(source, inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), outputs.flatten(), label_smoothing=0.1,
                               ignore_index=model.pad)
        update(model, optimizer, loss)
        real += int((source != model.pad).sum() + (outputs != model.pad).sum())
        padded += source.numel() + outputs.numel()
    seconds = time.perf_counter() - start
    print(f"{real / seconds:.0f} tokens/s, padding {100 * (1 - real / padded):.1f} %")


main()
