// What holds for every form of a decoder-only model.
#include "attune/models/language_model.h"

#include <gtest/gtest.h>

#include <array>

#include "attune/base/error_of_test.h"
#include "attune/models/describe.h"
#include "attune/models/form_gradients_test.h"
#include "attune/models/task.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/embedding.h"

namespace attune {
namespace {

using testing::error_of;

ModelConfig tiny() {
  ModelConfig config = defaults_of("transformer", language_model_task);
  config.decoder_layers = 2;
  config.width = 16, config.heads = 2, config.feed_forward = 24;
  config.max_positions = 16;
  config.source_vocabulary = config.target_vocabulary = 20;
  return config;
}

// Those of the encoder-decoder's Transformer that a decoder alone can have, and attention's positions of each kind.
std::vector<testing::Form> forms() {
  std::vector<testing::Form> all{{"as_it_is", tiny()}};
  for (const testing::Change& change : testing::changes_of("transformer")) {
    all.push_back({change.name, tiny()});
    change.apply(all.back().config);
    if (error_of([&] { check_config(all.back().config); }) != "no error") {
      all.pop_back();
    }
  }
  return all;
}

std::unique_ptr<LanguageModel> ready(const ModelConfig& config, DType dtype = DType::float32) {
  auto model = std::make_unique<LanguageModel>(config);
  model->parameters().allocate(dtype);
  initialise(model->parameters(), Rng(1));
  return model;
}

struct Input {
  explicit Input(const std::vector<int>& lengths, const ModelConfig& config) : segments(Segments::of_lengths(lengths)) {
    for (int64_t i = 0; i < segments.rows(); ++i) {
      ids.push_back(static_cast<int32_t>((i * i + 3 * i + 1) % config.target_vocabulary));
      gold.push_back(static_cast<int32_t>((5 * i + 2) % config.target_vocabulary));
    }
  }
  Segments segments;
  std::vector<int32_t> ids, gold;
};

Tensor loss_of(const LanguageModel& model, const Input& input, const Pass& pass) {
  const OutputLayer output = model.output();
  return linear_cross_entropy(model.hidden(input.ids, input.segments, pass), output.weight, output.bias, input.gold, {})
      .loss;
}

TEST(LanguageModel, every_causal_mixer_has_a_form) {
  for (const MixerKind& kind : mixers()) {
    const auto all = forms();
    const bool there =
        std::any_of(all.begin(), all.end(), [&](const auto& form) { return form.config.decoder_mixer == kind.word; });
    EXPECT_EQ(there, kind.causal) << kind.word;
  }
}

// Nor does a token depend on those behind it, which a step has not seen, nor on the other sequences of its batch. In
// float32, which is what attention remembers: sums in another order.
constexpr double rounding = 2e-5;

TEST(LanguageModel, token_by_token_says_what_the_whole_sequences_say) {
  for (const testing::Form& form : forms()) {
    const auto model = ready(form.config);
    const Input input({7, 1, 16, 2}, form.config);
    const OutputLayer output = model->output();
    const auto log_p = [&](const Tensor& hidden, std::span<const int32_t> gold) {
      std::vector<double> nlls;
      for (int64_t i = 0; i < hidden.size(0); ++i) {
        const std::array row{static_cast<int32_t>(i)};
        const CrossEntropy one = linear_cross_entropy(embedding(hidden, row), output.weight, output.bias,
                                                      gold.subspan(static_cast<size_t>(i), 1), {});
        nlls.push_back(-one.nll);
      }
      return nlls;
    };
    const std::vector<double> whole = log_p(model->hidden(input.ids, input.segments, {}), input.gold);
    for (int s = 0; s < input.segments.count(); ++s) {
      const auto state = model->start(1);
      for (int64_t i = input.segments.begin(s); i < input.segments.begin(s) + input.segments.length(s); ++i) {
        const auto at = static_cast<size_t>(i);
        const Tensor hidden = model->step(*state, std::span(input.ids).subspan(at, 1), {});
        ASSERT_NEAR(log_p(hidden, std::span(input.gold).subspan(at, 1))[0], whole[at], rounding)
            << form.name << ", token " << i;
      }
    }
  }
}

TEST(LanguageModel, rows_that_are_decoded_together_and_reordered_are_as_if_alone) {
  for (const char* mixer : {"scaled_dot", "gru", "convolution", "spatial_gating"}) {
    ModelConfig config = tiny();
    config.decoder_mixer = mixer;
    const auto model = ready(config);
    const auto alone = [&](const std::vector<int32_t>& ids) {
      const auto state = model->start(1);
      Tensor hidden;
      for (const int32_t& id : ids) {
        hidden = model->step(*state, std::span(&id, 1), {});
      }
      return hidden;
    };
    const auto state = model->start(2);
    model->step(*state, std::vector<int32_t>{4, 9}, {});
    model->step(*state, std::vector<int32_t>{5, 6}, {});
    state->reorder(std::vector<int>{1, 0, 1});
    const Tensor together = model->step(*state, std::vector<int32_t>{7, 8, 3}, {});
    const Tensor first = alone({9, 6, 7}), second = alone({4, 5, 8}), third = alone({9, 6, 3});
    for (int64_t i = 0; i < config.width; ++i) {
      ASSERT_NEAR(together.at(i), first.at(i), rounding) << mixer;
      ASSERT_NEAR(together.at(config.width + i), second.at(i), rounding) << mixer;
      ASSERT_NEAR(together.at(2 * config.width + i), third.at(i), rounding) << mixer;
    }
  }
}

TEST(LanguageModel, every_form_has_right_parameter_gradients_in_float64) {
  testing::expect_right_gradients(forms(), ready, [](const LanguageModel& model, const Pass& pass) {
    return loss_of(model, Input({4, 2, 7}, model.config()), pass);
  });
}

TEST(LanguageModel, is_a_decoder_without_cross_attention_and_costs_what_it_is) {
  const int64_t d = 16, f = 24, v = 20, attention = 4 * (d * d + d), feed = 2 * d * f + f + d, norm = 2 * d;
  const ModelDescription plain = describe(tiny(), {.length = 10});
  EXPECT_EQ(plain.parameters, v * d + 2 * (attention + feed + 2 * norm) + norm + v);
  EXPECT_EQ(plain.source_multiply_adds_per_token, 0);
  EXPECT_EQ(plain.target_multiply_adds_per_token, 2 * (4 * d * d + d * 10 + 2 * d * f) + d * v);
  for (const TensorDescription& tensor : plain.tensors) {
    EXPECT_TRUE(tensor.name.find("encoder") == std::string::npos && tensor.name.find("cross") == std::string::npos)
        << tensor.name;
  }
  ModelConfig untied = tiny();
  untied.tied_embeddings = "none";
  EXPECT_EQ(describe(untied).parameters, plain.parameters + v * d);
  const auto places = architecture_of_name("transformer").attends(tiny());
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[1].module, "decoder.layers.1.self_attention");
}

TEST(LanguageModel, says_what_it_cannot_be) {
  const auto said = [](auto&& change) {
    ModelConfig config = tiny();
    change(config);
    return error_of([&] { check_config(config); });
  };
  EXPECT_EQ(said([](ModelConfig&) {}), "no error");
  EXPECT_NE(
      said([](ModelConfig& c) { c.decoder_mixer = "mean"; }).find("decoder-mixer: expected a mixer with a causal"),
      std::string::npos);
  EXPECT_NE(said([](ModelConfig& c) { c.tied_embeddings = "all"; }).find("expected decoder (the output"),
            std::string::npos);
  EXPECT_NE(said([](ModelConfig& c) { c.positions = "rotary", c.decoder_mixer = "gru"; }).find("decoder-mixer is gru"),
            std::string::npos);
  for (const Architecture& architecture : architectures()) {
    const ModelConfig config = defaults_of(architecture.word, language_model_task);
    const std::string error = error_of([&] { check_config(config); });
    EXPECT_EQ(error.find("a language model is a decoder alone") == std::string::npos,
              architecture.word == "transformer")
        << error;
  }
  EXPECT_THROW(LanguageModel([] {
                 ModelConfig config = tiny();
                 config.source_vocabulary = 3;
                 return config;
               }()),
               Error);
}

}  // namespace
}  // namespace attune
