// Recurrent layers over the source, one way or both: for decoders that get their last states, or attend to all of them.
#pragma once

#include <string_view>
#include <vector>

#include "attune/models/config.h"
#include "attune/nn/recurrent.h"

namespace attune {

struct RecurrentEncoderOptions {
  Cell cell = Cell::lstm;
  int layers = 1;
  int64_t in = 0, width = 0;   // of the input, and of one direction's states
  bool bidirectional = false;  // a layer's states are those of both directions, side by side
  bool reversed = false;       // one way only: from the end to the beginning
  bool biases = true;
  double forget_bias = 0;
  double dropout = 0;  // on what a layer reads, but the first
  Initialiser initialiser = {Initialiser::Kind::lecun_uniform, 0};
  Initialiser recurrent_initialiser = {Initialiser::Kind::orthogonal, 0};
};

struct RecurrentEncoder {
  RecurrentEncoder() = default;
  explicit RecurrentEncoder(const RecurrentEncoderOptions& settings);

  struct Encoded {
    Tensor states;  // [source tokens, width or 2 width], in the order of x
    // By layer, after the last token read; backwards: if bidirectional.
    std::vector<RecurrentState> forwards, backwards;

    // Of the last layer, or of layer i: both directions' side by side [sequences, width or 2 width].
    RecurrentState last(size_t layer) const;
    RecurrentState last() const { return last(forwards.size() - 1); }
  };
  // x [source tokens, in], packed
  Encoded operator()(const Tensor& x, const Segments& segments, const Pass& pass) const;
  // x time-major
  Encoded operator()(const Tensor& x, const TimeMajor& order, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("layers", self.forwards);
    if (!self.backwards.empty()) {
      each("backward_layers", self.backwards);
    }
  }

  double dropout = 0;
  std::vector<RecurrentLayer> forwards, backwards;
};

// The cell of a word (lstm, gru, rnn), whose reset gate acts as the config says.
Cell cell_of(std::string_view word, const ModelConfig& config);
// Both ways with half of the config's width each, or one way with all of it.
RecurrentEncoderOptions encoder_options(const ModelConfig& config, Cell cell);
// A layer of the decoder, from the config's width to the same.
RecurrentLayer decoder_layer(const ModelConfig& config, Cell cell);

// Throws a UsageError for a width or order that an encoder both ways cannot have.
void check_directions(const ModelConfig& config);

}  // namespace attune
