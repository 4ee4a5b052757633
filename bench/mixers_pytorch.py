#!/usr/bin/env python3
"""The attention mechanisms of `attune bench mixers` in PyTorch's ops, as its users write them, forward and backward on
the CPU: an object a line with the same keys, and `softmax`: how the softmax attention inside is computed, "plain" (products,
softmax, products; what published code does) or "fused" (PyTorch's kernel between chunks, blocks, landmarks).

    python3 bench/mixers_pytorch.py [--length 4096] [--mechanism NAME ...] [--threads 2] [--seconds 1]
    python3 bench/mixers_pytorch.py --check OURS
    python3 bench/mixers_pytorch.py --table OURS THEIRS

--check: each equals its equation over all pairs in float64, and sees as many pairs as attune says of 1,024 tokens (OURS:
lines of attune bench mixers --length 1024 --format json). --table reads lines of attune and of this script and prints both
with the ratios of their median times, as Markdown. Needs torch 2.13.
"""
import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F

HEADS, DEPTH = 8, 64
BLOCK = 64
fused = True


def attend(q, k, v, mask=None):
    """softmax(q k' / sqrt(depth)) v of [..., rows, depth]."""
    if fused:
        leading = lambda x: x if x.dim() == 4 else x[None]
        return F.scaled_dot_product_attention(leading(q), leading(k), leading(v), attn_mask=mask).view(q.shape)
    scores = q @ k.mT * DEPTH**-0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, -1) @ v


def stride_at(n):  # as in attune: the root, to a multiple of 16
    return 16 * max(1, math.floor(math.sqrt(n) / 16 + 0.5))


def chunks(x, size):  # [heads, n, depth] -> [n / size, heads, size, depth]
    return x.unflatten(1, (-1, size)).transpose(0, 1)


def joined(x):  # and back
    return x.transpose(0, 1).flatten(1, 2)


# A band: chunks as long as it reaches to one side, each against itself and both neighbours.
def band(q, k, v, mask):
    size = q.size(1) // mask.size(0)
    around = lambda x: F.pad(x, (0, 0, size, size))
    neighbours = lambda x: torch.cat([chunks(x[:, i * size : i * size + q.size(1)], size) for i in range(3)], 2)
    k, v = neighbours(around(k)), neighbours(around(v))
    return joined(attend(chunks(q, size), k, v, mask))


