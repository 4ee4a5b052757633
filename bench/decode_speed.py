#!/usr/bin/env python3
"""Decoding speed of attune and of CTranslate2 on the CPU, in turns in one run: output tokens a second and their ratio.

    python3 bench/decode_speed.py PROGRAM [--compute-type bfloat16] [--size 6x512] [--threads 2] [--rounds 3]

PROGRAM: the built attune. Both programs read the same random weights, written to a temporary directory, and translate
random sentences of `--length` pieces into outputs forced to the same length; the best round counts. Before that some
sentences are translated by both and compared piece by piece, so that it is surely the same model: `equal` is the share
of equal outputs (rounding decides a near tie here and there, most of all in bfloat16).
Runs on a virtual environment with ctranslate2 4.8.5 and numpy. A compute type that CTranslate2 does not offer on this
processor is timed for attune alone.
"""
import argparse
import json
import os
import struct
import subprocess
import tempfile
import time

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec

VOCABULARY = 8000
SPECIALS = ["<unk>", "<s>", "</s>"]
WORDS = SPECIALS + [f"w{i}" for i in range(VOCABULARY - len(SPECIALS))]
NEVER = -1e4  # the specials' output bias: no output ends by itself
GOAL = 1.2
SIZES = {"3x256": {"layers": 3, "width": 256, "heads": 4, "inner": 1024},
         "6x512": {"layers": 6, "width": 512, "heads": 8, "inner": 2048}}
SEARCHES = [(1, 1), (32, 1), (32, 4)]  # batch, beam


def random_weights(size):
    """By attune's names; products' weights are [out, in]."""
    rng = np.random.default_rng(1)
    width, inner, weights = size["width"], size["inner"], {}

    def linear(name, out, into):
        weights[name + ".weight"] = rng.normal(0, into**-0.5, (out, into))
        weights[name + ".bias"] = rng.normal(0, 0.1, out)

    def norm(name):
        weights[name + ".weight"] = rng.normal(1, 0.1, width)
        weights[name + ".bias"] = rng.normal(0, 0.1, width)

    for side, mixers in (("encoder", ["self_attention"]), ("decoder", ["self_attention", "cross_attention"])):
        for i in range(size["layers"]):
            layer = f"{side}.layers.{i}."
            for mixer in mixers:
                for part in ("query", "key", "value", "output"):
                    linear(f"{layer}{mixer}.{part}", width, width)
                norm(f"{layer}{mixer}_norm")
            linear(layer + "feed_forward.first", inner, width)
            linear(layer + "feed_forward.second", width, inner)
            norm(layer + "feed_forward_norm")
        norm(side + ".norm")
    for name in ("source_embedding", "target_embedding"):
        weights[name + ".weight"] = rng.normal(0, width**-0.5, (VOCABULARY, width))
    linear("output", VOCABULARY, width)
    weights["output.bias"][: len(SPECIALS)] = NEVER
    return {name: value.astype(np.float32) for name, value in weights.items()}


