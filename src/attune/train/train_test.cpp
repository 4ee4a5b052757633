#include "attune/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>

#include "attune/autograd/parameter_files.h"
#include "attune/base/parallel.h"
#include "attune/tensor/safetensors.h"
#include "attune/text/tokenizer.h"
#include "attune/train/bigram_model_test.h"
#include "attune/train/update.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    largest = std::max(largest, std::abs(a.at(i) - b.at(i)));
  }
  return largest;
}

TEST(Train, the_loss_falls_for_every_optimizer) {
  for (const char* optimizer : {"adam", "adamw", "sgd"}) {
    const TemporaryDirectory directory;
    TrainOptions options = small_options();
    options.optimizer = optimizer;
    options.max_update = 120;
    options.log_freq = 20;
    if (options.optimizer == "sgd") {
      options.lr = 0.5;
      options.nesterov = true;
    }
    const Outcome outcome = run_training(options, {.directory = directory.path});
    ASSERT_GE(outcome.reports.size(), 6U);
    EXPECT_LT(outcome.reports.back().nll, 0.8 * outcome.reports.front().nll) << optimizer;
    EXPECT_LT(*outcome.result.valid_nll, 0.8 * outcome.reports.front().nll) << optimizer;
    EXPECT_EQ(outcome.result.stopped_by, "max-update");
    EXPECT_EQ(outcome.result.update, 120);
  }
}

TEST(Train, reports_what_it_says) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.valid_freq = 14;
  const Outcome outcome = run_training(options, {.directory = directory.path});
  // Every 7 updates to 49, and the final validation at 50.
  ASSERT_EQ(outcome.reports.size(), 8U);
  for (const Report& report : outcome.reports) {
    EXPECT_EQ(report.valid_nll.has_value(), report.update % 14 == 0 || report.update == 50) << report.update;
    EXPECT_FALSE(report.valid_score.has_value());
    EXPECT_GT(report.loss, 0);
    EXPECT_DOUBLE_EQ(report.perplexity, std::exp(report.nll));
    EXPECT_GT(report.gradient_norm, 0);
    EXPECT_GT(report.tokens_per_second, 0);
    EXPECT_NEAR(report.learning_rate, 0.02 * std::min(report.update / 5.0, std::sqrt(5.0 / report.update)), 1e-12);
  }
  EXPECT_EQ(outcome.reports.front().epoch, 1);
  EXPECT_GT(outcome.reports.back().epoch, 1);
  double tokens = 0, seconds = 0;
  for (const Report& report : outcome.reports) {
    tokens += report.tokens_per_second * (report.seconds - seconds);
    seconds = report.seconds;
  }
  EXPECT_NEAR(static_cast<double>(outcome.result.tokens), tokens, 0.5);
}

// A batch of the bigram model's, as the trainer adds it.
void add(UpdateGradient& into, const Model& model, const Batch& batch, const TrainOptions& options,
         const BatchPlace& place) {
  add_batch(
      into, model.parameters(), [&](const Pass& pass) { return translation_loss(model, batch, options, pass); },
      options, place);
}

TEST(Train, an_updates_gradient_is_the_sum_over_its_batches) {
  BigramModel model({.dropout = 0, .dtype = DType::float64});
  const auto examples = bigram_examples(20);
  const std::vector<int> all = {0, 1, 2, 3, 4, 5, 6}, first = {0, 1, 2}, second = {3, 4, 5, 6};
  const TrainOptions options = small_options();
  UpdateGradient whole, parts;
  add(whole, model, make_batch(examples, all), options, {.update = 1, .batch = 0});
  add(parts, model, make_batch(examples, first), options, {.update = 1, .batch = 0});
  add(parts, model, make_batch(examples, second), options, {.update = 1, .batch = 1});
  EXPECT_EQ(whole.counted, parts.counted);
  EXPECT_EQ(whole.tokens, parts.tokens);
  EXPECT_NEAR(whole.loss, parts.loss, 1e-9);
  EXPECT_NEAR(whole.nll, parts.nll, 1e-9);
  EXPECT_LT(largest_difference(whole.sum->flat(), parts.sum->flat()), 1e-12);
  EXPECT_GT(largest_difference(whole.sum->flat(), Tensor::zeros(whole.sum->flat().shape())), 1e-3);
}

