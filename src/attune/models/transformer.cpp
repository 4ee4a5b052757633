#include "attune/models/transformer.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/models/mixer_options.h"
#include "attune/models/task.h"
#include "attune/nn/initialise.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"

namespace attune {

namespace {

FeedForwardOptions feed_forward_options(const ModelConfig& config) {
  FeedForwardOptions options;
  options.width = config.width;
  options.inner = config.feed_forward;
  options.activation = activation_of_name(config.activation);
  options.gated = config.gated_feed_forward;
  options.biases = config.biases;
  options.dropout = rate_or(config.activation_dropout, config.dropout);
  options.initialiser = initialiser_of_name(config.initialiser);
  return options;
}

std::optional<FeedForwardSublayer> feed_forward_behind(const std::string& mixer, const ModelConfig& config,
                                                       const Depth& depth) {
  return mixer_kind(mixer).feeds_forward ? std::optional<FeedForwardSublayer>() : FeedForwardSublayer(config, depth);
}

Norm make_norm(const ModelConfig& config) {
  return Norm(config.width, norm_kind_of_name(config.norm), {config.norm_epsilon});
}

Positions positions_of(const ModelConfig& config) {
  return {position_kind_of_name(config.positions), config.width, config.max_positions};
}

// What every decoder layer remembers, and how far the hypotheses are.
struct DecoderState : DecodingState {
  std::vector<std::unique_ptr<MixerState>> past, memory;  // no memory in a decoder alone
  int count = 0;
  int32_t position = 0;

