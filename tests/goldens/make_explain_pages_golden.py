#!/usr/bin/env python3
"""Writes explain_pages_golden.json: the pages of `attune explain` of the sub-quadratic family on matrices from a formula,
which the file holds: every quantity and every gradient by PyTorch's autograd in float64. Hidden scores are numbers here
and none in the program, which the test leaves out.

    python3 tests/goldens/make_explain_pages_golden.py > tests/goldens/explain_pages_golden.json     (torch 2.13)
"""
import json
import math

import torch
import torch.nn.functional as F
from make_sparse_attention_golden import bigbird, strided, window

torch.set_default_dtype(torch.float64)

N = 6
TOKENS = ["one", "two", "three", "four", "five", "six"]


def start_value(k, rows, columns):
    i = torch.arange(rows * columns)
    wave = torch.sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i)
    return torch.tensor([round(x, 3) for x in wave.tolist()]).reshape(rows, columns)


class Page:
    """Inputs by name, and what is computed from them: value(name), and after backward() its gradient under d + name."""

    def __init__(self, flags, **inputs):
        self.flags, self.inputs, self.kept = flags, inputs, {}
        self.leaves = {name: value.clone().requires_grad_(name not in ("B", "dY")) for name, value in inputs.items()}

    def __getitem__(self, name):
        return self.leaves[name]

    def keep(self, name, value):
        self.kept[name] = value
        value.retain_grad()
        return value

    def branch(self, name, source="X"):
        return self.keep(name, self[source] * 1)

    def project(self, name, weight, bias, x):
        return self.keep(name, x @ self[weight] + self[bias])

    def projections(self):
        return [self.project(n.upper(), "W" + n, "b" + n, self.branch("X_" + n)) for n in "qkv"]

    def result(self, output):
        (output * self["dY"]).sum().backward()
        values = {name: value for name, value in self.kept.items() if not name.startswith("X_")}  # X, once more
        values |= {"d" + name: value.grad for name, value in self.kept.items() if value.grad is not None}
        values |= {"d" + name: value.grad for name, value in self.leaves.items()
                   if value.grad is not None and name != "W"}
        numbers = lambda x: [numbers(each) for each in x] if isinstance(x, list) else float(f"{x:.10g}") or 0
        inputs = {name: value.tolist() for name, value in self.inputs.items()} | {"tokens": TOKENS}
        return {"flags": self.flags, "inputs": inputs,
                "steps": {name: numbers(value.detach().tolist()) for name, value in values.items()}}


def weights(width, columns, letters, first=1):
    made = {}
    for k, letter in enumerate(letters):
        made["W" + letter] = start_value(first + 2 * k, width, columns)
        made["b" + letter] = start_value(first + 2 * k + 1, 1, columns) / 2
    return made


def made_page(flags, letters=("q", "k", "v"), width=2, **more):
    return Page(flags, X=start_value(0, N, width), dY=start_value(20, N, width), **weights(width, width, letters), **more)


def masked_softmax(scores, allowed):
    """Rows that see nothing are 0."""
    some = allowed.any(-1, keepdim=True)
    return torch.where(allowed & some, scores.masked_fill(~(allowed | ~some), -math.inf).softmax(-1), torch.zeros(()))


# ---- Patterns -------------------------------------------------------------------------------------------------------


def pattern(flags, mask, heads):
    """mask(head): allowed [N, N]"""
    width = 2 * heads
    page = made_page(flags, ("q", "k", "v", "o"), width)
    q, k, v = (x.reshape(N, heads, -1).transpose(0, 1) for x in page.projections())
    s = page.keep("S", q @ k.transpose(1, 2) / math.sqrt(2))
    p = page.keep("P", masked_softmax(s, torch.stack([mask(h) for h in range(heads)])))
    o = page.keep("O", (p @ v).transpose(0, 1).reshape(N, width))
    return page.result(page.project("Y", "Wo", "bo", o))


def longformer():
    page = made_page("--mechanism local --window 2 --global-tokens 1", ("q", "k", "v", "qg", "kg", "vg"))
    q, k, v = page.projections()
    allowed = window(0, 0, N, 2, [1], [0])
    allowed[0] = False
    s = page.keep("S", q @ k.T / math.sqrt(2))
    p = page.keep("P", masked_softmax(s, allowed))
    xg = page.branch("X_gq")[:1]
    qg = page.project("Qg", "Wqg", "bqg", xg)
    kg, vg = (page.project(n.upper() + "g", f"W{n}g", f"b{n}g", page.branch("X_g" + n)) for n in "kv")
    sg = page.keep("Sg", qg @ kg.T / math.sqrt(2))
    pg = page.keep("Pg", sg.softmax(-1))
    return page.result(page.keep("O", torch.cat([pg @ vg, (p @ v)[1:]])))


# ---- One head -------------------------------------------------------------------------------------------------------