TEST(Train, dropout_differs_between_the_batches_of_an_update_and_between_updates) {
  BigramModel model({.dropout = 0.5});
  const auto examples = bigram_examples(3);
  const Batch batch = make_batch(examples, std::vector<int>{0, 1, 2});
  std::vector<double> losses;
  for (const BatchPlace place : {BatchPlace{1, 0}, BatchPlace{1, 1}, BatchPlace{2, 0}, BatchPlace{1, 0}}) {
    UpdateGradient gradient;
    add(gradient, model, batch, small_options(), place);
    losses.push_back(gradient.loss);
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NE(losses[0], losses[2]);
  EXPECT_EQ(losses[0], losses[3]);
}

// Keeps what the decoder read.
class ListeningModel : public BigramModel {
 public:
  using BigramModel::BigramModel;
  Tensor hidden(const Batch& batch, const Pass& pass) const override {
    heard.push_back(batch);
    return BigramModel::hidden(batch, pass);
  }
  mutable std::vector<Batch> heard;
};

TEST(Train, word_dropout_hides_words_that_the_decoder_reads_and_nothing_else) {
  const auto examples = bigram_examples(400);
  std::vector<int> all(400);
  std::iota(all.begin(), all.end(), 0);
  const Batch batch = make_batch(examples, all);
  TrainOptions options = small_options();
  options.word_dropout = 0.3;
  ListeningModel model({.dropout = 0});
  UpdateGradient gradient;
  for (const BatchPlace place : {BatchPlace{1, 0}, BatchPlace{1, 0}, BatchPlace{2, 0}}) {
    add(gradient, model, batch, options, place);
  }
  EXPECT_EQ(model.heard[0].target_input, model.heard[1].target_input);
  EXPECT_NE(model.heard[0].target_input, model.heard[2].target_input);
  const Batch& heard = model.heard[0];
  EXPECT_EQ(heard.source, batch.source);
  EXPECT_EQ(heard.target_output, batch.target_output);
  double words = 0, hidden = 0;
  for (size_t i = 0; i < batch.target_input.size(); ++i) {
    const bool start = batch.target_input[i] == bos_id;
    words += start ? 0 : 1;
    hidden += heard.target_input[i] == batch.target_input[i] ? 0 : 1;
    EXPECT_TRUE(heard.target_input[i] == batch.target_input[i] || (!start && heard.target_input[i] == unk_id));
  }
  EXPECT_NEAR(hidden / words, 0.3, 5 * std::sqrt(0.3 * 0.7 / words));

  options.word_dropout = 0;
  add(gradient, model, batch, options, {.update = 1, .batch = 0});
  EXPECT_EQ(model.heard.back().target_input, batch.target_input);
}

TEST(Train, bits_do_not_depend_on_the_number_of_threads) {
  std::vector<Outcome> outcomes;
  for (const int count : {1, 2}) {
    const TemporaryDirectory directory;
    TrainOptions options = small_options();
    options.threads = count;
    options.update_freq = 2;
    options.ema_decay = 0.9;
    outcomes.push_back(run_training(options, {.directory = directory.path}, {.vocabulary = 300, .width = 256}));
  }
  set_threads(0);
  EXPECT_EQ(outcomes[0].weights, outcomes[1].weights);
  EXPECT_EQ(outcomes[0].reports.back().loss, outcomes[1].reports.back().loss);
}

TEST(Train, clipping_bounds_the_step) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.optimizer = "sgd";
  options.momentum = 0;
  options.lr_scheduler = "constant";
  options.warmup_updates = 0;
  options.lr = 1;
  options.clip_norm = 0.01;
  options.max_update = 1;
  const Outcome outcome = run_training(options, {.directory = directory.path});
  const Tensor before = BigramModel({}).parameters().flat();
  double squares = 0;
  for (int64_t i = 0; i < before.elements(); ++i) {
    squares += std::pow(outcome.weights[static_cast<size_t>(i)] - before.at(i), 2);
  }
  EXPECT_NEAR(std::sqrt(squares), 0.01, 1e-5);
  EXPECT_GT(outcome.reports.back().gradient_norm, 0.01);
}

TEST(Train, the_moving_average_becomes_the_model_and_is_what_validates) {
  const TemporaryDirectory with, without;
  TrainOptions options = small_options();
  const Outcome plain = run_training(options, {.directory = without.path});
  options.ema_decay = 0.95;
  const Outcome averaged = run_training(options, {.directory = with.path});
  EXPECT_NE(plain.weights, averaged.weights);
  EXPECT_EQ(plain.reports.back().nll, averaged.reports.back().nll) << "training itself is the same";
  EXPECT_NE(*plain.result.valid_nll, *averaged.result.valid_nll);
  BigramModel model({});
  load_parameters(model.parameters(), read_safetensors(with.path + "/model.safetensors"), "model.safetensors");
  EXPECT_NEAR(validation_nll(model, bigram_examples(40, 99), {}), *averaged.result.valid_nll, 1e-6);
}