def sinusoids(count, width):
    angles = np.arange(count)[:, None] / 10000 ** (2 * np.arange(width // 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(count, width).astype(np.float32)


def write_attune(directory, size, weights):
    os.makedirs(directory)
    with open(f"{directory}/config.json", "w") as file:
        json.dump({
            "format-version": 1, "architecture": "transformer", "encoder-layers": size["layers"],
            "decoder-layers": size["layers"], "width": size["width"], "heads": size["heads"],
            "feed-forward": size["inner"], "encoder-mixer": "scaled_dot", "decoder-mixer": "scaled_dot",
            "cross-mixer": "scaled_dot", "normaliser": "softmax", "norm-position": "pre", "norm": "layer_norm",
            "norm-epsilon": 1e-5, "activation": "relu", "gated-feed-forward": False, "biases": True,
            "positions": "sinusoidal", "max-positions": 1024, "tied-embeddings": "none", "embedding-scale": True,
            "dropout": 0.1, "embedding-dropout": -1, "attention-dropout": -1, "activation-dropout": 0,
            "initialiser": "xavier_uniform", "embedding-initialiser": "", "tokenizer": "words",
            "vocab-size": VOCABULARY, "joint-vocabulary": True, "lowercase": False, "source-vocabulary": VOCABULARY,
            "target-vocabulary": VOCABULARY}, file)
    with open(f"{directory}/joint.words", "w") as file:
        file.write("".join(word + "\n" for word in WORDS))
    header, at = {}, 0
    for name in sorted(weights):
        size = weights[name].nbytes
        header[name] = {"dtype": "F32", "shape": weights[name].shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{directory}/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(weights):
            file.write(weights[name].tobytes())


def write_ctranslate2(directory, size, weights):
    spec = TransformerSpec.from_config(size["layers"], size["heads"], pre_norm=True)

    def linear(to, *names):  # several beside each other become one
        to.weight = np.concatenate([weights[name + ".weight"] for name in names])
        to.bias = np.concatenate([weights[name + ".bias"] for name in names])

    def norm(to, name):
        to.gamma, to.beta = weights[name + ".weight"], weights[name + ".bias"]

    def attention(to, name, products):
        for part, names in zip(to.linear, products):
            linear(part, *(f"{name}.{each}" for each in names))
        norm(to.layer_norm, name + "_norm")

    for side, stack in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        for i, layer in enumerate(stack.layer):
            name = f"{side}.layers.{i}."
            attention(layer.self_attention, name + "self_attention", [("query", "key", "value"), ("output",)])
            if side == "decoder":
                attention(layer.attention, name + "cross_attention", [("query",), ("key", "value"), ("output",)])
            linear(layer.ffn.linear_0, name + "feed_forward.first")
            linear(layer.ffn.linear_1, name + "feed_forward.second")
            norm(layer.ffn.layer_norm, name + "feed_forward_norm")
        norm(stack.layer_norm, side + ".norm")
        stack.position_encodings.encodings = sinusoids(512, size["width"])
    spec.encoder.embeddings[0].weight = weights["source_embedding.weight"]
    spec.decoder.embeddings.weight = weights["target_embedding.weight"]
    linear(spec.decoder.projection, "output")
    spec.register_source_vocabulary(WORDS)
    spec.register_target_vocabulary(WORDS)
    spec.config.layer_norm_epsilon = 1e-5
    spec.config.add_source_eos = True
    spec.validate()
    os.makedirs(directory)
    spec.save(directory)


def random_sentences(count, length):
    rng = np.random.default_rng(2)
    return [[WORDS[i] for i in rng.integers(len(SPECIALS), VOCABULARY, length)] for _ in range(count)]


def ctranslate2_outputs(translator, sentences, batch, beam, length):
    outputs = []
    for begin in range(0, len(sentences), batch):
        results = translator.translate_batch(sentences[begin : begin + batch], beam_size=beam, max_batch_size=0,
                                             min_decoding_length=length, max_decoding_length=length)
        outputs += [result.hypotheses[0] for result in results]
    assert all(len(output) == length for output in outputs), "an output of another length"
    return outputs


def attune_outputs(options, model, compute_type, sentences):
    command = [options.program, "translate", "--model", model, "--beam-size", 1, "--compute-type", compute_type,
               "--min-decoding-length", options.length, "--max-decoding-length", options.length]
    text = "".join(" ".join(sentence) + "\n" for sentence in sentences)
    done = subprocess.run([str(x) for x in command], input=text, check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


def attune_rate(options, model, compute_type, batch, beam, count):
    command = [options.program, "bench", "decode", "--model", model, "--batch-size", batch, "--beam-size", beam,
               "--compute-type", compute_type, "--length", options.length, "--sentences", count, "--rounds", 2,
               "--threads", options.threads, "--format", "json"]
    done = subprocess.run([str(x) for x in command], check=True, capture_output=True)
    return json.loads(done.stdout)["output_tokens_per_second"]


def ctranslate2_rate(translator, sentences, batch, beam, length):
    best = float("inf")
    for warm in (False, True, True):
        before = time.perf_counter()
        ctranslate2_outputs(translator, sentences, batch, beam, length)
        if warm:
            best = min(best, time.perf_counter() - before)
    return len(sentences) * length / best


def compare(options, name, compute_type, directory):
    size, here = SIZES[name], f"{directory}/{name}"
    if not os.path.exists(here):
        weights = random_weights(size)
        write_attune(f"{here}/attune", size, weights)
        write_ctranslate2(f"{here}/ctranslate2", size, weights)
    translator = None
    if compute_type in ctranslate2.get_supported_compute_types("cpu"):
        translator = ctranslate2.Translator(f"{here}/ctranslate2", compute_type=compute_type,
                                            intra_threads=options.threads, inter_threads=1)
        some = random_sentences(32, options.length)
        ours = attune_outputs(options, f"{here}/attune", compute_type, some)
        theirs = ctranslate2_outputs(translator, some, 32, 1, options.length)
        equal = sum(a == b for a, b in zip(ours, theirs)) / len(some)
        distinct = len({piece for output in ours for piece in output})
        print(f"{name} {compute_type}: equal {equal:.0%} of {len(some)} outputs, {distinct} pieces in them", flush=True)
    for batch, beam in SEARCHES:
        sentences = random_sentences(options.sentences or (16 if batch == 1 else 64), options.length)
        ours, theirs = 0, 0
        for _ in range(options.rounds):
            ours = max(ours, attune_rate(options, f"{here}/attune", compute_type, batch, beam, len(sentences)))
            if translator:
                theirs = max(theirs, ctranslate2_rate(translator, sentences, batch, beam, options.length))
        row = f"{name:<6} {compute_type:<9} {batch:5} {beam:4} {ours:9.0f}"
        print(row + (f" {theirs:12.0f} {ours / theirs:6.2f} {GOAL:6.1f}" if translator else ""), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--compute-type", nargs="+", default=["float32"], choices=["float32", "bfloat16"])
    parser.add_argument("--size", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--sentences", type=int, default=0, help="a round; 0: 16 at batch 1, else 64")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'size':<6} {'type':<9} batch beam {'attune':>9} {'CTranslate2':>12} {'ratio':>6} {'goal':>6}")
    with tempfile.TemporaryDirectory() as directory:
        for name in options.size:
            for compute_type in options.compute_type:
                compare(options, name, compute_type, directory)


main()
