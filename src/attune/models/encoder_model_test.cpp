// What holds for every form of an encoder-only model, whatever it is for.
#include "attune/models/encoder_model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/base/parallel.h"
#include "attune/models/describe.h"
#include "attune/models/form_gradients_test.h"
#include "attune/models/task.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using testing::Change;
using testing::error_of;

ModelConfig tiny() {
  ModelConfig config = defaults_of("transformer", "masked_language_model");
  config.encoder_layers = 2;
  config.width = 16, config.heads = 2, config.feed_forward = 24;
  config.max_positions = 16;
  config.source_vocabulary = config.target_vocabulary = 20;
  return config;
}

// Beside those of the encoder-decoder's Transformer.
const std::vector<Change> own_changes{
    {"embedding_norm", [](ModelConfig& c) { c.embedding_norm = true; }},
    {"transform", [](ModelConfig& c) { c.prediction_transform = true; }},
    {"next_sentence", [](ModelConfig& c) { c.next_sentence = true; }},
    {"bert",
     [](ModelConfig& c) {
       c.norm_position = "post", c.embedding_norm = c.prediction_transform = c.next_sentence = true;
       c.positions = "learned", c.activation = "gelu", c.embedding_scale = false;
     }},
};

std::vector<testing::Form> forms() {
  std::vector<testing::Form> all{{"as_it_is", tiny()}};
  for (const auto* changes : {&testing::changes_of("transformer"), &own_changes}) {
    for (const Change& change : *changes) {
      all.push_back({change.name, tiny()});
      change.apply(all.back().config);
      const ModelConfig& made = all.back().config;
      if (made.tied_embeddings == "decoder" || (made.positions == "rotary" && made.encoder_mixer != "scaled_dot")) {
        all.pop_back();
      }
    }
  }
  return all;
}

// Sequences of these lengths, some positions of each to be predicted.
struct Input {
  explicit Input(const std::vector<int>& lengths, const ModelConfig& config, int skip = 0) {
    segments = Segments::of_lengths(lengths);
    for (int i = 0; i < segments.count(); ++i) {
      for (int j = 0; j < segments.length(i); ++j) {
        // What stands in a sequence depends on its length alone.
        const int number = segments.length(i) * 7 + j * 3 + skip;
        ids.push_back(number % config.source_vocabulary);
        if (config.next_sentence) {
          types.push_back(2 * j < segments.length(i) ? 0 : 1);
        }
        if (j % 3 == 1) {
          rows.push_back(static_cast<int32_t>(segments.begin(i)) + j);
          gold.push_back((number + 5) % config.source_vocabulary);
        }
      }
      follows.push_back(i % 2);
    }
  }
  EncoderInput encoder() const { return {ids, segments, types}; }

  Segments segments;
  std::vector<int32_t> ids, types, rows, gold, follows;
};

std::unique_ptr<MaskedLanguageModel> ready(const ModelConfig& config, DType dtype = DType::float32) {
  auto model = std::make_unique<MaskedLanguageModel>(config);
  model->parameters().allocate(dtype);
  initialise(model->parameters(), Rng(1));
  return model;
}

// Both losses, so that every parameter has a gradient.
Tensor loss_of(const MaskedLanguageModel& model, const Input& input, const Pass& pass) {
  const Tensor hidden = model.encoder()(input.encoder(), pass.within("encoder"));
  const OutputLayer output = model.output();
  const Tensor masked = linear_cross_entropy(model.predicted(hidden, input.rows, pass), output.weight, output.bias,
                                             input.gold, {.label_smoothing = 0.1})
                            .loss;
  return model.config().next_sentence
             ? add(masked, cross_entropy(model.next_sentence(hidden, input.segments, pass), input.follows).loss)
             : masked;
}

TEST(EncoderModel, a_sequence_does_not_depend_on_its_batch) {
  const std::vector<int> lengths{5, 1, 9, 2, 5};
  for (const testing::Form& form : forms()) {
    const auto model = ready(form.config);
    const Input together(lengths, form.config);
    const Tensor hidden = model->encoder()(together.encoder(), {});
    const int64_t width = hidden.size(1);
    for (int i = 0; i < together.segments.count(); ++i) {
      const Input alone({lengths[static_cast<size_t>(i)]}, form.config);
      const Tensor single = model->encoder()(alone.encoder(), {});
      const auto rows = hidden.data<float>().subspan(static_cast<size_t>(together.segments.begin(i) * width),
                                                     static_cast<size_t>(single.elements()));
      EXPECT_EQ(std::memcmp(single.data<float>().data(), rows.data(), rows.size_bytes()), 0)
          << form.name << ", sequence " << i;
    }
  }
}

