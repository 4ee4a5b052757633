#include "attune/nn/longformer_mixer.h"

#include "attune/attention/longformer.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/sparse_mixers.h"
#include "attune/ops/embedding.h"

namespace attune {

LongformerMixer::LongformerMixer(const MixerOptions& options)
    : ProjectedMixer("local", options),
      pattern_(*sparse_pattern_of("local", options)),
      dropout_(options.dropout),
      global_query_({options.width, options.width, options.biases}, options.initialiser),
      global_key_({options.width, options.width, options.biases}, options.initialiser),
      global_value_({options.width, options.width, options.biases}, options.initialiser) {}

void LongformerMixer::collect(Parameters& list, const std::string& name) {
  ProjectedMixer::collect(list, name);
  const auto add = [&](const std::string& part, Linear& map) {
    detail::collect(list, name + ".global_" + part, map);
    list.begin_alike(name + ".global_" + part, name + "." + part);
  };
  add("query", global_query_);
  add("key", global_key_);
  add("value", global_value_);
}

Tensor LongformerMixer::attend(const Rows& rows, const Pass& pass) const {
  attention::Options options;
  options.mask.pattern = pattern_;
  options.dropout = dropout_of_weights(dropout_, pass);
  const auto [global, queries] = attention::global_rows(pattern_.global, rows.segments);
  const attention::GlobalProjections projected{in_heads(global_query_(embedding(rows.x, global), pass)),
                                               in_heads(global_key_(rows.x, pass)),
                                               rows.unit_values ? rows.v : in_heads(global_value_(rows.x, pass))};
  return attention::longformer(rows.q, rows.k, rows.v, projected, rows.segments, options);
}

}  // namespace attune