def lsh(causal, itself):
    buckets = torch.tensor([[1, 4], [3, 2], [2, 2], [1, 6], [5, 1], [2, 3]], dtype=torch.float64)  # from 1
    flags = "--mechanism lsh --lsh-hashes 2 --lsh-chunk 2" + causal * " --causal" + itself * " --lsh-sees-itself"
    page = made_page(flags, ("q", "v"), B=buckets)
    q, v = (page.project(n.upper(), "W" + n, "b" + n, page.branch("X_" + n)) for n in "qv")
    times = torch.zeros(N, N)
    for r in range(2):
        order = sorted(range(N), key=lambda i: (buckets[i, r].item(), i))
        chunk = {token: place // 2 for place, token in enumerate(order)}
        for i in range(N):
            for j in range(N):
                shown = chunk[j] in (chunk[i], (chunk[i] - 1) % 3) and (itself or i != j) and (j <= i or not causal)
                times[i, j] += 1 if shown else 0
    alone = times.sum(1) == 0
    times += torch.diag(alone.to(times.dtype))
    s = page.keep("S", q @ (q / q.norm(dim=1, keepdim=True)).T)
    p = page.keep("P", masked_softmax(s, times > 0))
    return page.result(page.keep("O", p @ v)) | {"shown": times.tolist()}


def by_features(page, phi, epsilon, causal):
    q, k, v = page.projections()
    phi_q, phi_k = page.keep("phi_Q", phi(q)), page.keep("phi_K", phi(k))
    u = page.keep("U", phi_q @ phi_k.T)
    seen = u.tril() if causal else u
    p = page.keep("P", seen / (seen.sum(1, keepdim=True) + epsilon))
    return page.result(page.keep("O", p @ v))


def linear(causal):
    return by_features(made_page("--mechanism linear" + causal * " --causal"), lambda x: F.elu(x) + 1, 1e-6, causal)


def performer(kernel, causal):
    w = start_value(16, 6, 2)
    page = made_page(f"--mechanism performer --features 6 --feature-kernel {kernel}" + causal * " --causal", W=w)

    def phi(x):
        projected = x / 2 ** 0.25 @ w.T
        if kernel == "relu":
            return (F.relu(projected) + 1e-3) / math.sqrt(6)
        features = torch.exp(projected - (x * x).sum(1, keepdim=True) / (2 * math.sqrt(2)))
        return (features + 1e-4 * features.amax(1, keepdim=True)) / math.sqrt(6)

    return by_features(page, phi, 0, causal)


def linformer():
    page = made_page("--mechanism linformer --projected-length 3", E=start_value(12, 3, N), F=start_value(13, 3, N))
    q, k, v = page.projections()
    k_e, v_f = page.keep("K_E", page["E"] @ k), page.keep("V_F", page["F"] @ v)
    p = page.keep("P", page.keep("S", q @ k_e.T / math.sqrt(2)).softmax(-1))
    return page.result(page.keep("O", p @ v_f))


def nystrom():
    rounds, m = 3, 4
    page = made_page(f"--mechanism nystrom --landmarks {m} --landmark-rounds {rounds} --value-kernel 3",
                     C=start_value(14, 1, 3))
    q, k, v = page.projections()
    cuts = [t * N // m for t in range(m + 1)]
    q_m, k_m = (page.keep(name + "_m", torch.stack([x[a:b].mean(0) for a, b in zip(cuts, cuts[1:])]))
                for name, x in (("Q", q), ("K", k)))
    b = page.keep("B", page.keep("S_B", q_m @ k.T / math.sqrt(2)).softmax(-1))
    f = page.keep("F", page.keep("S_F", q @ k_m.T / math.sqrt(2)).softmax(-1))
    a = page.keep("A_m", (q_m @ k_m.T / math.sqrt(2)).softmax(-1))
    z, eye = page.keep("Z_0", a.T / a.abs().sum(0).max()), torch.eye(m)
    for r in range(rounds):
        az = a @ z
        z = page.keep(f"Z_{r + 1}", z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4)
    u_m = page.keep("U_m", z @ page.keep("V_m", b @ v))
    taps = page["C"][0]
    padded = F.pad(v, (0, 0, 1, 1))
    return page.result(page.keep("O", f @ u_m + sum(taps[t] * padded[t:t + N] for t in range(3))))


causal = torch.ones(N, N, dtype=torch.bool).tril()
print(json.dumps([
    longformer(),
    pattern("--mechanism local --window 4 --dilation 1,2 --global-tokens 1 --heads 2 --causal",
            lambda h: window(0, h, N, 4, [1, 2], [0]) & causal, 2),
    pattern("--mechanism sparse --stride 3 --heads 2 --causal", lambda h: strided(0, h, N, 3, True), 2),
    pattern("--mechanism bigbird --block 1 --window-blocks 1 --global-blocks 1 --random-blocks 2 --heads 2 --seed 5",
            lambda h: bigbird(0, h, N, 1, 0, 1, 0, 2, 5), 2),
    lsh(False, False), lsh(True, False), lsh(True, True), linear(False), linear(True), performer("exponential", False), performer("relu", True),
    linformer(), nystrom(),
], separators=(",", ":")))
