#include "attune/models/convolutional.h"

#include <array>
#include <cmath>
#include <numbers>

#include "attune/attention/scaled_dot.h"
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/nn/attention_state.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

constexpr double half_root = std::numbers::sqrt2 / 2;
constexpr int widest = 1 << 20;

// Variance gain^2 / inputs; gain^2 = the share of the inputs that dropout keeps, times 4 in front of a gated unit,
// which halves the standard deviation (section 3.5 and appendix A).
Initialiser start_of(double gain) {
  return {Initialiser::Kind::lecun_normal, gain};
}

// What every decoder layer remembers, and how far the hypotheses are.
struct ConvolutionalState : DecodingState {
  explicit ConvolutionalState(FixedState source) : memory(std::move(source)) {}

  FixedState memory;
  std::vector<PastInputs> past;
  int count = 0;
  int32_t position = 0;

  int rows() const override { return count; }
  void reorder(std::span<const int> from) override {
    memory.reorder(from);
    for (PastInputs& inputs : past) {
      inputs.reorder(from);
    }
    count = static_cast<int>(from.size());
  }
};

// A source as attention reads it: keys and values [rows, 1, width], in any strides.
struct Source {
  Tensor keys, values;
  Segments queries, segments;
};

Tensor one_head(const Tensor& x) {
  return reshape(x, {x.size(0), 1, x.size(1)});
}

// h [rows, channels], embedded [rows, width] -> [rows, channels]
Tensor attend(const ConvolutionalDecoderLayer& layer, const Tensor& h, const Tensor& embedded, const Source& source,
              const Pass& pass) {
  const ProfileScope scope("cross_attention");
  const attention::Options options{.scale = 1};
  const Tensor queries = one_head(add_scaled(layer.query(h, pass), embedded, half_root));
  if (pass.probe != nullptr) {
    for (int s = 0; s < source.queries.count(); ++s) {
      pass.offer("weights." + std::to_string(s),
                 attention::scaled_dot_weights(queries, source.keys, source.queries, source.segments, s, options));
    }
  }
  const Tensor mixed =
      attention::scaled_dot(queries, source.keys, source.values, source.queries, source.segments, options).out;
  pass.offer("values", source.values);
  pass.offer("mixed", mixed);
  return add_scaled(layer.context(reshape(mixed, embedded.shape()), pass), h, half_root);
}

}  // namespace

std::vector<int> channels_of(const ModelConfig& config, int layers) {
  std::vector<int> channels = listed_numbers("channels", config.channels, {1, widest});
  channels.resize(static_cast<size_t>(layers), channels.empty() ? config.width : channels.back());
  return channels;
}

void set_convolutional_defaults(ModelConfig& config) {
  config.encoder_layers = 4;
  config.decoder_layers = 3;
  config.width = 256;
  config.positions = "learned";
  config.embedding_initialiser = "normal(0.1)";
  config.dropout = 0.2;
}

void check_convolutional(const ModelConfig& config) {
  const auto most = static_cast<size_t>(std::max(config.encoder_layers, config.decoder_layers));
  const size_t listed = listed_numbers("channels", config.channels, {1, widest}).size();
  check_usage(listed <= most, "channels: names ", listed, " layers, but encoder and decoder have ",
              config.encoder_layers, " and ", config.decoder_layers);
  check_usage(!stands_in_attention(position_kind_of_name(config.positions)), "positions: ", config.positions,
              " stands inside scaled_dot attention, which the architecture convolutional does not have");
}

Convolutional::Convolutional(const ModelConfig& config) : config_(config), embeddings_(config) {
  const double kept = std::sqrt(1 - config.dropout), kept_of_embeddings = std::sqrt(1 - embedding_dropout(config));
  const PositionKind kind = position_kind_of_name(config.positions);
  encoder_.positions = Positions(kind, config.width, config.max_positions, embedding_start(config));
  decoder_.positions = encoder_.positions;
  const auto convolution = [&](int in, int out, bool causal) {
    return GatedConvolution({.in = in,
                             .out = out,
                             .kernel_width = config.kernel_width,
                             .causal = causal,
                             .weight_norm = true,
                             .dropout = config.dropout,
                             .initialiser = start_of(2 * kept)});
  };
  const std::vector<int> encoder = channels_of(config, config.encoder_layers);
  encoder_.input = NormalisedLinear(config.width, encoder.front(), start_of(kept_of_embeddings));
  for (size_t i = 0; i < encoder.size(); ++i) {
    encoder_.layers.push_back(convolution(encoder[i > 0 ? i - 1 : 0], encoder[i], false));
  }
  encoder_.output = NormalisedLinear(encoder.back(), config.width, start_of(1));
  const std::vector<int> decoder = channels_of(config, config.decoder_layers);
  decoder_.input = NormalisedLinear(config.width, decoder.front(), start_of(kept_of_embeddings));
  for (size_t i = 0; i < decoder.size(); ++i) {
    decoder_.layers.push_back({convolution(decoder[i > 0 ? i - 1 : 0], decoder[i], true),
                               NormalisedLinear(decoder[i], config.width, start_of(1)),
                               NormalisedLinear(config.width, decoder[i], start_of(1))});
  }
  decoder_.output = NormalisedLinear(decoder.back(), config.width, start_of(1));
  if (config.tied_embeddings == "none") {
    output_.weight = Weight({config.target_vocabulary, config.width}, start_of(kept), true);
  }
  output_.bias = Parameter({config.target_vocabulary}, {});
  parameters_ = parameters_of(*this);
}

