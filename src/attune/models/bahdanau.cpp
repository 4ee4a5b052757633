#include "attune/models/bahdanau.h"

#include <array>

#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/nn/initialise.h"
#include "attune/ops/activation.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/maxout.h"
#include "attune/ops/permute_rows.h"

namespace attune {

namespace {

// One step of the decoder, for as many as one tape sees.
struct Step {
  SourceAttentionSteps look;
  StepLinear context;
  RecurrentSteps advance;

  struct Result {
    attention::SourceRead read;
    Tensor state;  // s_i
  };
  // before: s_{i-1}; input: W E y_{i-1} + b
  Result operator()(const Tensor& before, const Tensor& input, const SourceAttention::Memory& memory,
                    const SourceQueries& at) const {
    attention::SourceRead read = look(before, memory, at);
    const Tensor z = context(read.context, input);
    return {std::move(read), advance(z, {before, {}}).h};
  }
};

}  // namespace

// Row i is at s_{i-1}.
struct Bahdanau::State : DecodingState {
  State(Encoded encoded, const Segments& segments, std::span<const int> source_of)
      : memory(std::move(encoded.memory)), sources(segments, source_of), state(embedding(encoded.start, source_of)) {}

  int rows() const override { return sources.rows(); }
  void reorder(std::span<const int> from) override {
    sources.reorder(from);
    state = embedding(state, from);
  }

  SourceAttention::Memory memory;
  RowSources sources;
  Tensor state;
};

std::vector<AttentionPlace> bahdanau_attends(const ModelConfig& config) {
  const int64_t width = config.width;  // the readout reads s_{i-1}, E y_{i-1} and c_i
  return {{"decoder.layers.0.cross_attention",
           1,
           {{"decoder.context.weight", 0, 2 * width}, {"decoder.readout.weight", 2 * width, 2 * width}}}};
}

Bahdanau::Bahdanau(const ModelConfig& config) : config_(config), embeddings_(config) {
  const int64_t width = config.width;
  const Initialiser start = initialiser_of_name(config.initialiser);
  const Cell cell = cell_of("gru", config);
  RecurrentEncoderOptions both_ways = encoder_options(config, cell);
  both_ways.bidirectional = true;  // each of the whole width
  encoder_ = RecurrentEncoder(both_ways);
  decoder_.start = Linear({width, width, config.biases}, start);
  decoder_.cell = decoder_layer(config, cell);
  decoder_.context = Linear({2 * width, 3 * width, false}, start);
  decoder_.attention = SourceAttention(
      {.score = Score::additive, .query = width, .memory = 2 * width, .depth = width, .initialiser = start});
  decoder_.readout = Linear({4 * width, 2 * width, config.biases}, start);
  output_ = OutputParameters(config);
  parameters_ = parameters_of(*this);
  if (config.paper_initialisation) {
    use_the_papers_initialisers();
  }
}

// Appendix B.1: recurrent matrices orthogonal (recurrent-initialiser says so anyway), W_a and U_a N(0, 0.001^2), v and
// biases 0, all others N(0, 0.01^2).
void Bahdanau::use_the_papers_initialisers() {
  for (const auto& entry : parameters_.entries()) {
    const bool recurrent = entry.name.ends_with("recurrent.weight") || entry.name.ends_with("candidate.weight");
    const bool aligns = entry.name.starts_with("decoder.attention.");
    if (entry.parameter->rank() == 2 && !recurrent) {
      entry.parameter->initialiser = {Initialiser::Kind::normal, aligns ? 0.001 : 0.01};
    }
  }
  decoder_.attention.vector.initialiser = {};
}

Bahdanau::Encoded Bahdanau::encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const RecurrentEncoder::Encoded encoded =
      encoder_(embedded(source, embeddings_.source_table(), config_, pass), sources, pass.within("layers"));
  const Tensor annotations = drop(encoded.states, config_.dropout, pass.within("annotations"));
  return {decoder_.attention.read(annotations, pass), tanh(decoder_.start(encoded.backwards.back().h, pass))};
}

