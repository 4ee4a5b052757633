// The memory of a training step: what describe() says beforehand against what the storage counts, and that steps take
// no new memory.
#include <gtest/gtest.h>

#include "attune/models/architecture.h"
#include "attune/models/describe.h"
#include "attune/models/task.h"
#include "attune/nn/initialise.h"
#include "attune/ops/op_checks.h"
#include "attune/train/language_objective.h"
#include "attune/train/masked_language_objective.h"
#include "attune/train/optimizer.h"
#include "attune/train/translation_objective.h"
#include "attune/train/update.h"

namespace attune {
namespace {

ModelConfig base() {
  ModelConfig config;
  config.encoder_layers = config.decoder_layers = 3;
  config.width = 64, config.heads = 4, config.feed_forward = 256;
  config.source_vocabulary = config.target_vocabulary = 500;
  config.dropout = 0.1;
  return config;
}

Batch batch_of(int sentences, int source, int target) {
  const std::vector<Example> all(static_cast<size_t>(sentences), {std::vector<int>(static_cast<size_t>(source), 7),
                                                                  std::vector<int>(static_cast<size_t>(target), 9)});
  std::vector<int> every(all.size());
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<int>(i);
  return make_batch(all, every);
}

struct Training {
  Training(const ModelConfig& config, const char* compute) : model(make_model(config)) {
    options.compute_type = compute;
    model->parameters().allocate();
    initialise(model->parameters(), Rng(1));
    optimizer.emplace(OptimizerOptions{}, model->parameters().flat_elements(), DType::float32);
  }
  void step(const std::vector<Batch>& batches) {
    UpdateGradient gradient;
    ++update;
    for (size_t i = 0; i < batches.size(); ++i) {
      const auto loss = [&](const Pass& pass) { return translation_loss(*model, batches[i], options, pass); };
      add_batch(gradient, model->parameters(), loss, options, {update, static_cast<int>(i)});
    }
    Tensor flat = model->parameters().flat();
    optimizer->step(flat, gradient.sum->flat(), {1e-4, 1e-3});
  }
  std::unique_ptr<Model> model;
  TrainOptions options;
  std::optional<Optimizer> optimizer;
  int64_t update = 0;
};

void expect_described(const ModelConfig& config, const char* compute, int update_freq = 1) {
  const Batch batch = batch_of(40, 21, 24);
  release_cached_memory();
  const int64_t before = memory_use().in_use;
  Training training(config, compute);
  reset_peak_memory();
  for (int i = 0; i < 2; ++i) {
    training.step(std::vector<Batch>(static_cast<size_t>(update_freq), batch));
  }
  const auto measured = static_cast<double>(memory_use().peak - before);
  DescribeOptions options;
  options.batch_tokens = static_cast<int>(batch.target_tokens());
  options.source_batch_tokens = static_cast<int>(batch.source_tokens());
  options.compute = dtype_of_name(compute);
  options.update_freq = update_freq;
  const auto said = static_cast<double>(describe(config, options).training_step_bytes);
  EXPECT_NEAR(said / measured, 1, 0.1) << compute << ": " << said << " bytes said, " << measured << " measured";
}

TEST(StepMemory, is_what_describe_said_within_a_tenth) {
  for (const char* compute : {"float32", "bfloat16"}) {
    const auto check = [&](const char* what, const auto& change) {
      SCOPED_TRACE(what);
      ModelConfig config = base();
      change(config);
      expect_described(config, compute);
    };
    check("as it is", [](ModelConfig&) {});
    check("no dropout", [](ModelConfig& c) { c.dropout = 0; });
    check("one vocabulary", [](ModelConfig& c) { c.tied_embeddings = "all"; });
    check("a large vocabulary", [](ModelConfig& c) { c.source_vocabulary = c.target_vocabulary = 8000; });
    check("untied", [](ModelConfig& c) { c.tied_embeddings = "none", c.target_vocabulary = 3000; });
    check("post-norm", [](ModelConfig& c) { c.norm_position = "post"; });
    check("a norm in attention", [](ModelConfig& c) { c.attention_norm = "rms_norm"; });
    check("gelu", [](ModelConfig& c) { c.activation = "gelu"; });
    check("gated", [](ModelConfig& c) { c.activation = "silu", c.gated_feed_forward = true; });
    check("deep encoder", [](ModelConfig& c) { c.encoder_layers = 6, c.decoder_layers = 1; });
    check("convolutions in the encoder", [](ModelConfig& c) { c.encoder_mixer = "convolution"; });
    check("convolutions", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "convolution"; });
    check("local", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "local", c.window = 8; });
    check("local, global tokens", [](ModelConfig& c) { c.encoder_mixer = "local", c.global_tokens = 1; });
    check("bigbird", [](ModelConfig& c) { c.encoder_mixer = "bigbird", c.block = 4; });
    check("linformer",
          [](ModelConfig& c) { c.encoder_mixer = "linformer", c.max_positions = 32, c.projected_length = 8; });
    check("lsh", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "lsh", c.lsh_chunk = 4; });
    check("performer", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "performer"; });
    check("linear", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "linear"; });
    check("nystrom", [](ModelConfig& c) { c.encoder_mixer = "nystrom", c.landmarks = 8; });
    check("gMLP in the encoder", [](ModelConfig& c) { c.encoder_mixer = "spatial_gating", c.max_positions = 32; });
    check("gMLP", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "spatial_gating", c.max_positions = 32; });
    check("additive gates", [](ModelConfig& c) {
      c.encoder_mixer = c.decoder_mixer = "spatial_gating", c.max_positions = 32, c.spatial_gate = "additive";
    });
    check("aMLP", [](ModelConfig& c) {
      c.encoder_mixer = c.decoder_mixer = "spatial_gating", c.max_positions = 32, c.tiny_attention = 32;
    });
    check("reversible", [](ModelConfig& c) { c.reversible = true; });
    check("reversible, deep", [](ModelConfig& c) { c.reversible = true, c.encoder_layers = c.decoder_layers = 6; });
    check("reversible gMLP", [](ModelConfig& c) {
      c.reversible = true, c.encoder_mixer = c.decoder_mixer = "spatial_gating", c.max_positions = 32;
    });
    check("feed-forward in chunks", [](ModelConfig& c) { c.feed_forward_chunk = 64, c.feed_forward = 512; });
    check("reversible, feed-forward in chunks",
          [](ModelConfig& c) { c.reversible = true, c.feed_forward_chunk = 64, c.feed_forward = 1024; });
    check("wide", [](ModelConfig& c) { c.width = 128, c.heads = 8, c.feed_forward = 128; });
    check("narrow inner layer", [](ModelConfig& c) { c.feed_forward = 64; });
  }
  expect_described(base(), "float32", 3);
}

