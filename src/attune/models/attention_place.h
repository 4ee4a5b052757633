// Where a model attends, and the weights through which what was attended to goes on: what takes heads away and ranks
// them goes over this, for every architecture alike (models/architecture.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

// What reads a head's result: columns of a matrix [out, in], or, of a vector, all of it.
struct AttentionOutlet {
  std::string parameter;  // "decoder.layers.0.cross_attention.output.weight"
  int64_t begin = 0;      // the first head's first column
  int64_t columns = 0;    // of a head
};

struct AttentionPlace {
  std::string module;  // "decoder.layers.0.cross_attention", under which a probe is offered its weights
  int heads = 1;
  std::vector<AttentionOutlet> outlets;
};

}  // namespace attune