TEST(Train, the_last_checkpoints_are_averaged) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.average_last = 4;
  const Outcome outcome = run_training(options, {.directory = directory.path});
  std::vector<double> mean(outcome.weights.size(), 0);
  for (const int update : {20, 30, 40, 50}) {
    BigramModel model({});
    const std::string path = directory.path + "/checkpoints/step-" + std::to_string(update) + "/weights.safetensors";
    load_parameters(model.parameters(), read_safetensors(path), path);
    for (size_t i = 0; i < mean.size(); ++i) {
      mean[i] += model.parameters().flat().at(static_cast<int64_t>(i)) / 4;
    }
  }
  for (size_t i = 0; i < mean.size(); ++i) {
    ASSERT_NEAR(outcome.weights[i], mean[i], 1e-7);
  }
  EXPECT_FALSE(fs::exists(directory.path + "/checkpoints/step-10"));
  EXPECT_FALSE(fs::exists(directory.path + "/checkpoints/step-30/buffers.safetensors"));
  EXPECT_TRUE(fs::exists(directory.path + "/checkpoints/step-40/buffers.safetensors"));
}

TEST(Train, patience_stops_and_the_best_validation_is_kept) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.max_update = 400;
  options.lr = 3;  // soon worse
  options.lr_scheduler = "constant";
  options.valid_freq = 2;
  options.patience = 3;
  options.keep_best = true;
  const Outcome outcome = run_training(options, {.directory = directory.path});
  EXPECT_EQ(outcome.result.stopped_by, "patience");
  EXPECT_EQ(outcome.result.update, outcome.result.best_update + 6);
  BigramModel model({});
  load_parameters(model.parameters(), read_safetensors(directory.path + "/model.safetensors"), "model.safetensors");
  EXPECT_NEAR(validation_nll(model, bigram_examples(40, 99), {}), *outcome.result.best_valid_nll, 1e-6);
  EXPECT_LT(*outcome.result.best_valid_nll, *outcome.result.valid_nll);
}

TEST(Train, a_plateau_lowers_the_rate) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.lr = 3;
  options.lr_scheduler = "plateau";
  options.valid_freq = 2;
  options.log_freq = 1;
  const Outcome outcome = run_training(options, {.directory = directory.path});
  EXPECT_LE(outcome.reports.back().learning_rate, 1.5);
}

TEST(Train, bleu_comes_from_the_caller) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.max_update = 4;
  options.valid_freq = 2;
  options.valid_bleu = true;
  BigramModel model({});
  Batcher data(bigram_examples(300), batch_options(options));
  TrainRun run;
  run.directory = directory.path;
  int calls = 0;
  TranslationObjective objective(model, data, options,
                                 {.examples = bigram_examples(5, 99), .bleu = [&](const Model& given) {
                                    EXPECT_EQ(&given, &model);
                                    return 10.0 * ++calls;
                                  }});
  const TrainResult result = train(objective, options, run);
  EXPECT_EQ(result.valid_score->key, "bleu");
  EXPECT_EQ(result.valid_score->value, 20.0);
  EXPECT_EQ(calls, 2);
}

TEST(Train, a_loss_that_is_not_finite_stops_it_and_leaves_the_checkpoints) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.max_update = 20;
  BigramModel model({});
  Batcher data(bigram_examples(300), batch_options(options));
  TranslationObjective objective(model, data, options);
  TrainRun run;
  run.directory = directory.path;
  run.callbacks.progress = [&](const Progress& progress) {
    if (progress.update == 13) {
      Tensor flat = model.parameters().flat();
      flat.fill(std::numeric_limits<double>::quiet_NaN());
    }
  };
  try {
    train(objective, options, run);
    ADD_FAILURE() << "trained with NaN";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("update 14"), std::string::npos) << message;
    EXPECT_NE(message.find("checkpoints/step-10"), std::string::npos) << message;
  }
  EXPECT_TRUE(has_unfinished_run(directory.path));
  EXPECT_FALSE(fs::exists(directory.path + "/checkpoints/step-14"));
  EXPECT_FALSE(fs::exists(directory.path + "/model.safetensors"));
}

TEST(Train, what_needs_validation_data_says_so) {
  const TemporaryDirectory directory;
  TrainOptions options = small_options();
  options.patience = 2;
  EXPECT_THROW(run_training(options, {.directory = directory.path, .validation = false}), UsageError);
  options.patience = 0;
  EXPECT_NO_THROW(run_training(options, {.directory = directory.path, .validation = false}));
}

TEST(Train, an_unwritable_directory_is_named) {
  const TemporaryDirectory directory;
  const std::string file = directory.path + "/file";
  std::ofstream(file) << "x";
  try {
    run_training(small_options(), {.directory = file + "/model"});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace attune
