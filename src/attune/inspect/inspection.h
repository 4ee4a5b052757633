// What a model did with sentences, as plain values: pieces, attention of every layer and head, rollout, probabilities
// of next pieces, alignment. Made by inspector.h; written by inspection_text.h and report.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/decode/alignment.h"

namespace attune {

// Queries x keys. The decoder's query i is the step that reads target piece i - 1 (<s> for i = 0) and writes piece i.
//   encoder           source x source
//   decoder           target written x target read, causal
//   cross             target written x source
//   encoder_rollout   source x source, after so many layers (rollout.h)
//   decoder_rollout   target written x target read, and
//   source_rollout    target written x source: both together sum to 1 in a row
//   encoder_tiny      source x source, of aMLP's tiny attention, which only adds to the gate
//   decoder_tiny      target written x target read, causal
// On demand, signed (attribution.h):
//   encoder_gradient, decoder_gradient, cross_gradient   of the translation's log-probability by each weight
//   removal           target written x source without </s>: log p of the piece, less what it is without a source piece
//   attention_gradient   target written x source: gradient of log p of the piece by the weights on a source piece,
//   times
//                     those weights
//   input_gradient    target written x source: gradient of log p of the piece by a source embedding, times that
//                     embedding
// Of spatial gating, signed (spatial_weights.h): what adds up the positions, the same for every sentence.
//   encoder_spatial   source x source
//   decoder_spatial   target written x target read, causal
enum class AttentionKind : uint8_t {
  encoder,
  decoder,
  cross,
  encoder_rollout,
  decoder_rollout,
  source_rollout,
  encoder_tiny,
  decoder_tiny,
  encoder_gradient,
  decoder_gradient,
  cross_gradient,
  removal,
  attention_gradient,
  input_gradient,
  encoder_spatial,
  decoder_spatial
};
std::string_view name_of(AttentionKind kind);  // "encoder", ..., "decoder_spatial"
bool is_signed(AttentionKind kind);
bool asks_in_source(AttentionKind kind);   // whether the queries are source pieces
bool looks_at_target(AttentionKind kind);  // whether the keys are the target pieces read

// How one map looks at its keys. Rows of absolute values are divided by their sums; rows of zeros are left out.
struct AttentionStatistics {
  double entropy = 0;   // mean over rows, nats
  double even = 0;      // what it would be if every row looked evenly at all keys it may see
  double distance = 0;  // mean over rows of sum_j p_j |j - d(i)|, in keys; d is the diagonal stretched over the map
};

struct AttentionMap {
  AttentionKind kind = AttentionKind::encoder;
  int layer = 0, head = 0;     // from 0; head -1: of all heads, layer -1: of the whole model
  int queries = 0, keys = 0;   // pieces, special ones too
  std::vector<float> weights;  // [queries, keys]
  std::vector<bool> hidden;    // [queries, keys]: masked; empty: nothing is
  AttentionStatistics statistics = {};
  std::optional<double> alignment_error = {};  // cross, where gold links are known: 0..1
  std::optional<double> toeplitz = {};         // of spatial weights: toeplitz_share

  // Whether weights below 0 are among them: of a signed kind, or implied by projections or landmarks.
  bool has_negative() const {
    return std::any_of(weights.begin(), weights.end(), [](float weight) { return weight < 0; });
  }

  bool is_hidden(int query, int key) const {
    return !hidden.empty() && hidden[static_cast<size_t>(query) * static_cast<size_t>(keys) + static_cast<size_t>(key)];
  }
  float weight(int query, int key) const {
    return weights[static_cast<size_t>(query) * static_cast<size_t>(keys) + static_cast<size_t>(key)];
  }
};

// What stands between queries and keys and the weights of a mechanism: feature maps, projections, landmarks, buckets.
// Rows and columns are pieces, or numbered from 0 (features, projected keys, landmarks, rounds).
//   query_features, key_features         pieces x features (linear, performer)
//   projected_weights                    pieces x projected keys (linformer)
//   key_projection, value_projection     projected keys x pieces, signed, learnt
//   token_landmarks                      pieces x landmarks (nystrom: F)
//   landmarks                            landmarks x landmarks (A)
//   landmark_tokens                      landmarks x pieces (B)
//   buckets, chunks                      pieces x rounds of hashing (lsh): the number of the one that a piece lies in
struct InspectedPart {
  std::string name;
  AttentionKind of = AttentionKind::encoder;  // or decoder
  int layer = 0, head = 0;                    // head -1: all heads share it
  int rows = 0, columns = 0;
  bool rows_are_pieces = false, columns_are_pieces = false;
  bool numbered = false;      // values are numbers of groups, from 0, and no sizes
  std::vector<float> values;  // [rows, columns]

  float value(int row, int column) const {
    return values[static_cast<size_t>(row) * static_cast<size_t>(columns) + static_cast<size_t>(column)];
  }
};

struct InspectedPiece {
  std::string text;  // as in the vocabulary
  int word = -1;     // of the sentence, from 0; -1: none, as <s> and </s>
};

struct PieceProbability {
  std::string text;
  double log_probability = 0;  // natural logarithm
};

// One step of the decoder: what it wrote, and what it found most probable.
struct InspectedStep {
  double log_probability = 0;          // of the piece that was written
  std::vector<PieceProbability> next;  // the most probable first
};

struct InspectedHypothesis {
  std::string text;
  bool given = false;          // a translation to look at, not the model's own
  double score = 0;            // as the search ranked it; 0 when given
  double log_probability = 0;  // of the pieces and </s>
  bool cut_short = false;
  std::vector<InspectedPiece> read, written;  // <s>, pieces; pieces, </s>
  std::vector<AttentionMap> maps;             // decoder, cross and their rollouts
  std::vector<InspectedPart> parts = {};      // of the decoder's mechanisms; pieces: those read
  std::vector<InspectedStep> steps;           // of each written piece
  std::optional<WordAttention> words = {};    // the mean of all layers and heads; where the model attends to the source
  Alignment links = {};                       // the source word that each target word looked at most
  std::optional<GoldAlignment> gold = {};
};

// What a model that is an encoder alone says, of the whole input or of one place in it.
struct InspectedAnswer {
  std::string about;                       // "text", "image", "mask 1", or a word that was tagged
  std::vector<PieceProbability> probable;  // pieces or labels, the most probable first
};

// A sentence; of an image its patches ("row,column", from 0) are the pieces.
struct InspectedSentence {
  std::string text;
  std::vector<InspectedPiece> source;  // pieces, </s>
  std::vector<AttentionMap> maps;      // encoder and its rollout
  std::vector<InspectedHypothesis> hypotheses;
  std::vector<InspectedPart> parts = {};      // of the encoder's mechanisms
  std::vector<InspectedAnswer> answers = {};  // of encoder-only models, which have no hypotheses
};

// One model's view of some sentences.
struct Inspection {
  std::string name;          // of the model; of a checkpoint "step N"
  std::string architecture;  // of config.json; of another task than translation, the task
  int encoder_layers = 0, decoder_layers = 0, heads = 0;
  int64_t parameters = 0;
  std::string search;  // how the hypotheses were found; empty for encoder-only models
  std::vector<InspectedSentence> sentences;
};

// Several models' views of the same sentences.
struct Inspections {
  std::vector<Inspection> models;
  bool checkpoints = false;  // they are one training's, in their order
};

}  // namespace attune
