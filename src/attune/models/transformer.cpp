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
  options.chunk = config.feed_forward_chunk;
  return options;
}

std::optional<FeedForwardSublayer> feed_forward_behind(const std::string& mixer, const ModelConfig& config,
                                                       const Depth& depth) {
  return mixer_kind(mixer).feeds_forward ? std::optional<FeedForwardSublayer>() : FeedForwardSublayer(config, depth);
}

// What a mixer of its own sequence adds.
Tensor self_mixed(const Mixer& mixer, const Tensor& h, const Context& context, const Pass& pass) {
  const ProfileScope part("self_attention");
  return pass.shown("output", mixer(h, context.rows, h, context.rows, pass));
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

void check_memory_forms(const ModelConfig& config) {
  check_usage(
      !config.reversible || config.norm_position == "pre",
      "norm-position: a reversible model adds what its sublayers make to streams that stay as they are; expected "
      "pre, got \"",
      config.norm_position, "\"");
  check_usage(config.feed_forward_chunk % 2 == 0 || config.feed_forward % 2 == 0,
              "feed-forward-chunk: expected an even number of tokens where feed-forward (", config.feed_forward,
              ") is odd, got ", config.feed_forward_chunk);
}

std::string words_that(bool MixerKind::*can) {
  std::string words;
  for (const MixerKind& kind : mixers()) {
    if (kind.*can) {
      words.append(words.empty() ? "" : ", ").append(kind.word);
    }
  }
  return words;
}

struct ChosenMixer {
  std::string_view key, word;
};

std::vector<ChosenMixer> self_mixers(const ModelConfig& config) {
  std::vector<ChosenMixer> chosen;
  if (has_encoder(config)) {
    chosen.push_back({"encoder-mixer", config.encoder_mixer});
  }
  if (has_decoder(config)) {
    chosen.push_back({"decoder-mixer", config.decoder_mixer});
  }
  return chosen;
}

std::string listed(std::span<const ChosenMixer> chosen) {
  std::string text;
  for (const ChosenMixer& mixer : chosen) {
    text.append(text.empty() ? "" : " and ").append(mixer.key).append(" is ").append(mixer.word);
  }
  return text;
}

bool has_tiny_attention(std::string_view mixer, const ModelConfig& config) {
  return mixer == "spatial_gating" && config.tiny_attention > 0;
}

// All that attend, or stand in attention's place.
std::vector<ChosenMixer> chosen_mixers(const ModelConfig& config) {
  std::vector<ChosenMixer> all = self_mixers(config);
  if (translates(config)) {
    all.push_back({"cross-mixer", config.cross_mixer});
  }
  return all;
}

// Inherited from dropout (-1) it acts where it can; asked for, it must be able to act somewhere.
void check_attention_dropout(const ModelConfig& config) {
  check_usage(config.attention_dropout <= 0 || can_drop_weights(config),
              "attention-dropout: ", config.attention_dropout, " acts on the weights of ",
              words_that(&MixerKind::drops_weights), " and of a tiny attention, but ", listed(chosen_mixers(config)),
              "; expected 0, or leave it out");
}

void check_positions(const ModelConfig& config) {
  const PositionKind positions = position_kind_of_name(config.positions);
  const std::vector<ChosenMixer> all = self_mixers(config);
  const bool held =
      std::any_of(all.begin(), all.end(), [](const ChosenMixer& mixer) { return mixer_kind(mixer.word).positions; });
  check_usage(!stands_in_attention(positions) || held, "positions: ", config.positions,
              " stands inside attention by scores (", words_that(&MixerKind::positions), "), but ", listed(all));
  check_usage((positions != PositionKind::rotary && positions != PositionKind::rotary_halves) ||
                  config.width / config.heads % 2 == 0,
              "positions: ", config.positions, " turns pairs of numbers, but a head has ", config.width / config.heads,
              " (width / heads)");
}

}  // namespace

