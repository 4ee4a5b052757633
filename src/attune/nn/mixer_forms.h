// What each mixer with settings of its own is like: members of MixerOptions (mixer.h), filled from the config's keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/attention/performer.h"
#include "attune/attention/sparse_pattern.h"
#include "attune/attention/spatial_gating.h"
#include "attune/autograd/parameters.h"

namespace attune {

// A spatial gating unit (attention/spatial_gating.h), and the tiny attention beside it.
struct SpatialGatingForm {
  int inner = 0;         // channels of Z; 0: four times the width
  int positions = 1024;  // n of W: the longest sequence
  attention::Gate gate = attention::Gate::split;
  bool toeplitz = false;
  int heads = 1;
  double epsilon = 1e-5;                                        // of the gate's norm
  double dropout = 0;                                           // on Z
  Initialiser initialiser = {Initialiser::Kind::normal, 1e-6};  // of W
  int tiny_attention = 0, tiny_attention_heads = 1;             // its width; 0: none
};

// local, sparse and bigbird: which keys a query sees (attention/sparse_pattern.h).
struct SparseForm {
  attention::SlidingWindow window = {};
  bool fixed = false;  // of sparse: the fixed pattern instead of the strided one
  int stride = 128, summary = 8;
  attention::BigBird bigbird = {};
  int global_tokens = 0;  // of local and bigbird: the sequence's first ones
};

// Who shares Linformer's projections along the sequence (attention/linformer.h).
enum class ProjectionSharing : uint8_t { none, heads, key_value, layers };
ProjectionSharing projection_sharing_of_name(std::string_view name);  // throws a UsageError: projection-sharing

struct LinformerForm {
  int length = 256;      // k: what n tokens are projected to
  int positions = 1024;  // n: the longest sequence
  ProjectionSharing sharing = ProjectionSharing::heads;
};

struct PerformerForm {
  int features = 0;  // m; 0: depth ln(depth), rounded up
  attention::PerformerKernel kernel = attention::PerformerKernel::exponential;
  bool redraw = true;  // new features at every update of a training; else always those of evaluation
};

struct LshForm {
  int rounds = 2;
  int chunk = 64;  // tokens; 0: the whole sequence
  bool sees_itself = false;
};

struct NystromForm {
  int landmarks = 64, rounds = 6;
  int taps = 0;  // of the convolution of values; 0: none
};

}  // namespace attune
