// What becomes of a model when some of its heads say nothing: the weights through which a head's result goes on are set
// to zero, so that every command runs as always, training and cached decoding alike, and no code knows of it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attune/models/attention_place.h"
#include "attune/models/model.h"

namespace attune {

// "encoder.layers.2.self_attention.head.3"; heads from 0. Without head: all heads of the place.
struct Removal {
  AttentionPlace place;
  std::optional<int> head = {};

  std::string name() const;
};

// Where the model attends, in the order of computation; empty when it does nowhere.
std::vector<AttentionPlace> attention_places(const ModelConfig& config);

// Reads a name as above; "layer" stands for "layers", and where no attention is named the layer's self-attention is
// meant: encoder.layer.2.head.3. Throws a UsageError that says which the model has. `origin`: "--without".
Removal removal_of_name(const ModelConfig& config, const std::string& name, const std::string& origin);

inline constexpr int most_removals = 1000;  // that a command takes

// Sets the weights to zero, for good. By name: all of a list, of which each must be known.
void remove(Model& model, const Removal& removal);
void remove(Model& model, std::span<const std::string> names, const std::string& origin);

// What removing each head by itself costs on pairs that were not learnt from.
struct HeadCost {
  std::string name;  // empty: the whole model, nothing removed
  double loss = 0;   // mean negative log-probability of a target piece, in nats
  std::optional<double> bleu = {};
};
struct HeadCosts {
  HeadCost whole;
  std::vector<HeadCost> heads;  // the dearest first
};
struct RankOptions {
  std::function<void(int done, int total)> progress = {};  // of the heads
  std::function<double()> bleu = {};                       // of the model's translations as it now is
};
// The model is as it was when this returns or throws.
HeadCosts rank_heads(Model& model, std::span<const Example> pairs, const RankOptions& options = {});

}  // namespace attune