bool can_drop_weights(const ModelConfig& config) {
  const std::vector<ChosenMixer> all = chosen_mixers(config);
  return std::any_of(all.begin(), all.end(), [&](const ChosenMixer& mixer) {
    return mixer_kind(mixer.word).drops_weights || has_tiny_attention(mixer.word, config);
  });
}

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
  check_positions(config);
  check_memory_forms(config);
  check_attention_dropout(config);
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
    } else if (has_tiny_attention(mixer, config)) {
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

FeedForwardSublayer::FeedForwardSublayer(const ModelConfig& config, const Depth& depth)
    : layer(feed_forward_options(config)), around(config, depth) {}

Sublayer FeedForwardSublayer::sublayer(const Pass& pass) const {
  return {&around, pass, [this](const Tensor& h, const Context&, const Pass& inner) {
            return inner.shown("output", layer(h, inner.within("inner")));
          }};
}

EncoderLayer::EncoderLayer(const ModelConfig& config, const Depth& depth)
    : self_attention(make_mixer(config.encoder_mixer, self_mixer_options(config, depth.layer))),
      feed_forward(feed_forward_behind(config.encoder_mixer, config, depth)),
      around_self_attention(config, depth) {}

std::vector<Sublayer> EncoderLayer::sublayers(const Pass& pass) const {
  std::vector<Sublayer> list{{&around_self_attention, pass.within("self_attention"),
                              [this](const Tensor& h, const Context& context, const Pass& inner) {
                                return self_mixed(*self_attention, h, context, inner);
                              }}};
  if (feed_forward) {
    list.push_back(feed_forward->sublayer(pass.within("feed_forward")));
  }
  return list;
}

DecoderLayer::DecoderLayer(const ModelConfig& config, const Depth& depth)
    : self_attention(make_mixer(config.decoder_mixer, causal_mixer_options(config, depth.layer))),
      cross_attention(translates(config) ? make_mixer(config.cross_mixer, mixer_options(config)) : nullptr),
      feed_forward(feed_forward_behind(config.decoder_mixer, config, depth)),
      around_self_attention(config, depth),
      around_cross_attention(config, depth) {}

std::vector<Sublayer> DecoderLayer::sublayers(const Pass& pass) const {
  std::vector<Sublayer> list{{&around_self_attention, pass.within("self_attention"),
                              [this](const Tensor& h, const Context& context, const Pass& inner) {
                                return self_mixed(*self_attention, h, context, inner);
                              }}};
  if (cross_attention) {
    list.push_back({&around_cross_attention, pass.within("cross_attention"),
                    [this](const Tensor& h, const Context& context, const Pass& inner) {
                      const ProfileScope part("cross_attention");
                      return inner.shown("output",
                                         (*cross_attention)(h, context.rows, context.memory, context.sources, inner));
                    }});
  }
  if (feed_forward) {
    list.push_back(feed_forward->sublayer(pass.within("feed_forward")));
  }
  return list;
}

std::vector<Sublayer> DecoderLayer::step(MixerState& past, MixerState* memory, const Pass& pass) const {
  std::vector<Sublayer> list{
      {&around_self_attention, pass, [this, &past](const Tensor& h, const Context&, const Pass& inner) {
         const ProfileScope part("self_attention");
         return self_attention->step(h, past, inner);
       }}};
  if (cross_attention) {
    list.push_back({&around_cross_attention, pass, [this, memory](const Tensor& h, const Context&, const Pass& inner) {
                      const ProfileScope part("cross_attention");
                      return cross_attention->step(h, *memory, inner);
                    }});
  }
  if (feed_forward) {
    list.push_back(feed_forward->sublayer(pass));
  }
  return list;
}

template <class Layer>
Stack<Layer>::Stack(const ModelConfig& config, int layer_count)
    : positions(position_kind_of_name(config.positions), config.width, config.max_positions),
      reversible(config.reversible) {
  for (int i = 0; i < layer_count; ++i) {
    layers.emplace_back(config, Depth{i, layer_count});
    layers.back().self_attention->share_with(*layers.front().self_attention);
  }
  if (config.norm_position == "pre") {
    norm = make_norm(config);
  }
}

// A reversible stack that is looked into keeps everything, so that what a probe is shown can be watched.
template <class Layer>
Tensor Stack<Layer>::mix(const Tensor& rows, const Context& context, const Pass& pass) const {
  const Pass inner = pass.within("layers");
  if (reversible && pass.probe == nullptr) {
    std::vector<Sublayer> all;
    for (size_t i = 0; i < layers.size(); ++i) {
      const auto more = layers[i].sublayers(inner.within(static_cast<int>(i)));
      all.insert(all.end(), more.begin(), more.end());
    }
    return run_reversibly(std::move(all), rows, context);
  }
  Streams streams{rows, reversible ? rows : Tensor()};
  for (size_t i = 0; i < layers.size(); ++i) {
    const ProfileScope scope(Layer::profile_name);
    const Pass of_layer = inner.within(static_cast<int>(i));
    streams = run(layers[i].sublayers(of_layer), std::move(streams), context);
    if (pass.probe != nullptr) {
      of_layer.offer("output", streams.out());
    }
  }
  return streams.out();
}

Tensor EncoderStack::operator()(const Tensor& rows, const Segments& segments, const Pass& pass, DType result) const {
  const Tensor x = mix(rows, {segments}, pass);
  return pass.shown("output", norm.weight ? norm(x, result) : x);
}

Tensor Decoder::operator()(const Tensor& rows, const Segments& targets, const Tensor& memory, const Segments& sources,
                           const Pass& pass) const {
  const Tensor x = mix(rows, {targets, memory, sources}, pass);
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
  const Tensor placed = positions.at(rows, at);
  Streams streams{placed, reversible ? placed : Tensor()};
  for (size_t i = 0; i < layers.size(); ++i) {
    const ProfileScope scope(DecoderLayer::profile_name);
    MixerState* const memory = state.memory.empty() ? nullptr : state.memory[i].get();
    streams = run(layers[i].step(*state.past[i], memory, pass), std::move(streams), {});
  }
  ++state.position;
  const Tensor x = streams.out();
  return norm.weight ? norm(x) : x;
}

Transformer::Transformer(const ModelConfig& config)
    : config_(config), embeddings_(config), encoder_(config), decoder_(config) {
  output_ = OutputParameters(config, config.biases);
  parameters_ = parameters_of(*this);
}

Tensor Transformer::encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const Tensor rows = scaled_embedding(source, embeddings_.source_table(), config_);
  pass.within("embedding").offer("rows", rows);
  return encoder_(drop_embedding(encoder_.positions(rows, sources), config_, pass), sources, pass, pass.compute);
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