TEST(StepMemory, of_a_recurrent_model_is_what_describe_said_within_a_tenth) {
  const testing::Threads one(1);  // steps are small, and a busy machine makes their ends wait for one another
  for (const char* compute : {"float32", "bfloat16"}) {
    const auto check = [&](const char* architecture, const char* what, const auto& change) {
      SCOPED_TRACE(std::string(architecture) + ", " + what);
      ModelConfig config = defaults_of(architecture);
      config.width = 64;
      config.source_vocabulary = config.target_vocabulary = 500;
      change(config);
      expect_described(config, compute);
    };
    for (const char* architecture : {"rnn", "gru", "lstm"}) {
      check(architecture, "as it is", [](ModelConfig&) {});
      check(architecture, "no dropout", [](ModelConfig& c) { c.dropout = 0; });
      check(architecture, "deep", [](ModelConfig& c) { c.encoder_layers = c.decoder_layers = 4; });
      check(architecture, "both ways", [](ModelConfig& c) { c.bidirectional = true, c.reverse_source = false; });
      check(architecture, "wide", [](ModelConfig& c) { c.width = 192; });
      check(architecture, "the vector in the other way",
            [](ModelConfig& c) { c.source_vector = c.source_vector == "start" ? "every_step" : "start"; });
    }
    check("gru", "reset after", [](ModelConfig& c) { c.gru_reset = "after"; });
    for (const char* architecture : {"bahdanau", "luong"}) {
      check(architecture, "as it is", [](ModelConfig&) {});
      check(architecture, "no dropout", [](ModelConfig& c) { c.dropout = 0; });
      check(architecture, "wide", [](ModelConfig& c) { c.width = 192; });
      check(architecture, "one vocabulary", [](ModelConfig& c) { c.tied_embeddings = "all"; });
    }
    check("bahdanau", "reset after", [](ModelConfig& c) { c.gru_reset = "after"; });
    check("bahdanau", "deep encoder", [](ModelConfig& c) { c.encoder_layers = 3; });
    check("luong", "one layer", [](ModelConfig& c) { c.encoder_layers = c.decoder_layers = 1; });
    check("luong", "deep", [](ModelConfig& c) { c.encoder_layers = c.decoder_layers = 4; });
    check("luong", "gru", [](ModelConfig& c) { c.cell = "gru"; });
    check("luong", "rnn", [](ModelConfig& c) { c.cell = "rnn"; });
    check("luong", "dot", [](ModelConfig& c) { c.cross_mixer = "dot"; });
    check("luong", "concat", [](ModelConfig& c) { c.cross_mixer = "concat"; });
    check("luong", "location", [](ModelConfig& c) { c.cross_mixer = "location"; });
    check("luong", "local-p", [](ModelConfig& c) { c.attention_window = "local-p"; });
    check("luong", "both ways", [](ModelConfig& c) { c.bidirectional = true; });
    check("luong", "no feeding", [](ModelConfig& c) { c.input_feeding = false; });
    check("luong", "no feeding, concat", [](ModelConfig& c) { c.input_feeding = false, c.cross_mixer = "concat"; });
    check("luong", "no feeding, local-p",
          [](ModelConfig& c) { c.input_feeding = false, c.attention_window = "local-p"; });
  }
}

