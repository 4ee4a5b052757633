#include "attune/cli/bench_mechanisms.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "attune/attention/linear_attention.h"
#include "attune/attention/linformer.h"
#include "attune/attention/lsh.h"
#include "attune/attention/nystrom.h"
#include "attune/attention/performer.h"
#include "attune/attention/scaled_dot.h"
#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/cli/bench_attention.h"
#include "attune/tensor/storage.h"

namespace attune::cli {

namespace {

using Rule = decltype(attention::SparsePattern::rule);

Mechanism::Ready with_mask(const attention::Mask& mask) {
  return {[options = attention::Options{.mask = mask}](const MixerOperands& in) {
    return attention::scaled_dot(in.q, in.k, in.v, in.tokens, in.tokens, options).out;
  }};
}

Mechanism::Ready with_pattern(const Rule& rule) {
  return with_mask({.pattern = attention::SparsePattern{rule}});
}

// The Sparse Transformer's cost is least with a stride about the root of the length.
int stride_at(int length) {
  constexpr int step = 16;
  return step * std::max(1, static_cast<int>(std::lround(std::sqrt(length) / step)));
}

constexpr int projected = 256, random_features = 256, block = 64;

// One block in ten, all but a query's own drawn: what the patterns' kernel makes of blocks without any order.
attention::BigBird tenth_of_blocks(int length) {
  const int visible = std::max(1, static_cast<int>(std::lround(length / (10.0 * block))));
  return {.block = block, .window_blocks = 1, .global_blocks = 0, .random_blocks = visible - 1};
}

// The hashing is part of a forward.
Mechanism::Ready lsh_at(int length) {
  const attention::LshOptions options;
  const Tensor rotations = attention::lsh_rotations(mixer_heads, mixer_depth, length, Rng(8), 0, options);
  return {[rotations, options](const MixerOperands& in) {
    const Tensor buckets = attention::lsh_buckets(in.q, in.tokens, rotations, options);
    return attention::lsh(in.q, in.v, buckets, in.tokens, options);
  }};
}

Mechanism::Ready linformer_at(int length) {
  const Shape shape{1, std::min(projected, length), length};
  const Tensor e = random_values(shape, 5, DType::float32), f = random_values(shape, 6, DType::float32);
  return {[e, f](const MixerOperands& in) {
            return attention::linformer({in.q, in.k, in.v, e, f}, in.tokens, in.tokens);
          },
          {e, f}};
}

Mechanism::Ready performer_at(int) {
  const Tensor features = attention::random_features({random_features, mixer_depth}, Rng(7), 0);
  return {[features](const MixerOperands& in) {
    return attention::performer(in.q, in.k, in.v, features, in.tokens, in.tokens);
  }};
}

Mechanism::Ready linear_at(int) {
  return {[](const MixerOperands& in) { return attention::linear_attention(in.q, in.k, in.v, in.tokens, in.tokens); }};
}

Mechanism::Ready nystrom_at(int) {
  return {[](const MixerOperands& in) { return attention::nystrom(in.q, in.k, in.v, in.tokens); }};
}

constexpr const char* root_stride = "stride the root of n, to a multiple of 16";

std::vector<Mechanism> all_mechanisms() {
  return {
      {"scaled_dot", "", "exact attention", 2, true, [](int) { return with_mask({}); }},
      {"local", "", "window 512, dilation 1, no global tokens", 1, true,
       [](int) { return with_pattern(attention::SlidingWindow{}); }},
      {"sparse", "strided", root_stride, 1.5, true,
       [](int n) { return with_pattern(attention::StridedPattern{stride_at(n)}); }},
      {"sparse", "fixed", std::string(root_stride) + ", summary 8", 1.5, true,
       [](int n) { return with_pattern(attention::FixedPattern{stride_at(n)}); }},
      {"bigbird", "", "blocks of 64: 3 of the window, 2 global, 3 random", 1, true,
       [](int) { return with_pattern(attention::BigBird{}); }},
      {"bigbird", "tenth", "blocks of 64: one in ten, the query's own and random ones", 2, true,
       [](int n) { return with_pattern(tenth_of_blocks(n)); }},
      {"lsh", "", "2 rounds, chunks of 64, keys from the queries", 1, false, lsh_at},
      {"linformer", "", "k 256, E and F shared by the heads", 1, false, linformer_at},
      {"performer", "", "256 orthogonal features, exponential kernel", 1, false, performer_at},
      {"linear", "", "elu + 1", 1, false, linear_at},
      {"nystrom", "", "64 landmarks, 6 rounds, no convolution", 1, false, nystrom_at},
  };
}

// Of those that there are: a mechanism need not read all of its operands.
int64_t bytes_of(const Gradients& gradients, std::span<const Tensor> watched) {
  int64_t bytes = 0;
  for (const Tensor& x : watched) {
    if (const Tensor gradient = gradients.of(x)) bytes += gradient.bytes();
  }
  return bytes;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// A mechanism with its inputs, forward and backward.
class Bench {
 public:
  Bench(const Mechanism& mechanism, int length) : ready_(mechanism.at(length)) {
    const Shape shape{length, mixer_heads, mixer_depth};
    const auto random = [&](uint64_t seed) { return random_values(shape, seed, DType::float32); };
    in_ = {random(1), random(2), random(3), Segments::equal(1, length)};
    dout_ = random(4);
    watched_ = {in_.q, in_.k, in_.v};
    watched_.insert(watched_.end(), ready_.learnt.begin(), ready_.learnt.end());
  }

  struct Round {
    double forward = 0, backward = 0;
    int64_t extra_bytes = 0;
    std::optional<double> pairs = {};
  };
  // count_pairs: in the forward, whose time that is part of; as the kernel counts its operations, 4 a pair and element
  // of depth.
  Round round(bool count_pairs) const {
    Round result;
    const int64_t before = memory_use().in_use;
    const auto beside = [&](int64_t results) {
      result.extra_bytes = std::max(result.extra_bytes, memory_use().peak - before - results);
    };
    Tape tape;
    for (const Tensor& x : watched_) tape.watch(x);
    reset_peak_memory();
    std::optional<Profile> profile;
    if (count_pairs) profile.emplace();
    const Stopwatch forward;
    const Tensor out = ready_.run(in_);
    result.forward = forward.seconds();
    if (profile) result.pairs = profile->stop().total.flops / (4 * mixer_depth);
    beside(out.bytes());
    reset_peak_memory();
    const Stopwatch backward;
    const Gradients gradients = tape.backward(std::span(&out, 1), std::span(&dout_, 1));
    result.backward = backward.seconds();
    beside(out.bytes() + bytes_of(gradients, watched_));
    return result;
  }

 private:
  Mechanism::Ready ready_;
  MixerOperands in_;
  Tensor dout_;
  std::vector<Tensor> watched_;
};

}  // namespace

std::span<const Mechanism> mechanisms() {
  static const std::vector<Mechanism> all = all_mechanisms();
  return all;
}

int64_t operand_bytes(int length) {
  constexpr int64_t tensors = 8;  // q, k, v, out and a gradient of each
  return tensors * length * mixer_heads * mixer_depth * int64_t{sizeof(float)};
}

MixerFigures measure(const Mechanism& mechanism, int length, double seconds) {
  const Bench bench(mechanism, length);
  MixerFigures figures;
  bool count_pairs = mechanism.whole_pairs && !ProfileScope::recording();  // a thread has one profile at a time
  constexpr int few = 3;
  constexpr double long_enough = 8;
  std::vector<double> forward, backward;
  const Stopwatch all;
  do {
    const Bench::Round round = bench.round(count_pairs);
    if (count_pairs) figures.pairs = round.pairs;
    count_pairs = false;
    figures.extra_bytes = std::max(figures.extra_bytes, round.extra_bytes);
    forward.push_back(round.forward), backward.push_back(round.backward);
  } while (all.seconds() < seconds || (forward.size() < few && all.seconds() < long_enough));
  if (forward.size() > 1) {  // the first one counts, and waits for memory from the system
    forward.erase(forward.begin()), backward.erase(backward.begin());
  }
  figures.forward = median(forward), figures.backward = median(backward);
  figures.rounds = static_cast<int>(forward.size());
  return figures;
}

}  // namespace attune::cli