  int rows() const override { return count; }
  void reorder(std::span<const int> from) override {
    for (auto* states : {&past, &memory}) {
      for (auto& state : *states) {
        state->reorder(from);
      }
    }
    count = static_cast<int>(from.size());
  }
};

std::string words_with_positions() {
  std::string words;
  for (const MixerKind& kind : mixers()) {
    if (kind.positions) {
      words.append(words.empty() ? "" : ", ").append(kind.word);
    }
  }
  return words;
}

}  // namespace

void check_transformer(const ModelConfig& config) {
  check_usage(config.width % config.heads == 0, "heads: expected a number that divides width (", config.width,
              "), got ", config.heads);
  mixer_kind(config.encoder_mixer, "encoder-mixer");
  mixer_kind(config.decoder_mixer, "decoder-mixer");
  mixer_kind(config.cross_mixer, "cross-mixer");
  check_usage(mixer_kind(config.decoder_mixer).causal,
              "decoder-mixer: expected a mixer with a causal form, which can read a decoder's own past, got \"",
              config.decoder_mixer, "\"");
  check_usage(mixer_kind(config.cross_mixer).reads_memory,
              "cross-mixer: expected a mixer that can read another sequence than its own, got \"", config.cross_mixer,
              "\"");
  const PositionKind positions = position_kind_of_name(config.positions);
  const bool decodes = !is_encoder_task(config);
  check_usage(!stands_in_attention(positions) || mixer_kind(config.encoder_mixer).positions ||
                  (decodes && mixer_kind(config.decoder_mixer).positions),
              "positions: ", config.positions, " stands inside attention by scores (", words_with_positions(),
              "), but encoder-mixer is ", config.encoder_mixer,
              decodes ? " and decoder-mixer " + config.decoder_mixer : "");
  check_usage((positions != PositionKind::rotary && positions != PositionKind::rotary_halves) ||
                  config.width / config.heads % 2 == 0,
              "positions: ", config.positions, " turns pairs of numbers, but a head has ", config.width / config.heads,
              " (width / heads)");
  if (has_encoder(config)) {
    mixer_kind(config.encoder_mixer).check(self_mixer_options(config, 0));
  }
  if (has_decoder(config)) {
    mixer_kind(config.decoder_mixer).check(causal_mixer_options(config, 0));
  }
}

std::vector<AttentionPlace> transformer_attends(const ModelConfig& config) {
  std::vector<AttentionPlace> places;
  const auto add = [&](const std::string& module, const std::string& mixer) {
    if (mixer_kind(mixer).attends) {
      const int heads = mixer == "mean" ? 1 : config.heads;
      places.push_back({module, heads, {{module + ".output.weight", 0, config.width / heads}}});
    } else if (mixer == "spatial_gating" && config.tiny_attention > 0) {
      const std::string tiny = module + ".tiny_attention";
      places.push_back({tiny,
                        config.tiny_attention_heads,
                        {{tiny + ".output.weight", 0, config.tiny_attention / config.tiny_attention_heads}}});
    }
  };
  for (int i = 0; i < (has_encoder(config) ? config.encoder_layers : 0); ++i) {
    add("encoder.layers." + std::to_string(i) + ".self_attention", config.encoder_mixer);
  }
  for (int i = 0; i < (has_decoder(config) ? config.decoder_layers : 0); ++i) {
    add("decoder.layers." + std::to_string(i) + ".self_attention", config.decoder_mixer);
    if (translates(config)) {
      add("decoder.layers." + std::to_string(i) + ".cross_attention", config.cross_mixer);
    }
  }
  return places;
}

Residual::Residual(const ModelConfig& config, const Depth& depth)
    : norm(make_norm(config)),
      pre(config.norm_position == "pre"),
      dropout(config.dropout),
      survival(1 - (1 - config.survival) * (depth.layer + 1) / depth.layers) {}

Tensor Residual::with(const Tensor& x, const Tensor& added, const Segments& segments, const Pass& pass) const {
  if (!pass.dropout || survival >= 1) {
    return add_residual(x, added, dropout, pass);
  }
  const Rng rng = pass.dropout->stream("survival");
  std::vector<double> factors(static_cast<size_t>(segments.rows()));
  for (int s = 0; s < segments.count(); ++s) {
    const bool survives = rng.uniform(static_cast<uint64_t>(s)) < survival;
    std::fill_n(factors.begin() + segments.begin(s), segments.length(s), survives ? 1 / survival : 0.0);
  }
  return add_residual(x, scale_rows(added, factors), dropout, pass);
}

FeedForwardSublayer::FeedForwardSublayer(const ModelConfig& config, const Depth& depth)
    : layer(feed_forward_options(config)), around(config, depth) {}

Tensor FeedForwardSublayer::operator()(const Tensor& x, const Segments& segments, const Pass& pass) const {
  return around(x, segments, pass,
                [&](const Tensor& h) { return pass.shown("output", layer(h, pass.within("inner"))); });
}

EncoderLayer::EncoderLayer(const ModelConfig& config, const Depth& depth)
    : self_attention(make_mixer(config.encoder_mixer, self_mixer_options(config, depth.layer))),
      feed_forward(feed_forward_behind(config.encoder_mixer, config, depth)),
      around_self_attention(config, depth) {}

Tensor EncoderLayer::operator()(const Tensor& x, const Segments& segments, const Pass& pass) const {
  const ProfileScope scope("encoder.layer");
  const Pass attending = pass.within("self_attention");
  const Tensor mixed = around_self_attention(x, segments, attending, [&](const Tensor& h) {
    const ProfileScope part("self_attention");
    return attending.shown("output", (*self_attention)(h, segments, h, segments, attending));
  });
  return pass.shown("output", feed_forward ? (*feed_forward)(mixed, segments, pass.within("feed_forward")) : mixed);
}

DecoderLayer::DecoderLayer(const ModelConfig& config, const Depth& depth)
    : self_attention(make_mixer(config.decoder_mixer, causal_mixer_options(config, depth.layer))),
      cross_attention(translates(config) ? make_mixer(config.cross_mixer, mixer_options(config)) : nullptr),
      feed_forward(feed_forward_behind(config.decoder_mixer, config, depth)),
      around_self_attention(config, depth),
      around_cross_attention(config, depth) {}

Tensor DecoderLayer::operator()(const Tensor& x, const Segments& targets, const Tensor& memory, const Segments& sources,
                                const Pass& pass) const {
  const ProfileScope scope("decoder.layer");
  const Pass attending = pass.within("self_attention"), crossing = pass.within("cross_attention");
  Tensor mixed = around_self_attention(x, targets, attending, [&](const Tensor& h) {
    const ProfileScope part("self_attention");
    return attending.shown("output", (*self_attention)(h, targets, h, targets, attending));
  });
  if (cross_attention) {
    mixed = around_cross_attention(mixed, targets, crossing, [&](const Tensor& h) {
      const ProfileScope part("cross_attention");
      return crossing.shown("output", (*cross_attention)(h, targets, memory, sources, crossing));
    });
  }
  return pass.shown("output", feed_forward ? (*feed_forward)(mixed, targets, pass.within("feed_forward")) : mixed);
}

Tensor DecoderLayer::step(const Tensor& x, MixerState& past, MixerState* memory, const Pass& pass) const {
  const ProfileScope scope("decoder.layer");
  Tensor mixed = around_self_attention(x, {}, pass, [&](const Tensor& h) {
    const ProfileScope part("self_attention");
    return self_attention->step(h, past, pass);
  });
  if (cross_attention) {
    mixed = around_cross_attention(mixed, {}, pass, [&](const Tensor& h) {
      const ProfileScope part("cross_attention");
      return cross_attention->step(h, *memory, pass);
    });
  }
  return feed_forward ? (*feed_forward)(mixed, {}, pass) : mixed;
}

Decoder::Decoder(const ModelConfig& config) {
  positions = positions_of(config);
  for (int i = 0; i < config.decoder_layers; ++i) {
    layers.emplace_back(config, Depth{i, config.decoder_layers});
  }
  if (config.norm_position == "pre") {
    norm = make_norm(config);
  }
}

Tensor Decoder::operator()(const Tensor& rows, const Segments& targets, const Tensor& memory, const Segments& sources,
                           const Pass& pass) const {
  Tensor x = rows;
  const Pass inner = pass.within("layers");
  for (size_t i = 0; i < layers.size(); ++i) {
    x = layers[i](x, targets, memory, sources, inner.within(static_cast<int>(i)));
  }
  return pass.shown("output", norm.weight ? norm(x) : x);
}

std::unique_ptr<DecodingState> Decoder::start(int count) const {
  auto state = std::make_unique<DecoderState>();
  state->count = count;
  for (const DecoderLayer& layer : layers) {
    state->past.push_back(layer.self_attention->begin(count));
  }
  return state;
}

std::unique_ptr<DecodingState> Decoder::start(const Tensor& memory, const Segments& sources,
                                              std::span<const int> source_of, const Pass& pass) const {
  auto state = start(static_cast<int>(source_of.size()));
  for (const DecoderLayer& layer : layers) {
    dynamic_cast<DecoderState&>(*state).memory.push_back(
        layer.cross_attention->begin(memory, sources, source_of, pass));
  }
  return state;
}

Tensor Decoder::step(DecodingState& any_state, const Tensor& rows, const Pass& pass) const {
  auto& state = dynamic_cast<DecoderState&>(any_state);
  check(rows.size(0) == state.count, "step: ", rows.size(0), " tokens for ", state.count, " rows");
  const std::vector<int32_t> at(static_cast<size_t>(state.count), state.position);
  Tensor x = positions.at(rows, at);
  for (size_t i = 0; i < layers.size(); ++i) {
    x = layers[i].step(x, *state.past[i], state.memory.empty() ? nullptr : state.memory[i].get(), pass);
  }
  ++state.position;
  return norm.weight ? norm(x) : x;
}

Transformer::Transformer(const ModelConfig& config) : config_(config), embeddings_(config), decoder_(config) {
  encoder_.positions = positions_of(config);
  for (int i = 0; i < config.encoder_layers; ++i) {
    encoder_.layers.emplace_back(config, Depth{i, config.encoder_layers});
    encoder_.layers.back().self_attention->share_with(*encoder_.layers.front().self_attention);
  }
  if (config.norm_position == "pre") {
    encoder_.norm = make_norm(config);
  }
  output_ = OutputParameters(config, config.biases);
  parameters_ = parameters_of(*this);
}

Tensor Transformer::encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const Tensor rows = scaled_embedding(source, embeddings_.source_table(), config_);
  pass.within("embedding").offer("rows", rows);
  Tensor x = drop_embedding(encoder_.positions(rows, sources), config_, pass);
  const Pass layers = pass.within("layers");
  for (size_t i = 0; i < encoder_.layers.size(); ++i) {
    x = encoder_.layers[i](x, sources, layers.within(static_cast<int>(i)));
  }
  return pass.shown("output", encoder_.norm.weight ? encoder_.norm(x, pass.compute) : x);
}

Tensor Transformer::hidden(const Batch& batch, const Pass& pass) const {
  const Tensor memory = encode(batch.source, batch.sources, pass.within("encoder"));
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder");
  const Tensor rows = scaled_embedding(batch.target_input, embeddings_.target_table(), config_);
  return decoder_(drop_embedding(decoder_.positions(rows, batch.targets), config_, decoding), batch.targets, memory,
                  batch.sources, decoding);
}

OutputLayer Transformer::output() const {
  return output_.layer(embeddings_);
}

std::unique_ptr<DecodingState> Transformer::start(std::span<const int32_t> source, const Segments& sources,
                                                  std::span<const int> source_of, const Pass& pass) const {
  const Tensor memory = encode(source, sources, pass.within("encoder"));
  const ProfileScope scope("decoder.start");
  return decoder_.start(memory, sources, source_of, pass);
}

Tensor Transformer::step(DecodingState& state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  return decoder_.step(state, scaled_embedding(tokens, embeddings_.target_table(), config_), pass);
}

}  // namespace attune
