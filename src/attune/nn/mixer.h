// The seam between models and mechanisms: a mixer carries information between tokens. Whole sequences at once in
// training, one token a row with its state in decoding. Chosen by a word in the config (make_mixer).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "attune/autograd/parameters.h"
#include "attune/nn/mixer_forms.h"
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

  // A layer's takes from that of the stack's first layer (maybe itself) what all layers have in common, if anything.
  virtual void share_with(const Mixer&) {}

  // Decoding that reads its own past: `rows` hypotheses, nothing read yet.
  virtual std::unique_ptr<MixerState> begin(int rows) const = 0;
  // Decoding that reads a fixed memory: row i reads sequence source_of[i] of it.
  virtual std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                            const Pass& pass) const = 0;
  // The next token of every row: x [rows, width] -> [rows, width].
  virtual Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const = 0;

  virtual void collect(Parameters& list, const std::string& name) = 0;
};

struct MixerOptions {
  int width = 0, heads = 1;
  bool biases = true;
  bool causal = false;
  double dropout = 0;  // on attention weights, of mixers that drop some (MixerKind::drops_weights)
  std::string normaliser = "softmax";
  std::string attention_norm = "none";  // of what attention's heads give, in front of the output product
  int kernel_width = 3;                 // of convolutions
  PositionKind positions = {};          // those that stand inside attention, for mixers that can hold them
  int max_positions = 1024;             // of relative_offset
  std::optional<int> reach = {};  // of self-attention: a token sees so many to either side; not given: all of them
  Initialiser initialiser = {Initialiser::Kind::xavier_uniform, 0};
  int layer = 0;  // draws differ from layer to layer
  SpatialGatingForm spatial = {};
  SparseForm sparse = {};
  LinformerForm linformer = {};
  LshForm lsh = {};
  PerformerForm performer = {};
  NystromForm nystrom = {};
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
  bool attends;        // by weights that a probe is shown
  bool drops_weights;  // dropout acts on those; spatial_gating: on those of a tiny attention, where it has one
  bool positions;      // can hold positions (rotary, relative, alibi)
  std::unique_ptr<Mixer> (*make)(const MixerOptions& options);
  MixerCost (*cost)(const MixerOptions& options, int length);
  void (*check)(const MixerOptions& options);  // throws a UsageError that names the config key
  // Which earlier tokens a causal one is shown depends on where later ones stand: a step says what the last token of
  // the whole so far says, but a longer whole may say something else of it.
  bool regroups = false;
  // It learns something by position: no sequence may be longer than max-positions.
  bool ends_at_max_positions = false;
};
std::span<const MixerKind> mixers();
// Throws a UsageError that names the config key and lists the known words.
const MixerKind& mixer_kind(std::string_view word, std::string_view key = "mixer");

std::unique_ptr<Mixer> make_mixer(std::string_view word, const MixerOptions& options);

}  // namespace attune
