// The attention mechanisms that attune bench mixers compares, each with its usual setting, and how one is measured.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::cli {

inline constexpr int mixer_heads = 8, mixer_depth = 64;  // of queries, keys and values

struct MixerOperands {
  Tensor q, k, v;  // [n, heads, depth]
  Segments tokens;
};

struct Mechanism {
  // Ready for sequences of one length.
  struct Ready {
    std::function<Tensor(const MixerOperands&)> run;
    std::vector<Tensor> learnt = {};  // of its own, whose gradients belong to a backward
  };

  std::string word;  // of the config
  std::string form;  // where a word stands for several
  std::string setting;
  double power = 1;         // time grows like n to this
  bool whole_pairs = true;  // its operations are those of the pairs of a query and a key that it leaves visible
  std::function<Ready(int length)> at;

  std::string name() const { return form.empty() ? word : word + " " + form; }
};

// Exact attention comes first.
std::span<const Mechanism> mechanisms();

struct MixerFigures {
  double forward = 0, backward = 0;  // seconds, medians
  int64_t extra_bytes = 0;           // most memory of tensors at once beside inputs, outputs and all gradients
  std::optional<double> pairs = {};  // visible ones, of all heads
  int rounds = 0;

  double both() const { return forward + backward; }
};
// In about so many seconds, more where a few rounds take longer: one alone, or three in up to eight seconds.
MixerFigures measure(const Mechanism& mechanism, int length, double seconds);
// Inputs, outputs and gradients alone, of mechanisms without parameters.
int64_t operand_bytes(int length);

}  // namespace attune::cli
