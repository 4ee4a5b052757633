#!/usr/bin/env python3
"""Attention of attune and of PyTorch on the CPU, in turns in one run: useful GFLOP/s, their ratio, and attune's share of
oneDNN's float32 product rate; then which features PyTorch's fused CPU kernel offers, by trying them.

    python3 bench/attention_speed.py PROGRAM [--lengths FILE] [--threads 2] [--seconds 0.3] [--rounds 2]

PROGRAM: the built attune. --lengths: a length a line (awk '{print NF}' of a corpus): packed here, padded in PyTorch.
Runs on a virtual environment with torch 2.13. What a causal mask hides or padding adds does not count as useful.
"""
import argparse
import json
import subprocess
import time
import warnings

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

# batch, heads, length, head_dim, causal, dtype, ratios to reach (forward, backward)
ROWS = [
    (64, 4, 24, 64, False, "float32", 3.0, 2.5),
    (32, 8, 128, 64, False, "float32", 2.3, 2.0),
    (8, 8, 512, 64, False, "float32", 2.0, 1.9),
    (8, 8, 512, 64, True, "float32", 3.5, 3.2),
    (1, 8, 2048, 64, False, "float32", 1.9, 1.9),
    (1, 8, 2048, 64, True, "float32", 2.2, 2.2),
    (1, 8, 2048, 128, False, "float32", 1.9, 1.8),
    (1, 8, 2048, 64, False, "bfloat16", 1.5, 1.2),
]


def best_time(seconds, prepare, run):
    best, start = float("inf"), time.perf_counter()
    rounds = 0
    while rounds < 3 or time.perf_counter() - start < seconds:
        prepared = prepare()
        before = time.perf_counter()
        run(prepared)
        best = min(best, time.perf_counter() - before)
        rounds += 1
    return best


def pytorch(batch, heads, length, dim, causal, dtype, seconds, lengths=None):
    """Seconds of one forward and one backward."""
    shape = (batch, heads, length, dim)
    q, k, v = (torch.rand(shape).mul(2).sub(1).to(getattr(torch, dtype)).requires_grad_() for _ in range(3))
    mask = None
    if lengths is not None:
        mask = (torch.arange(length)[None, :] < torch.tensor(lengths)[:, None])[:, None, None, :]
    attend = lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    gradient = torch.rand(shape).to(q.dtype)
    with torch.no_grad():
        forward = best_time(seconds, lambda: None, lambda _: attend())
    backward = best_time(seconds, attend, lambda out: out.backward(gradient))
    return forward, backward


def attune(options, batch, heads, length, dim, causal, dtype, lengths=None):
    command = [options.program, "bench", "attention", "--batch", batch, "--heads", heads, "--length", length,
               "--head-dim", dim, "--dtype", dtype, "--threads", options.threads, "--seconds", options.seconds,
               "--format", "json"] + (["--causal"] if causal else []) + (["--lengths", lengths] if lengths else [])
    return json.loads(subprocess.run([str(x) for x in command], check=True, capture_output=True).stdout)


def compare(options, name, row, lengths=None):
    batch, heads, length, dim, causal, dtype, forward_goal, backward_goal = row
    counts = None
    if lengths:
        counts = [int(x) for x in open(lengths).read().split()][:batch]
        length = max(counts)
    pairs = sum(n * n for n in counts) if counts else batch * (length * (length + 1) / 2 if causal else length**2)
    operations = 4 * pairs * heads * dim / 1e9
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(attune(options, batch, heads, length, dim, causal, dtype, lengths))
        theirs.append(pytorch(batch, heads, length, dim, causal, dtype, options.seconds, counts))
    sgemm = max(x["sgemm_gflops"] for x in ours)
    line = f"{name:<30}"
    for key, index, factor, goal in (("forward_gflops", 0, 1, forward_goal), ("backward_gflops", 1, 2.5, backward_goal)):
        mine = max(x[key] for x in ours)
        peer = factor * operations / min(x[index] for x in theirs)
        line += f" {mine:7.1f} {peer:7.1f} {mine / peer:5.2f} ({goal:.1f}) {100 * mine / sgemm:4.0f}%"
    print(line, flush=True)


def features():
    """Each feature: does the fused CPU kernel take it, forward and backward?"""
    n, dim = 64, 32
    new = lambda *shape: torch.rand(shape, requires_grad=True)
    causal = torch.ones(n, n, dtype=torch.bool).tril()
    calls = {
        "causal": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), is_causal=True),
        "boolean mask": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), attn_mask=causal),
        "dense bias": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), attn_mask=torch.rand(1, 4, n, n)),
        "dense bias, its gradient": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), attn_mask=new(1, 4, n, n)),
        "dropout": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), dropout_p=0.1),
        "value depth of its own": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, 2 * dim)),
        "grouped heads": lambda: F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 2, n, dim), new(1, 2, n, dim), enable_gqa=True),
        "fewer queries than keys": lambda: F.scaled_dot_product_attention(new(1, 4, 8, dim), new(1, 4, n, dim), new(1, 4, n, dim)),
        "no queries": lambda: F.scaled_dot_product_attention(new(1, 4, 0, dim), new(1, 4, n, dim), new(1, 4, n, dim)),
        "packed sequences": lambda: F.scaled_dot_product_attention(
            *(torch.nested.nested_tensor([torch.rand(4, 5, dim), torch.rand(4, 9, dim)], requires_grad=True) for _ in range(3))),
    }
    print("\nfused on PyTorch's CPU path, forward and backward (attune's kernel has all of these):")
    for name, call in calls.items():
        try:
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                out = call()
                (out.sum() if not out.is_nested else out.values().sum()).backward()
            answer = "yes"
        except Exception as error:  # whatever it says is the answer
            answer = "no: " + str(error).strip().splitlines()[0][:80]
        print(f"  {name:<26} {answer}", flush=True)
    for name, argument in (("band", "window"), ("softcap", "softcap"), ("ALiBi slopes", "alibi_slopes"),
                           ("T5 buckets", "relative_bias"), ("log-sum-exp as an output", "return_lse"),
                           ("normalisers but softmax", "normaliser")):
        try:
            F.scaled_dot_product_attention(new(1, 4, n, dim), new(1, 4, n, dim), new(1, 4, n, dim), **{argument: 1})
            answer = "yes"
        except TypeError:
            answer = "no: no such argument"
        print(f"  {name:<26} {answer}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--lengths")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["speed", "features"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # PyTorch warns why it takes no fused kernel; the table says that it does not
    torch.set_num_threads(options.threads)
    if options.only != "features":
        print(f"{'':<30} forward: attune, PyTorch, ratio (goal), share of sgemm; backward: the same")
        for row in ROWS:
            name = f"{row[0]} x {row[1]} heads, n {row[2]}, D {row[3]}{', causal' if row[4] else ''} {row[5]}"
            compare(options, name, row)
        if options.lengths:
            row = (64, 4, 0, 64, False, "float32", 4.0, 4.0)
            compare(options, "64 x 4 heads, packed lengths", row, options.lengths)
    if options.only != "speed":
        features()


main()