def band_mask(n, size, reach):  # [chunks, 1, size, 3 size]
    i = torch.arange(size)[:, None] + size
    j = torch.arange(3 * size)[None, :]
    mask = ((i - j).abs() <= reach).expand(n // size, 1, size, 3 * size).clone()
    mask[0, ..., :size] = False
    mask[-1, ..., 2 * size :] = False
    return mask


class Exact:
    def __init__(self, n):
        pass

    def __call__(self, q, k, v):
        return attend(q, k, v)

    def visible(self, n):
        return torch.ones(HEADS, n, n, dtype=torch.bool)


class Local:
    def __init__(self, n, window=512):
        self.reach = min(window // 2, n // 2)
        self.mask = band_mask(n, self.reach, self.reach)

    def __call__(self, q, k, v):
        return band(q, k, v, self.mask)

    def visible(self, n):
        at = torch.arange(n)
        return ((at[:, None] - at).abs() <= self.reach).expand(HEADS, n, n)


class Heads2:
    """Even and odd heads see different keys."""

    def __call__(self, q, k, v):
        even = self.even(q[0::2], k[0::2], v[0::2])
        odd = self.odd(q[1::2], k[1::2], v[1::2])
        return torch.stack([even, odd], 1).flatten(0, 1)

    def visible(self, n):
        at = torch.arange(n)
        even, odd = self.pairs(at[:, None], at[None, :])
        return torch.stack([even, odd]).repeat(HEADS // 2, 1, 1)


class Strided(Heads2):
    def __init__(self, n):
        self.stride = stride_at(n)
        self.mask = band_mask(n, self.stride, self.stride - 1)

    def even(self, q, k, v):
        return band(q, k, v, self.mask)

    def odd(self, q, k, v):  # by residue
        turned = lambda x: x.unflatten(1, (-1, self.stride)).permute(2, 0, 1, 3)
        return attend(turned(q), turned(k), turned(v)).permute(1, 2, 0, 3).flatten(1, 2)

    def pairs(self, i, j):
        return (i - j).abs() < self.stride, (i - j) % self.stride == 0


class Fixed(Heads2):
    def __init__(self, n, summary=8):
        self.stride, self.summary = stride_at(n), summary

    def even(self, q, k, v):
        return joined(attend(*(chunks(x, self.stride) for x in (q, k, v))))

    def odd(self, q, k, v):
        last = lambda x: x.unflatten(1, (-1, self.stride))[:, :, -self.summary :].flatten(1, 2)
        return attend(q, last(k), last(v))

    def pairs(self, i, j):
        stretch = i // self.stride == j // self.stride
        return stretch, (j % self.stride >= self.stride - self.summary).expand(i.size(0), -1)


class BigBird:
    """Blocks of keys gathered by block of queries; the global blocks' queries see everything."""

    def __init__(self, n, window=3, ends=1, random=3):
        count = n // BLOCK
        self.ends, self.lists = ends, []
        generator = torch.Generator().manual_seed(0)
        for _ in range(HEADS):
            rows = []
            for i in range(ends, count - ends):
                near = set(range(i - window // 2, i + window // 2 + 1)) & set(range(count))
                seen = near | set(range(ends)) | set(range(count - ends, count))
                rest = [j for j in torch.randperm(count, generator=generator).tolist() if j not in seen]
                rows.append(sorted(seen) + rest[:random])
            self.lists.append(rows)
        most = max(len(row) for rows in self.lists for row in rows)
        self.blocks = torch.tensor([[row + row[:1] * (most - len(row)) for row in rows] for rows in self.lists])
        known = torch.tensor([[[True] * len(row) + [False] * (most - len(row)) for row in rows] for rows in self.lists])
        self.mask = known.repeat_interleave(BLOCK, 2)[:, :, None]  # [heads, query blocks, 1, keys]

    def __call__(self, q, k, v):
        n, edge = q.size(1), self.ends * BLOCK
        head = torch.arange(HEADS)[:, None, None]
        gathered = lambda x: x.unflatten(1, (-1, BLOCK))[head, self.blocks].flatten(2, 3)
        inner = q[:, edge : n - edge].unflatten(1, (-1, BLOCK))
        inner = attend(inner, gathered(k), gathered(v), self.mask).flatten(1, 2)
        if edge == 0:
            return inner
        outer = attend(torch.cat([q[:, :edge], q[:, n - edge :]], 1), k, v)
        return torch.cat([outer[:, :edge], inner, outer[:, edge:]], 1)

    def visible(self, n):
        count = n // BLOCK
        seen = torch.zeros(HEADS, count, count, dtype=torch.bool)
        for h, rows in enumerate(self.lists):
            for i, row in enumerate(rows):
                seen[h, i + self.ends, row] = True
        if self.ends:
            seen[:, : self.ends] = seen[:, -self.ends :] = True
        return seen.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)


def tenth(n):
    return BigBird(n, window=1, ends=0, random=max(1, math.floor(n / (10 * BLOCK) + 0.5)) - 1)


class Linformer:
    def __init__(self, n, k=256):
        self.learnt = [torch.rand(min(k, n), n).mul(2).sub(1).requires_grad_() for _ in range(2)]

    def __call__(self, q, k, v):
        e, f = self.learnt
        return attend(q, e @ k, f @ v)

    def dense(self, q, k, v):
        e, f = (x.double() for x in self.learnt)
        return torch.softmax(q @ (e @ k).mT / math.sqrt(DEPTH), -1) @ (f @ v)


class Performer:
    def __init__(self, n, features=256):
        blocks = [torch.linalg.qr(torch.randn(DEPTH, DEPTH))[0].T for _ in range(features // DEPTH)]
        self.w = torch.cat(blocks) * torch.randn(features, DEPTH).norm(dim=1, keepdim=True)

    def features(self, x, over):
        x = x * DEPTH**-0.25
        dash = x @ self.w.to(x.dtype).T
        shift = x.square().sum(-1, keepdim=True) / 2 + dash.amax(over, keepdim=True).detach()
        return (torch.exp(dash - shift) + 1e-4) * self.w.size(0) ** -0.5

    def __call__(self, q, k, v):
        q, k = self.features(q, -1), self.features(k, (-2, -1))
        return q @ (k.mT @ v) / (q @ k.sum(-2)[..., None])

    def dense(self, q, k, v):
        weights = self.features(q, -1) @ self.features(k, (-2, -1)).mT
        return weights / weights.sum(-1, keepdim=True) @ v


class Linear:
    def __init__(self, n):
        pass

    def __call__(self, q, k, v):
        q, k = F.elu(q) + 1, F.elu(k) + 1
        return q @ (k.mT @ v) / (q @ k.sum(-2)[..., None] + 1e-6)

    def dense(self, q, k, v):
        weights = (F.elu(q) + 1) @ (F.elu(k) + 1).mT
        return weights @ v / (weights.sum(-1, keepdim=True) + 1e-6)


class Nystrom:
    def __init__(self, n, landmarks=64, rounds=6):
        self.landmarks, self.rounds = landmarks, rounds

    def inverse(self, a):
        one = torch.eye(a.size(-1), dtype=a.dtype)
        z = a.mT / (a.sum(-1).amax(-1) * a.sum(-2).amax(-1))[:, None, None]
        for _ in range(self.rounds):
            az = a @ z
            z = z @ (13 * one - az @ (15 * one - az @ (7 * one - az))) / 4
        return z

    def parts(self, q, k):
        means = lambda x: x.unflatten(1, (self.landmarks, -1)).mean(2)
        ql, kl = means(q), means(k)
        return ql, kl, self.inverse(torch.softmax(ql @ kl.mT / math.sqrt(DEPTH), -1))

    def __call__(self, q, k, v):
        ql, kl, inverse = self.parts(q, k)
        return attend(q, kl, inverse @ attend(ql, k, v))

    def dense(self, q, k, v):
        ql, kl, inverse = self.parts(q, k)
        weights = lambda a, b: torch.softmax(a @ b.mT / math.sqrt(DEPTH), -1)
        return weights(q, kl) @ inverse @ weights(ql, k) @ v


class Lsh:
    """Shared queries and keys; rounds merged by log-sum-exp, a key that two rounds show counting twice (what is cheapest)."""

    def __init__(self, n, chunk=64, rounds=2):
        self.chunk, self.rounds = chunk, rounds
        self.rotations = torch.randn(HEADS, rounds, DEPTH, n // chunk)

    def sorted_order(self, q):  # [heads, rounds, n]
        with torch.no_grad():
            turned = q.float()[:, None] @ self.rotations
            buckets = torch.cat([turned, -turned], -1).argmax(-1)
            return (buckets * q.size(1) + torch.arange(q.size(1))).argsort(-1)

    def __call__(self, q, k, v):
        order = self.sorted_order(q)
        there = lambda x, places: x.gather(2, places[..., None].expand(-1, -1, -1, x.size(-1)))
        rounds = lambda x: there(x[:, None].expand(-1, self.rounds, -1, -1), order).unflatten(2, (-1, self.chunk))
        both = lambda x: torch.cat([x.roll(1, 2), x], 3)  # the chunk before and its own
        scores = rounds(q) @ both(rounds(F.normalize(q, dim=-1))).mT
        at = order.unflatten(2, (-1, self.chunk))
        scores = scores.masked_fill(at[..., :, None] == both(at[..., None]).mT, -1e5)
        total = scores.logsumexp(-1, keepdim=True)
        back = order.argsort(-1)
        out = there(((scores - total).exp() @ both(rounds(v))).flatten(2, 3), back)
        return (out * there(total.flatten(2, 3), back).softmax(1)).sum(1)

    def dense(self, q, k, v):
        chunk = self.sorted_order(q).argsort(-1) // self.chunk
        count = q.size(1) // self.chunk
        behind = (chunk[..., :, None] - chunk[..., None, :]) % count
        shown = (behind <= 1).sum(1).masked_fill(torch.eye(q.size(1), dtype=torch.bool), 0)
        weights = torch.exp(q @ F.normalize(q, dim=-1).mT) * shown
        return weights / weights.sum(-1, keepdim=True) @ v


# (mechanism, form): as attune's rows are named.
MECHANISMS = {
    ("scaled_dot", ""): Exact,
    ("local", ""): Local,
    ("sparse", "strided"): Strided,
    ("sparse", "fixed"): Fixed,
    ("bigbird", ""): BigBird,
    ("bigbird", "tenth"): tenth,
    ("lsh", ""): Lsh,
    ("linformer", ""): Linformer,
    ("performer", ""): Performer,
    ("linear", ""): Linear,
    ("nystrom", ""): Nystrom,
}


def operands(n):
    return [torch.rand(HEADS, n, DEPTH).mul(2).sub(1).requires_grad_() for _ in range(3)]


def dense(mechanism, q, k, v):
    """The mechanism over all pairs, float64."""
    if hasattr(mechanism, "dense"):
        return mechanism.dense(q, k, v)
    scores = (q @ k.mT / math.sqrt(DEPTH)).masked_fill(~mechanism.visible(q.size(1)), -math.inf)
    return torch.softmax(scores, -1) @ v


def ways(word):
    """Plain or fused: without softmax over keys, or with log-sum-exp, which the kernel keeps to itself, plain alone."""
    return [False] if word in ("lsh", "performer", "linear") else [True] if word == "scaled_dot" else [False, True]


def rows_of(path):
    for line in open(path):
        row = json.loads(line)
        if "skipped" not in row:
            yield (row["mechanism"], row["form"]), row


def check(path):
    global fused
    for name, row in rows_of(path):
        if name not in MECHANISMS:
            continue
        for fused in ways(name[0]):
            torch.manual_seed(1)
            q, k, v = operands(row["length"])
            mechanism = MECHANISMS[name](row["length"])
            out = mechanism(q, k, v)
            expected = dense(mechanism, q.double(), k.double(), v.double())
            error = ((out - expected).abs().max() / expected.abs().max()).item()
            assert out.shape == q.shape and error < 2e-5, f"{name}: off by {error} of the largest output"
        if row["visible_pairs"]:
            pairs = mechanism.visible(row["length"]).sum().item()
            assert pairs == row["visible_pairs"], f"{name}: {pairs} visible pairs, attune has {row['visible_pairs']}"
        print(f"{' '.join(name):<16} n {row['length']}: off by {error:.0e} of the largest output", flush=True)


def measure(make, length, seconds):
    mechanism = make(length)
    q, k, v = operands(length)
    dout = torch.rand(HEADS, length, DEPTH)
    watched = [q, k, v, *getattr(mechanism, "learnt", [])]
    forward, backward = [], []
    start = time.perf_counter()
    while len(forward) < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        out = mechanism(q, k, v)
        between = time.perf_counter()
        torch.autograd.grad(out, watched, dout, allow_unused=True)
        forward.append(between - before)
        backward.append(time.perf_counter() - between)
    return statistics.median(forward[1:]), statistics.median(backward[1:])


def times_of(path):
    """The median forward and backward of each mechanism, by softmax ("" of attune)."""
    rows = {}
    for name, row in rows_of(path):
        rows.setdefault(name, {}).setdefault(row.get("softmax", ""), []).append(row)
    middle = lambda group, key: statistics.median(row[key] for row in group)
    both = lambda group: (middle(group, "forward_seconds"), middle(group, "backward_seconds"))
    return {name: {way: both(group) for way, group in ways.items()} for name, ways in rows.items()}


def print_table(ours, theirs):
    ours, theirs = times_of(ours), times_of(theirs)
    print("| mechanism | attune, forward + backward, ms | PyTorch, plain ops, ms | times as fast | PyTorch, its fused "
          "kernel inside, ms | times as fast |\n|---|---|---|---|---|---|")
    shown = lambda times: f"{1e3 * times[0]:.1f} + {1e3 * times[1]:.1f}" if times else ""
    for name, mine in ours.items():
        if name not in theirs:
            continue
        cells = [" ".join(name).strip(), shown(mine[""])]
        for way in ("plain", "fused"):
            peer = theirs[name].get(way)
            cells += [shown(peer), f"{sum(peer) / sum(mine['']):.1f}" if peer else ""]
        print("| " + " | ".join(cells) + " |")


def run(options):
    global fused
    for (word, form), make in MECHANISMS.items():
        if options.mechanism and word not in options.mechanism:
            continue
        for fused in ways(word):
            forward, backward = measure(make, options.length, options.seconds)
            print(json.dumps({"mechanism": word, "form": form, "length": options.length, "forward_seconds": forward,
                              "backward_seconds": backward, "softmax": "fused" if fused else "plain"}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--mechanism", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--check", metavar="OURS")
    parser.add_argument("--table", nargs=2, metavar=("OURS", "THEIRS"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.table:
        print_table(*options.table)
    elif options.check:
        check(options.check)
    else:
        run(options)


main()
