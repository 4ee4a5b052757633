// For tests: the smallest model that trains: the next piece from the one before and the source's first piece.
#pragma once

#include <unistd.h>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "attune/base/rng.h"
#include "attune/models/model.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"
#include "attune/train/trainer.h"
#include "attune/train/translation_objective.h"

namespace attune {

class BigramModel : public Model {
 public:
  struct Setup {
    double dropout = 0.1;
    DType dtype = DType::float32;
    int vocabulary = 12, width = 8;
  };
  explicit BigramModel(const Setup& setup) : setup_(setup) {
    config_.width = setup.width;
    config_.source_vocabulary = config_.target_vocabulary = setup.vocabulary;
    const Initialiser start{Initialiser::Kind::normal, 0.3};
    table_ = Parameter({setup.vocabulary, setup.width}, start);
    source_ = Parameter({setup.vocabulary, setup.width}, start);
    weight_ = Parameter({setup.vocabulary, setup.width}, start);
    bias_ = Parameter({setup.vocabulary}, start);
    parameters_ = parameters_of(*this);
    parameters_.allocate(setup.dtype);
    const Rng rng(5);
    for (size_t i = 0; i < parameters_.entries().size(); ++i) {
      Tensor view = parameters_.view_of(parameters_.flat(), i);
      std::vector<double> values(static_cast<size_t>(view.elements()));
      for (size_t j = 0; j < values.size(); ++j) {
        values[j] = 0.3 * rng.stream(i).normal(j);
      }
      view.copy_from(Tensor::of<double>(view.shape(), values));
    }
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("table", self.table_);
    each("source", self.source_);
    each("weight", self.weight_);
    each("bias", self.bias_);
  }

  const ModelConfig& config() const override { return config_; }
  Parameters& parameters() override { return parameters_; }
  OutputLayer output() const override { return {weight_, bias_}; }

  Tensor hidden(const Batch& batch, const Pass& pass) const override {
    std::vector<int32_t> first;
    for (int i = 0; i < batch.count(); ++i) {
      first.insert(first.end(), static_cast<size_t>(batch.targets.length(i)),
                   batch.source[static_cast<size_t>(batch.sources.begin(i))]);
    }
    const Tensor sum = add(embedding(table_, batch.target_input), embedding(source_, first));
    return drop(sum, setup_.dropout, pass.within("dropout"));
  }

  std::unique_ptr<DecodingState> start(std::span<const int32_t>, const Segments&, std::span<const int>,
                                       const Pass&) const override {
    fail("not for decoding");
  }
  Tensor step(DecodingState&, std::span<const int32_t>, const Pass&) const override { fail("not for decoding"); }

 private:
  Setup setup_;
  ModelConfig config_;
  Parameter table_, source_, weight_, bias_;
  Parameters parameters_;
};

// Sentences in which each piece follows from the one before and the source's first piece.
inline std::vector<Example> bigram_examples(int count, uint64_t seed = 1) {
  std::vector<Example> examples;
  const Rng rng(seed);
  for (int i = 0; i < count; ++i) {
    const Rng mine = rng.stream(static_cast<uint64_t>(i));
    Example example;
    example.source = {3 + static_cast<int>(mine.below(0, 3)), 4};
    int piece = 3 + static_cast<int>(mine.below(1, 9));
    for (uint64_t j = 0; j < 3 + mine.below(2, 5); ++j) {
      example.target.push_back(piece);
      piece = 3 + (piece - 3 + example.source[0]) % 9;
    }
    examples.push_back(example);
  }
  return examples;
}

// A directory of its own that goes away with it; in memory where there is such a place, for fsync there costs nothing.
struct TemporaryDirectory {
  TemporaryDirectory() {
    static int number = 0;
    const std::filesystem::path memory = "/dev/shm";
    path = ((std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path()) /
            ("attune_train_" + std::to_string(::getpid()) + "_" + std::to_string(number++)))
               .string();
    std::filesystem::create_directories(path);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string path;
};

// Options for runs of some dozens of updates: 300 sentences make about 20 batches an epoch.
inline TrainOptions small_options() {
  TrainOptions options;
  options.max_update = 50;
  options.max_epoch = 0;
  options.batch_tokens = 100;
  options.warmup_updates = 5;
  options.lr = 0.02;
  options.log_freq = 7;
  options.save_freq = 10;
  options.threads = 1;
  return options;
}

struct Outcome {
  TrainResult result;
  std::vector<Report> reports;
  std::vector<std::string> notes;
  std::vector<double> weights;  // all of them, padding included
};

struct Conditions {
  int64_t stop_before = -1;  // the stop callback says yes at this update
  std::string directory;
  bool validation = true;
};

inline Outcome run_training(const TrainOptions& options, const Conditions& conditions,
                            const BigramModel::Setup& setup = {}) {
  BigramModel model(setup);
  Batcher data(bigram_examples(300), batch_options(options));
  Outcome outcome;
  int64_t update = -1;
  TrainRun run;
  run.directory = conditions.directory;
  Validation validation;
  if (conditions.validation) {
    validation.examples = bigram_examples(40, 99);
  }
  TranslationObjective objective(model, data, options, validation);
  run.callbacks.report = [&](const Report& report) { outcome.reports.push_back(report); };
  run.callbacks.progress = [&](const Progress& progress) { update = progress.update; };
  run.callbacks.stop = [&] { return conditions.stop_before >= 0 && update >= conditions.stop_before; };
  run.callbacks.note = [&](const std::string& line) { outcome.notes.push_back(line); };
  outcome.result = train(objective, options, run);
  const Tensor& flat = model.parameters().flat();
  for (int64_t i = 0; i < flat.elements(); ++i) {
    outcome.weights.push_back(flat.at(i));
  }
  return outcome;
}

}  // namespace attune