std::vector<AttentionPlace> convolutional_attends(const ModelConfig& config) {
  std::vector<AttentionPlace> places;
  for (int i = 0; i < config.decoder_layers; ++i) {
    const std::string layer = "decoder.layers." + std::to_string(i);
    places.push_back({layer + ".cross_attention", 1, {{layer + ".context.weight_g"}}});
  }
  return places;
}

Convolutional::Memory Convolutional::encode(std::span<const int32_t> source, const Segments& sources,
                                            const Pass& pass) const {
  const ProfileScope scope("encoder");
  const Tensor embedded =
      drop_embedding(encoder_.positions(embedding(embeddings_.source_table(), source), sources), config_, pass);
  Tensor x = encoder_.input(embedded, pass);
  const Pass layers = pass.within("layers");
  for (size_t i = 0; i < encoder_.layers.size(); ++i) {
    const ProfileScope layer_scope("encoder.layer");
    const GatedConvolution& layer = encoder_.layers[i];
    const Pass within = layers.within(static_cast<int>(i));
    x = within.shown("output", layer.with_residual(x, layer(x, sources, within), within));
  }
  const double factor = config_.encoder_gradient == 0 ? 0.5 / config_.decoder_layers : config_.encoder_gradient;
  const Tensor z = pass.shown("output", scale_gradient(encoder_.output(x, pass), factor));
  // The context's factor m sqrt(1/m) = sqrt(m) does not depend on the query: it stands on the values.
  std::vector<double> factors(static_cast<size_t>(sources.rows()));
  for (int s = 0; s < sources.count(); ++s) {
    std::fill_n(factors.begin() + sources.begin(s), sources.length(s), std::sqrt(0.5 * sources.length(s)));
  }
  return {z, scale_rows(add(z, embedded), factors)};
}

Tensor Convolutional::hidden(const Batch& batch, const Pass& pass) const {
  const Memory memory = encode(batch.source, batch.sources, pass.within("encoder"));
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder"), layers = decoding.within("layers");
  const Source source{one_head(memory.keys), one_head(memory.values), batch.targets, batch.sources};
  const Tensor embedded = drop_embedding(
      decoder_.positions(embedding(embeddings_.target_table(), batch.target_input), batch.targets), config_, decoding);
  Tensor x = decoder_.input(embedded, decoding);
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    const ProfileScope layer_scope("decoder.layer");
    const ConvolutionalDecoderLayer& layer = decoder_.layers[i];
    const Pass within = layers.within(static_cast<int>(i));
    const Tensor h = layer.convolution(x, batch.targets, within);
    const Pass crossing = within.within("cross_attention");
    const Tensor attended = crossing.shown("output", attend(layer, h, embedded, source, crossing));
    x = within.shown("output", layer.convolution.with_residual(x, attended, within));
  }
  return decoding.shown("output", drop(decoder_.output(x, decoding), config_.dropout, decoding.within("output")));
}

OutputLayer Convolutional::output() const {
  return {output_.weight ? output_.weight() : Tensor(embeddings_.target_table()), output_.bias};
}

std::unique_ptr<DecodingState> Convolutional::start(std::span<const int32_t> source, const Segments& sources,
                                                    std::span<const int> source_of, const Pass& pass) const {
  const Memory memory = encode(source, sources, pass.within("encoder"));
  const ProfileScope scope("decoder.start");
  const std::array<Tensor, 2> parts{memory.keys, memory.values};
  auto state = std::make_unique<ConvolutionalState>(FixedState(concat(parts, Along::columns), sources, source_of));
  state->count = static_cast<int>(source_of.size());
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    state->past.emplace_back(state->count, config_.kernel_width);
  }
  return state;
}

Tensor Convolutional::step(DecodingState& any_state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  auto& state = dynamic_cast<ConvolutionalState&>(any_state);
  check(static_cast<int>(tokens.size()) == state.count, "step: ", tokens.size(), " tokens for ", state.count, " rows");
  const Tensor& cache = state.memory.cache();
  const auto part = [&](int64_t at) {
    const std::array<int64_t, 3> strides{cache.stride(0), config_.width, 1};
    return cache.strided_view({cache.size(0), 1, config_.width}, strides, at);
  };
  const Source source{part(0), part(config_.width), state.memory.queries(), state.memory.keys()};
  const std::vector<int32_t> positions(tokens.size(), state.position);
  const Tensor embedded = decoder_.positions.at(embedding(embeddings_.target_table(), tokens), positions);
  Tensor x = decoder_.input(embedded, pass);
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    const ProfileScope layer_scope("decoder.layer");
    const ConvolutionalDecoderLayer& layer = decoder_.layers[i];
    const Tensor h = layer.convolution.step(x, state.past[i], pass);
    x = layer.convolution.with_residual(x, attend(layer, h, embedded, source, pass), pass);
  }
  ++state.position;
  return decoder_.output(x, pass);
}

}  // namespace attune
