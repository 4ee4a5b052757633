// An attention of a trained model as the start of an explanation: what it was given while the model read a sentence,
// its weights, and what the model's loss hands back to it.
#pragma once

#include "attune/explain/explain.h"
#include "attune/models/model_directory.h"

namespace attune::explain {

struct ModuleOptions {
  std::string module = {}, target = {};
  int head = -1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("module", self.module, "which attention, as in encoder.layers.0.self_attention; not given: the first");
    each("head", self.head,
         "one of its heads, from 0; -1: all, and the product behind them; of lsh, linear, performer, linformer and "
         "nystrom one must be named");
    each("target", self.target, "the translation that the decoder reads; not given: the model's own");
  }
};

// An attention of a Transformer (scaled_dot, local, sparse, bigbird; one head of lsh, linear, performer, linformer or
// nystrom), or that of a recurrent decoder. What the model decides is set in `options`: the mechanism, its heads, mask,
// normaliser and sizes. With the loss "none" dY is the gradient of the model's own: -log p of the translation; of one
// head, by what it mixed. Parameters that heads or layers share have the head's part of their gradient. Throws a
// UsageError that names what the model has.
Given read_module(const LoadedModel& loaded, const std::string& sentence, const ModuleOptions& chosen,
                  ExplainOptions& options);

}  // namespace attune::explain
