// Attention of a sequence with itself by a mechanism that takes queries, keys and values of heads and gives back one
// mixture a query and head: the four products around it, as a mixer. What mixers of this kind differ in is attend().
#pragma once

#include <utility>
#include <vector>

#include "attune/nn/linear.h"
#include "attune/nn/mixer.h"

namespace attune {

class ProjectedMixer : public Mixer {
 public:
  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;  // throws unless it is causal
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;  // throws: it mixes its own sequence only
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

 protected:
  enum class Keys : uint8_t { own, queries };  // a product of their own, or the queries are keys
  // `word`: the mixer's name in messages.
  ProjectedMixer(std::string_view word, const MixerOptions& options, Keys keys = Keys::own);

  struct Rows {
    const Tensor& x;          // [tokens, width]
    const Tensor &q, &k, &v;  // [tokens, heads, depth]
    const Segments& segments;
    bool unit_values = false;  // v is the identity, so that what comes out are the weights: for a probe
  };
  virtual Tensor attend(const Rows& rows, const Pass& pass) const = 0;
  // What a causal one remembers of `rows` hypotheses, nothing read yet; throws unless overridden: no causal form.
  virtual std::unique_ptr<MixerState> start(int rows) const;
  // Whether all queries mix the values v; otherwise a probe is shown weights alone.
  virtual bool has_one_value_each() const { return true; }
  // What stands between a sequence's queries and keys and its weights, [heads or 1, rows, columns] each: for a probe,
  // which is offered them as parts.NAME.0, parts.NAME.1, ...
  using Parts = std::vector<std::pair<std::string_view, Tensor>>;
  virtual Parts parts(const Rows& of_one) const;

  static Tensor by_head(const Tensor& x);  // [rows, heads, columns] -> [heads, rows, columns], float32

  Tensor in_heads(const Tensor& x) const;  // [rows, width] -> [rows, heads, depth]
  Tensor put_out(const Tensor& mixed, const Pass& pass) const;
  // Queries, keys and values of the next token of every row, [rows, heads, depth]; without a gradient.
  struct Projected {
    Tensor q, k, v;
  };
  Projected project_step(const Tensor& x, const Pass& pass) const;

  std::string word_;
  bool causal_;
  int64_t heads_, depth_;
  Linear query_, key_, value_, output_;  // no key_ where queries are keys

 private:
  void offer_weights(const Rows& rows, const Pass& pass) const;
};

// Of the four products, and what stands between them: a mixer adds its own.
MixerCost projected_cost(const MixerOptions& options);

}  // namespace attune