// The hidden states before the output layer: t_i of rows of s_{i-1}, E y_{i-1} and c_i.
Tensor Bahdanau::predict(const Tensor& before, const Tensor& token, const Tensor& context, const Pass& pass) const {
  const ProfileScope scope("readout");
  const Tensor joined = concat(std::array{before, token, context}, Along::columns);
  return drop(maxout(decoder_.readout(joined, pass)), config_.dropout, pass.within("readout"));
}

Tensor Bahdanau::hidden(const Batch& batch, const Pass& pass) const {
  const Encoded encoded = encode(batch.source, batch.sources, pass.within("encoder"));
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder");
  const TargetSteps steps(batch);
  const Tensor tokens = embedded(steps.input(), embeddings_.target_table(), config_, decoding);
  const std::vector<Tensor> inputs = rows_of_steps(decoder_.cell.input(tokens, pass), steps.targets);
  const Step step{SourceAttentionSteps(decoder_.attention, looking(decoding)),
                  StepLinear(decoder_.context.weight, {}, pass.compute), RecurrentSteps(decoder_.cell, pass)};
  std::vector<Tensor> states, contexts, weights;
  Tensor state = embedding(encoded.start, steps.targets.order());
  for (int t = 0; t < steps.count(); ++t) {
    states.push_back(first_rows(state, steps.targets.running(t)));
    Step::Result result =
        step(states.back(), inputs[static_cast<size_t>(t)], encoded.memory, {steps.queries(t), steps.sources, t});
    contexts.push_back(std::move(result.read.context));
    weights.push_back(std::move(result.read.weights));
    state = std::move(result.state);
  }
  const auto packed = [&](const Tensor& x) {
    return permute_rows(x, steps.targets.time_row(), steps.targets.packed_row());
  };
  const Tensor before = concat(states, Along::rows), context = concat(contexts, Along::rows);
  if (pass.probe != nullptr) {
    decoding.offer("states", before);
    decoding.offer("contexts", context);
    offer_weights(packed(concat(weights, Along::rows)), batch, decoding);
  }
  return decoding.shown("output", packed(predict(before, tokens, context, decoding)));
}

OutputLayer Bahdanau::output() const {
  return output_.layer(embeddings_);
}

std::unique_ptr<DecodingState> Bahdanau::start(std::span<const int32_t> source, const Segments& sources,
                                               std::span<const int> source_of, const Pass& pass) const {
  return std::make_unique<State>(encode(source, sources, pass.within("encoder")), sources, source_of);
}

Tensor Bahdanau::step(DecodingState& any_state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  auto& state = dynamic_cast<State&>(any_state);
  check(static_cast<int>(tokens.size()) == state.rows(), "step: ", tokens.size(), " tokens for ", state.rows(),
        " rows");
  const Tensor fed = embedded(tokens, embeddings_.target_table(), config_, pass);
  const Step step{SourceAttentionSteps(decoder_.attention, pass), StepLinear(decoder_.context.weight, {}, pass.compute),
                  RecurrentSteps(decoder_.cell, pass)};
  const Step::Result result = step(state.state, decoder_.cell.input(fed, pass), state.memory,
                                   {Segments::equal(state.rows(), 1), state.sources.segments()});
  const Tensor before = std::exchange(state.state, result.state);
  return predict(before, fed, result.read.context, pass);
}

void set_bahdanau_defaults(ModelConfig& config) {
  config.encoder_layers = config.decoder_layers = 1;
  config.width = 256;
  config.cross_mixer = "additive";
  config.gru_reset = "before";
  config.initialiser = "lecun_uniform";
  config.dropout = 0.2;
}

void check_bahdanau(const ModelConfig& config) {
  check_word("cross-mixer", config.cross_mixer, {"additive"});
}

}  // namespace attune
