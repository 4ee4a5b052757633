// For tests: a model whose next-piece logits are drawn from a hash of the source and of everything written so far, so
// that any mistake in a hypothesis's history changes its figures. hidden = logits, the output layer is the identity.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attune/base/rng.h"
#include "attune/models/model.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct ToyState : DecodingState {
  int rows() const override { return static_cast<int>(written.size()); }
  void reorder(std::span<const int> from) override {
    std::vector<std::vector<int>> moved_sources, moved;
    for (const int i : from) {
      moved_sources.push_back(sources.at(static_cast<size_t>(i)));
      moved.push_back(written.at(static_cast<size_t>(i)));
    }
    sources = std::move(moved_sources);
    written = std::move(moved);
    orders->emplace_back(from.begin(), from.end());
  }
  std::vector<std::vector<int>> sources, written;
  std::vector<std::vector<int>>* orders = nullptr;  // the model's
};

class ToyModel : public Model {
 public:
  // end: added to the logit of </s>
  explicit ToyModel(int vocabulary, double end = 0) : vocabulary_(vocabulary), end_(end) {
    config_.decoder_layers = 2;
    config_.source_vocabulary = config_.target_vocabulary = vocabulary;
  }

  // [heads, queries, keys] of a decoder layer; without it the model offers no attention.
  std::function<Tensor(int layer, int queries, int keys)> attention;
  mutable std::vector<int> step_rows;            // of each step() since the start
  mutable std::vector<std::vector<int>> orders;  // as each reorder() since the start was told

  const ModelConfig& config() const override { return config_; }
  ModelConfig& config() { return config_; }
  Parameters& parameters() override { return parameters_; }

  // source with </s>, written from <s> on
  std::vector<float> logits(const std::vector<int>& source, const std::vector<int>& written) const {
    Rng rng(11);
    for (const int id : source) rng = rng.stream(static_cast<uint64_t>(id));
    rng = rng.stream(1000);
    for (const int id : written) rng = rng.stream(static_cast<uint64_t>(id));
    std::vector<float> row;
    for (int id = 0; id < vocabulary_; ++id) {
      row.push_back(static_cast<float>(4.0 * rng.uniform(static_cast<uint64_t>(id)) + (id == eos_id ? end_ : 0.0)));
    }
    return row;
  }

  Tensor hidden(const Batch& batch, const Pass& pass) const override {
    std::vector<float> rows;
    for (int s = 0; s < batch.count(); ++s) {
      const auto source = part(batch.source, batch.sources, s), target = part(batch.target_input, batch.targets, s);
      for (size_t i = 1; i <= target.size(); ++i) {
        const auto row = logits(source, {target.begin(), target.begin() + static_cast<std::ptrdiff_t>(i)});
        rows.insert(rows.end(), row.begin(), row.end());
      }
      for (int layer = 0; attention && pass.probe != nullptr && layer < config_.decoder_layers; ++layer) {
        pass.within("decoder")
            .within("layers")
            .within(layer)
            .within("cross_attention")
            .offer("weights." + std::to_string(s), attention(layer, batch.targets.length(s), batch.sources.length(s)));
      }
    }
    return Tensor::of<float>({batch.targets.rows(), vocabulary_}, std::span<const float>(rows));
  }

  OutputLayer output() const override {
    Tensor identity = Tensor::zeros({vocabulary_, vocabulary_});
    for (int i = 0; i < vocabulary_; ++i) identity.data<float>()[static_cast<size_t>(i * vocabulary_ + i)] = 1;
    return {identity, {}};
  }

  std::unique_ptr<DecodingState> start(std::span<const int32_t> source, const Segments& sources,
                                       std::span<const int> source_of, const Pass&) const override {
    step_rows.clear();
    orders.clear();
    auto state = std::make_unique<ToyState>();
    state->orders = &orders;
    for (const int s : source_of) {
      state->sources.push_back(part(source, sources, s));
      state->written.emplace_back();
    }
    return state;
  }

  Tensor step(DecodingState& state, std::span<const int32_t> tokens, const Pass&) const override {
    auto& toy = static_cast<ToyState&>(state);
    check(toy.rows() == static_cast<int>(tokens.size()), "toy: ", tokens.size(), " tokens for ", toy.rows(), " rows");
    step_rows.push_back(toy.rows());
    std::vector<float> rows;
    for (size_t i = 0; i < tokens.size(); ++i) {
      toy.written[i].push_back(tokens[i]);
      const auto row = logits(toy.sources[i], toy.written[i]);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    return Tensor::of<float>({toy.rows(), vocabulary_}, std::span<const float>(rows));
  }

 private:
  static std::vector<int> part(std::span<const int32_t> ids, const Segments& segments, int i) {
    const auto some = ids.subspan(static_cast<size_t>(segments.begin(i)), static_cast<size_t>(segments.length(i)));
    return {some.begin(), some.end()};
  }

  int vocabulary_;
  double end_;
  ModelConfig config_;
  Parameters parameters_;
};

}  // namespace attune
