// Reversible stacks: their equations, and that a backward that rebuilds activations is one that kept them.
#include "attune/models/sublayer.h"

#include <gtest/gtest.h>

#include "attune/autograd/tape.h"
#include "attune/models/forms_test.h"
#include "attune/models/transformer.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using testing::relative_difference;
using testing::same_bits;

// Every form of the Transformer that can be reversible, three layers a side, with all that draws random numbers.
std::vector<testing::Form> reversible_forms() {
  std::vector<testing::Form> all{{"as_it_is", testing::tiny("transformer")}};
  for (const testing::Change& change : testing::changes_of("transformer")) {
    all.push_back({change.name, testing::tiny("transformer")});
    change.apply(all.back().config);
    if (all.back().config.norm_position == "post") {
      all.pop_back();
    }
  }
  for (testing::Form& form : all) {
    form.config.reversible = true;
    form.config.encoder_layers = form.config.decoder_layers = 3;
    form.config.dropout = 0.2, form.config.attention_dropout = 0.1, form.config.activation_dropout = 0.1;
    form.config.survival = 0.7;
  }
  return all;
}

enum class Activations { rebuilt, kept };

template <class Layer>
Tensor mix(const Stack<Layer>& stack, const Tensor& rows, const Context& context, const Pass& pass, Activations how) {
  if (how == Activations::rebuilt) {
    return stack.mix(rows, context, pass);
  }
  const Pass inner = pass.within("layers");
  Streams streams{rows, rows};
  for (size_t i = 0; i < stack.layers.size(); ++i) {
    streams = run(stack.layers[i].sublayers(inner.within(static_cast<int>(i))), std::move(streams), context);
  }
  return streams.out();
}

// An encoder and a decoder that reads it, as they start.
struct Model {
  Model(const ModelConfig& config, DType dtype) : encoder(config), decoder(config) {
    parameters.allocate(dtype);
    initialise(parameters, Rng(2));
    source = random_tensor({sources.rows(), config.width}, Rng(3), dtype);
    target = random_tensor({targets.rows(), config.width}, Rng(4), dtype);
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("encoder", self.encoder);
    each("decoder", self.decoder);
  }

  EncoderStack encoder;
  Decoder decoder;
  Parameters parameters = parameters_of(*this);
  Segments sources = Segments::of_lengths(std::vector<int>{4, 1, 6}),
           targets = Segments::of_lengths(std::vector<int>{3, 5, 1});
  Tensor source, target;
};

struct Result {
  Tensor out, of_parameters, of_source, of_target;
  size_t nodes;
};

// Of a training step.
Result result_of(const ModelConfig& config, DType dtype, Activations how, DType compute = DType::float32) {
  const Model model(config, dtype);
  const Pass pass{.dropout = Rng(4), .compute = compute};
  Tape tape(model.parameters);
  tape.watch(model.source);
  tape.watch(model.target);
  const Tensor memory =
      model.encoder.norm(mix(model.encoder, model.source, {model.sources}, pass.within("encoder"), how), compute);
  const Tensor out =
      mix(model.decoder, model.target, {model.targets, memory, model.sources}, pass.within("decoder"), how);
  const Tensor seed = random_tensor(out.shape(), Rng(5), dtype);
  const Gradients gradients = tape.backward(std::span(&out, 1), std::span(&seed, 1));
  return {detach(out), gradients.flat(), gradients.of(model.source), gradients.of(model.target), tape.nodes()};
}

double difference(const Result& one, const Result& other) {
  return std::max({relative_difference(one.of_parameters, other.of_parameters),
                   relative_difference(one.of_source, other.of_source),
                   relative_difference(one.of_target, other.of_target)});
}

void expect_equal(DType dtype, double tolerance) {
  for (const testing::Form& form : reversible_forms()) {
    const Result kept = result_of(form.config, dtype, Activations::kept),
                 rebuilt = result_of(form.config, dtype, Activations::rebuilt);
    EXPECT_TRUE(same_bits(rebuilt.out, kept.out)) << form.name;
    EXPECT_LT(difference(rebuilt, kept), tolerance) << form.name;
    EXPECT_LT(rebuilt.nodes, kept.nodes / 4) << form.name;
  }
}

TEST(Reversible, gradients_are_those_of_kept_activations_in_float64) {
  expect_equal(DType::float64, 1e-12);
}

TEST(Reversible, gradients_are_those_of_kept_activations_to_rounding_in_float32) {
  expect_equal(DType::float32, 2e-5);
}

