#include "attune/cli/label_training.h"

#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/label_report.h"

namespace attune::cli {

void check_one_file(const TrainingRun& run, const char* form) {
  check_usage(!run.train.empty(), "--train is missing: a file of ", form);
  for (const auto& [key, files] : {std::pair{"--train", &run.train}, std::pair{"--valid", &run.valid}}) {
    check_usage(files->size() <= 1, key, ": expected one file of ", form, ", got ", files->size(),
                " files: ", listed(*files));
  }
}

void set_labels(ModelConfig& config, const Labels& labels) {
  check_usage(config.labels == 0 || config.labels == labels.count(), "labels: the training data has ", labels.count(),
              ", the config says ", config.labels);
  check(labels.count() >= 2, "the training data has one label alone, \"", labels.name(0),
        "\"; expected at least two to tell apart");
  config.labels = labels.count();
}

ModelConfig sized(const ModelConfig& config, const Tokenizers& tokenizers, const Labels& labels) {
  ModelConfig result = sized(config, tokenizers);
  set_labels(result, labels);
  return result;
}

std::vector<size_t> short_enough(const std::vector<Example>& examples, int longest) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (longest == 0 || examples[i].source.size() <= static_cast<size_t>(longest)) {
      kept.push_back(i);
    }
  }
  check(!kept.empty(), "validation data: all ", examples.size(), " examples are longer than max-train-length (",
        longest, " pieces); give shorter ones or raise it");
  return kept;
}

void say_what_was_read_of(const ReadTexts& texts, const TrainingRun& run) {
  const Dropped& dropped = texts.train.dropped();
  note("training data: {} of {} {} from {}", with_separators(texts.train.size()),
       with_separators(std::ssize(texts.train.examples())), texts.things, listed(run.train));
  if (dropped.empty + dropped.too_long > 0) {
    note("  left out: {} empty, {} longer than {} pieces (--max-train-length)", with_separators(dropped.empty),
         with_separators(dropped.too_long), run.options.max_train_length);
  }
  if (!run.valid.empty()) {
    note("validation data: {} of {} {} from {}", with_separators(texts.valid_used), with_separators(texts.valid),
         texts.things, listed(run.valid));
  }
}

void say_labels_and_model(const EncoderModel& model, const Labels& labels, int batches) {
  const ModelConfig& config = model.config();
  note("labels: {}; model: {}, {} layers of width {}, {} parameters; {} batches an epoch", labels.count(), config.task,
       config.encoder_layers, config.width, with_separators(model.parameters().count()), with_separators(batches));
}

void say_report(const LabelScore& score, const Labels& labels) {
  std::string text = label_report(score, labels, "validation data");
  text.pop_back();
  note_line(text);
}

}  // namespace attune::cli
