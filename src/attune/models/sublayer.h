// What a Transformer's layers are rows of: sublayers, each a function of normalised rows whose result is added to rows.
// Ordinarily to the same ones,
//   pre-norm:  x + dropout(f(norm(x)))        post-norm: norm(x + dropout(f(x)))
// and in a reversible stack (Gomez 2017; Kitaev 2020, section 3) to the other of two streams, which then change places:
//   (x1, x2) -> (x2, x1 + dropout(f(norm(x2))))
// With attention and a feed-forward layer in turn that is y1 = x1 + Attention(x2), y2 = x2 + FeedForward(y1).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "attune/models/config.h"
#include "attune/nn/norm.h"
#include "attune/nn/pass.h"
#include "attune/tensor/segments.h"

namespace attune {

Norm make_norm(const ModelConfig& config);

// Which layer of how many, from 0.
struct Depth {
  int layer = 0, layers = 1;
};

// One sublayer's surroundings: where the norm stands, and the dropout on what the sublayer adds, of single numbers and
// of whole sequences (stochastic depth, Huang 2016): in training a sequence goes without the sublayer with probability
// 1 - survival, and what is added to the others is divided by survival.
struct Residual {
  Residual() = default;
  // The probability of survival falls linearly from layer to layer, to config.survival in the last one.
  Residual(const ModelConfig& config, const Depth& depth);

  // f: normalised input -> what is added. The segments say what is one sequence; only training asks.
  template <class Fn>
  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass, Fn&& f) const {
    return pre ? onto(x, x, segments, pass, f) : norm(with(x, f(x), segments, pass));
  }
  // Pre-norm: other + dropout(f(norm(x))), and the second summand alone.
  template <class Fn>
  Tensor onto(const Tensor& other, const Tensor& x, const Segments& segments, const Pass& pass, Fn&& f) const {
    return with(other, f(norm(x, pass.compute)), segments, pass);
  }
  template <class Fn>
  Tensor branch(const Tensor& x, const Segments& segments, const Pass& pass, Fn&& f) const {
    return drop(surviving(f(norm(x, pass.compute)), segments, pass), dropout, pass);
  }

  Norm norm;
  bool pre = true;
  double dropout = 0, survival = 1;

 private:
  Tensor with(const Tensor& x, const Tensor& added, const Segments& segments, const Pass& pass) const;
  Tensor surviving(const Tensor& added, const Segments& segments, const Pass& pass) const;
};

// What sublayers read beside their rows.
struct Context {
  Segments rows = {};     // which of them are one sequence
  Tensor memory = {};     // of an encoder; not given in a stack that reads none
  Segments sources = {};  // the memory's sequences
};

// A sublayer as it is being run: copies can run it again and get the same, its dropout included. It borrows its layer.
struct Sublayer {
  const Residual* around;
  Pass pass;
  std::function<Tensor(const Tensor& h, const Context& context, const Pass& pass)> f;
};

// The rows between two sublayers.
struct Streams {
  Tensor x;           // what the next sublayer reads
  Tensor other = {};  // what it is added to; not given where that is x
  // What the end of the stack reads: x, or the mean of both streams, which needs no parameters.
  Tensor out() const;
};
Streams run(std::span<const Sublayer> sublayers, Streams streams, const Context& context);

// Streams (x, x) through all sublayers of a stack, to what the end reads. For the backward only the last two streams
// are kept: it rebuilds each sublayer's input from its output, other = y - f(x), and computes the sublayer again.
Tensor run_reversibly(std::vector<Sublayer> sublayers, const Tensor& x, const Context& context);

}  // namespace attune