TEST(StepMemory, of_convolutions_is_what_describe_said_within_a_tenth) {
  for (const char* compute : {"float32", "bfloat16"}) {
    const auto check = [&](const char* what, const auto& change) {
      SCOPED_TRACE(what);
      ModelConfig config = defaults_of("convolutional");
      config.encoder_layers = config.decoder_layers = 3;
      config.width = 64, config.max_positions = 64;
      config.source_vocabulary = config.target_vocabulary = 500;
      change(config);
      expect_described(config, compute);
    };
    check("as it is", [](ModelConfig&) {});
    check("no dropout", [](ModelConfig& c) { c.dropout = 0; });
    check("one vocabulary", [](ModelConfig& c) { c.tied_embeddings = "all"; });
    check("untied", [](ModelConfig& c) { c.tied_embeddings = "none", c.target_vocabulary = 3000; });
    check("deep encoder", [](ModelConfig& c) { c.encoder_layers = 6, c.decoder_layers = 1; });
    check("wide kernel", [](ModelConfig& c) { c.kernel_width = 7; });
    check("more channels", [](ModelConfig& c) { c.channels = "128"; });
    check("growing channels", [](ModelConfig& c) { c.channels = "64,96,128"; });
  }
}

// Two updates of a task that reads text alone.
template <class OfTask, class Kind, class Text>
void expect_described(const ModelConfig& config, const char* compute, const Text& text) {
  TrainOptions options;
  options.compute_type = compute;
  options.batch_tokens = 64 * 40;
  options.sequence_length = 64;
  DescribeOptions what;
  what.batch_tokens = options.batch_tokens;
  what.length = options.sequence_length;
  what.compute = dtype_of_name(compute);
  release_cached_memory();
  const int64_t before = memory_use().in_use;
  Kind model(config);
  model.parameters().allocate();
  initialise(model.parameters(), Rng(1));
  Optimizer optimizer({}, model.parameters().flat_elements(), DType::float32);
  OfTask objective(model, text, nullptr, options);
  reset_peak_memory();
  for (int64_t update = 1; update <= 2; ++update) {
    UpdateGradient gradient;
    add_batch(gradient, model.parameters(), [&](const Pass& pass) { return objective.loss(0, 0, pass); }, options,
              {update, 0});
    Tensor flat = model.parameters().flat();
    optimizer.step(flat, gradient.sum->flat(), {1e-4, 1e-3});
  }
  const auto measured = static_cast<double>(memory_use().peak - before);
  const auto said = static_cast<double>(describe(config, what).training_step_bytes);
  EXPECT_NEAR(said / measured, 1, 0.1) << config.task << ' ' << compute << ' ' << config.norm_position << ": " << said
                                       << " bytes said, " << measured << " measured";
}