TEST(Reversible, gradients_in_bfloat16_differ_by_its_rounding_alone) {
  for (const char* mixer : {"scaled_dot", "convolution"}) {
    ModelConfig config = testing::tiny("transformer");
    config.reversible = true, config.encoder_mixer = config.decoder_mixer = mixer;
    config.encoder_layers = config.decoder_layers = 6;
    const Result kept = result_of(config, DType::float32, Activations::kept, DType::bfloat16),
                 rebuilt = result_of(config, DType::float32, Activations::rebuilt, DType::bfloat16),
                 exact = result_of(config, DType::float32, Activations::kept);
    EXPECT_TRUE(same_bits(rebuilt.out, kept.out));
    const double from_rounding = difference(kept, exact);
    EXPECT_GT(from_rounding, 1e-4);
    EXPECT_LT(difference(rebuilt, kept), from_rounding) << mixer;
  }
}

TEST(Reversible, is_one_node_a_stack_however_deep) {
  ModelConfig config = testing::tiny("transformer");
  config.reversible = true;
  const size_t shallow = result_of(config, DType::float32, Activations::rebuilt).nodes;
  config.encoder_layers = config.decoder_layers = 5;
  EXPECT_EQ(result_of(config, DType::float32, Activations::rebuilt).nodes, shallow);
}

// Kitaev 2020, equations 8 and 9, twice; the end reads the mean of both streams.
TEST(Reversible, equations_are_the_papers) {
  ModelConfig config = testing::tiny("transformer");
  config.reversible = true;
  const Model model(config, DType::float64);
  Tensor x1 = model.source, x2 = model.source;
  for (const EncoderLayer& layer : model.encoder.layers) {
    const Tensor h = layer.around_self_attention.norm(x2);
    const Tensor y1 = add(x1, (*layer.self_attention)(h, model.sources, h, model.sources, {}));
    const Tensor y2 = add(x2, layer.feed_forward->layer(layer.feed_forward->around.norm(y1), {}));
    x1 = y1, x2 = y2;
  }
  const Tensor out = model.encoder.norm(scale(add(x1, x2), 0.5));
  EXPECT_LT(relative_difference(model.encoder(model.source, model.sources, {}), out), 1e-14);
}

// Three sublayers a layer, or one, take the streams in turn: each reads what the one before it wrote.
TEST(Reversible, sublayers_take_the_streams_in_turn) {
  ModelConfig config = testing::tiny("transformer");
  config.width = 1;
  Residual around(config, {});
  Parameters parameters = parameters_of(around.norm);
  parameters.allocate(DType::float64);
  const auto adding = [&](double value) {
    return Sublayer{&around, {}, [value](const Tensor& h, const Context&, const Pass&) {
                      return Tensor::full(h.shape(), value, h.dtype());
                    }};
  };
  const Tensor x = Tensor::full({1, 1}, 1, DType::float64);
  const std::vector<Sublayer> three{adding(10), adding(100), adding(1000)};
  const Streams end = run(three, {x, x}, {});
  EXPECT_EQ(end.x.item(), 1 + 10 + 1000);
  EXPECT_EQ(end.other.item(), 1 + 100);
  EXPECT_EQ(end.out().item(), (1 + 10 + 1000 + 1 + 100) / 2.0);
  EXPECT_EQ(run(three, {x}, {}).out().item(), 1 + 10 + 100 + 1000) << "an ordinary layer";
}

TEST(Reversible, inputs_are_rebuilt_from_outputs) {
  for (const auto& [dtype, tolerance] : {std::pair(DType::float64, 1e-14), std::pair(DType::float32, 1e-5)}) {
    ModelConfig config = testing::tiny("transformer");
    config.reversible = true, config.encoder_layers = 8, config.dropout = 0.2;
    const Model model(config, dtype);
    const Pass pass{.dropout = Rng(6)};
    const Context context{model.sources};
    std::vector<Sublayer> sublayers;
    for (const EncoderLayer& layer : model.encoder.layers) {
      const auto more = layer.sublayers(pass.within(static_cast<int>(sublayers.size())));
      sublayers.insert(sublayers.end(), more.begin(), more.end());
    }
    Streams streams = run(sublayers, {model.source, model.source}, context);
    EXPECT_GT(relative_difference(streams.x, model.source), 0.1);
    for (auto at = sublayers.rbegin(); at != sublayers.rend(); ++at) {
      const Tensor added = at->around->branch(streams.other, context.rows, at->pass,
                                              [&](const Tensor& h) { return at->f(h, context, at->pass); });
      streams = {streams.other, subtract(streams.x, added)};
    }
    EXPECT_LT(relative_difference(streams.x, model.source), tolerance);
    EXPECT_LT(relative_difference(streams.other, model.source), tolerance);
  }
}

}  // namespace
}  // namespace attune
