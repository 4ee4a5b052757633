// The seam between models and mechanisms: a mixer carries information between tokens. Whole sequences at once in
// training, one token a row with its state in decoding. Chosen by a word in the config (make_mixer).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "attune/attention/spatial_gating.h"
#include "attune/autograd/parameters.h"
#include "attune/nn/pass.h"
#include "attune/nn/positions.h"
#include "attune/tensor/segments.h"

namespace attune {

// What a mixer remembers of the rows (hypotheses) being decoded.
class MixerState {
 public:
  virtual ~MixerState() = default;
  // Row i continues what row from[i] was; rows may be dropped, repeated and reordered.
  virtual void reorder(std::span<const int> from) = 0;
};

class Mixer {
 public:
  virtual ~Mixer() = default;

  // x [queries, width] attends to memory [keys, width]; self-mixing passes x itself.
  virtual Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                            const Pass& pass) const = 0;

  // Decoding that reads its own past: `rows` hypotheses, nothing read yet.
  virtual std::unique_ptr<MixerState> begin(int rows) const = 0;
  // Decoding that reads a fixed memory: row i reads sequence source_of[i] of it.
  virtual std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                            const Pass& pass) const = 0;
  // The next token of every row: x [rows, width] -> [rows, width].
  virtual Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const = 0;

  virtual void collect(Parameters& list, const std::string& name) = 0;
};

// What a spatial gating unit is like (attention/spatial_gating.h), and the tiny attention beside it.
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

struct MixerOptions {
  int width = 0, heads = 1;
  bool biases = true;
  bool causal = false;
  double dropout = 0;  // on the attention weights
  std::string normaliser = "softmax";
  int kernel_width = 3;           // of convolutions
  PositionKind positions = {};    // of scaled_dot: those that stand inside it
  int max_positions = 1024;       // of relative_offset
  std::optional<int> reach = {};  // of self-attention: a token sees so many to either side; not given: all of them
  Initialiser initialiser = {Initialiser::Kind::xavier_uniform, 0};
  SpatialGatingForm spatial = {};
};

struct MixerCost {
  // Multiply-adds of products: projections a query, projections a key, scores and mix a query over `length` keys.
  int64_t per_query = 0, per_key = 0, scores = 0;
  // What one that mixes its own sequence keeps for its backward beside its input, in float32 elements a row; how many
  // of those products read as well; and how many products read the input.
  int64_t kept = 0, kept_for_products = 0, readers = 1;
  int64_t kept_operands = 0;  // kept as products read them alone
};

// A row of the table of mixers: whatever goes over all of them (config words, tests, describe) goes over this table.
struct MixerKind {
  std::string_view word;
  bool causal;         // has a causal form: it can read a decoder's own past
  bool reads_memory;   // can read another sequence than its own: a decoder's source
  bool feeds_forward;  // mixes channels as well: no feed-forward layer follows it
  std::unique_ptr<Mixer> (*make)(const MixerOptions& options);
  MixerCost (*cost)(const MixerOptions& options, int length);
};
std::span<const MixerKind> mixers();
// Throws a UsageError that names the config key and lists the known words.
const MixerKind& mixer_kind(std::string_view word, std::string_view key = "mixer");

std::unique_ptr<Mixer> make_mixer(std::string_view word, const MixerOptions& options);

}  // namespace attune