TEST(StepMemory, of_language_models_is_what_describe_said_within_a_tenth) {
  std::vector<Document> documents(40);
  PlainText plain;
  for (Document& document : documents) {
    document.assign(1, std::string(2 * 62, ' '));
    for (size_t i = 0; i < 62; ++i) document[0][2 * i] = static_cast<char>('a' + i % 26);
    plain.lines.push_back(document[0] + "a a");
  }
  std::string words = "<unk>\n<s>\n</s>\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) words += std::string(1, c) + "\n";
  const auto tokenizer = Tokenizer::from_bytes(words, {.kind = TokenizerKind::words, .mask_pieces = true});
  const PackedText packed(documents, *tokenizer, {.sequence_length = 64});
  const TextStream stream(plain, *tokenizer);
  for (const char* compute : {"float32", "bfloat16"}) {
    for (const char* norm : {"pre", "post"}) {
      for (const char* task : {"masked_language_model", "language_model"}) {
        ModelConfig config = defaults_of("transformer", task);
        config.encoder_layers = config.decoder_layers = 4;
        config.width = 64, config.heads = 4, config.feed_forward = 256;
        config.source_vocabulary = config.target_vocabulary = 2000;
        config.norm_position = norm;
        if (config.task == language_model_task) {
          expect_described<LanguageObjective, LanguageModel>(config, compute, stream);
        } else {
          expect_described<MaskedLanguageObjective, MaskedLanguageModel>(config, compute, packed);
        }
      }
    }
  }
}

// Bytes that a step of a model so deep needs beside what lives between steps: weights, packed ones and moments.
int64_t step_peak(ModelConfig config, int depth) {
  config.encoder_layers = config.decoder_layers = depth;
  Training training(config, "float32");
  const std::vector<Batch> batches{batch_of(40, 40, 40)};
  training.step(batches);
  release_cached_memory();
  reset_peak_memory();
  const int64_t before = memory_use().in_use;
  training.step(batches);
  return memory_use().peak - before;
}

TEST(StepMemory, of_a_reversible_model_grows_with_depth_by_the_gradients_alone) {
  ModelConfig config = base();
  const auto parameters_of_depth = [&](int depth) {
    ModelConfig deep = config;
    deep.encoder_layers = deep.decoder_layers = depth;
    return describe(deep).weight_bytes;
  };
  const int64_t parameters = parameters_of_depth(8) - parameters_of_depth(2);
  const int64_t kept = step_peak(config, 8) - step_peak(config, 2);
  config.reversible = true;
  const int64_t rebuilt = step_peak(config, 8) - step_peak(config, 2);
  EXPECT_LE(rebuilt, 1.05 * static_cast<double>(parameters));
  EXPECT_GE(rebuilt, parameters);
  EXPECT_GT(kept, 10 * rebuilt);
}

TEST(StepMemory, is_not_asked_for_again_once_the_batches_have_come_by_a_few_times) {
  if (!reuses_storage) GTEST_SKIP();
  for (const char* compute : {"float32", "bfloat16"}) {
    release_cached_memory();
    Training training(base(), compute);
    const std::vector<std::vector<Batch>> updates{
        {batch_of(40, 24, 24)}, {batch_of(33, 21, 27)}, {batch_of(38, 25, 22)}};
    for (int round = 0; round < 6; ++round) {  // until blocks of the largest sizes are there
      for (const auto& batches : updates) training.step(batches);
    }
    const int64_t allocations = memory_use().allocations;
    for (int round = 0; round < 2; ++round) {
      for (const auto& batches : updates) training.step(batches);
    }
    EXPECT_EQ(memory_use().allocations, allocations) << compute;
  }
}

}  // namespace
}  // namespace attune
