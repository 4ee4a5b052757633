// What a model computes in one of its attentions while it reads a sentence, in float64, and that module's weights.
#pragma once

#include <map>
#include <string>

#include "attune/data/batches.h"
#include "attune/models/model.h"

namespace attune::explain {

struct SeenModule {
  Tensor embeddings, memory;            // of the source: [pieces, width]; the encoder's output
  Tensor weights;                       // [heads, queries, keys]
  Tensor input, values;                 // what the module was given [queries, width]; what it mixes [keys, width]
  std::map<std::string, Tensor> parts;  // by name, as mixers offer them, [heads or 1, rows, columns]
  Tensor gradient;                      // of -log p of the target, by what was watched

  // Of a part that heads may share, head's own or the shared matrix.
  Tensor part(const std::string& name, int head) const;
};

// watched: "output" or "mixed", the name under which the module offers what the gradient is wanted of.
SeenModule look_into(const Model& model, const Example& pair, const std::string& module, const std::string& watched);

class ModuleWeights {
 public:
  ModuleWeights(const Model& model, std::string module);

  bool has(const std::string& part) const;
  // Columns begin ... of a parameter [out, in], as [in, columns]; of a vector as [1, columns]. -1: all of them.
  Tensor of(const std::string& part, int64_t begin = 0, int64_t columns = -1) const;

 private:
  const Model& model_;
  std::string module_;
};

Tensor columns_of(const Tensor& x, int64_t begin, int64_t columns);

}  // namespace attune::explain