TEST(EncoderModel, every_form_has_right_parameter_gradients_in_float64) {
  testing::expect_right_gradients(forms(), ready, [](const MaskedLanguageModel& model, const Pass& pass) {
    return loss_of(model, Input({4, 2, 7}, model.config()), pass);
  });
}

TEST(EncoderModel, one_and_two_threads_give_the_same_bits) {
  for (const testing::Form& form : forms()) {
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2}) {
      const testing::Threads now(threads);
      const auto model = ready(form.config);
      const Input input({5, 1, 9, 2, 16, 12}, form.config);
      Tape tape(model->parameters());
      const Tensor loss = loss_of(*model, input, {.dropout = Rng(3)});
      const Gradients gradients = tape.backward(loss);
      const auto flat = gradients.flat().data<float>();
      results.emplace_back(flat.begin(), flat.end());
      results.back().push_back(loss.at(0));
    }
    EXPECT_EQ(results[0], results[1]) << form.name;
  }
}

TEST(EncoderModel, what_describe_lists_is_what_the_model_has) {
  for (const testing::Form& form : forms()) {
    const ModelDescription description = describe(form.config);
    const MaskedLanguageModel model(form.config);
    EXPECT_EQ(description.parameters, model.parameters().count()) << form.name;
    EXPECT_GT(description.source_multiply_adds_per_token, 0) << form.name;
  }
  // By hand: embeddings, layers with their norms, the last norm, the output's bias.
  const int64_t d = 16, f = 24, v = 20, attention = 4 * (d * d + d), feed = 2 * d * f + f + d, norm = 2 * d;
  const ModelDescription plain = describe(tiny(), {.length = 10});
  EXPECT_EQ(plain.parameters, v * d + 2 * (attention + feed + 2 * norm) + norm + v);
  EXPECT_EQ(plain.source_multiply_adds_per_token, 2 * (4 * d * d + 2 * d * 10 + 2 * d * f));
  EXPECT_EQ(plain.target_multiply_adds_per_token, d * v);
}

TEST(EncoderModel, kinds_of_sentences_are_read_where_the_model_has_them_and_nowhere_else) {
  ModelConfig config = tiny();
  const Input without({4}, config);
  config.next_sentence = true;
  const Input with({4}, config);
  EXPECT_NE(error_of([&] { ready(config)->encoder()(without.encoder(), {}); }).find("are needed"), std::string::npos);
  EXPECT_NE(error_of([&] { ready(tiny())->encoder()(with.encoder(), {}); }).find("are unknown"), std::string::npos);
}

TEST(Tasks, a_key_that_says_nothing_to_the_task_is_refused) {
  for (const Task& task : tasks()) {
    const ModelConfig config = defaults_of("transformer", task.word);
    EXPECT_NO_THROW(check_config(config)) << task.word;
    for (const Task& other : tasks()) {
      for (const std::string_view key : other.keys) {
        const bool read = std::count(task.keys.begin(), task.keys.end(), key) > 0;
        const std::string error = error_of([&] { check_key(config, key, "--key"); });
        EXPECT_EQ(error.find("means nothing to the task") == std::string::npos, read) << task.word << ' ' << key;
      }
    }
  }
}

TEST(Tasks, an_encoder_alone_is_a_transformer) {
  for (const Architecture& architecture : architectures()) {
    ModelConfig config = defaults_of(architecture.word, "masked_language_model");
    const std::string error = error_of([&] { check_config(config); });
    EXPECT_EQ(error == "no error", architecture.word == "transformer") << error;
  }
  ModelConfig config = tiny();
  config.tied_embeddings = "decoder";
  EXPECT_NE(error_of([&] { check_config(config); }).find("expected all"), std::string::npos);
  config = tiny();
  config.positions = "rotary", config.encoder_mixer = "mean";
  EXPECT_TRUE(error_of([&] { check_config(config); }).ends_with("encoder-mixer is mean"));  // it has no decoder
}

}  // namespace
}  // namespace attune
