#include "attune/cli/model_evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/label_report.h"
#include "attune/cli/option_table.h"
#include "attune/cli/option_value.h"
#include "attune/cli/suggest.h"
#include "attune/data/labelled_text.h"
#include "attune/models/architecture.h"
#include "attune/models/model_directory.h"
#include "attune/models/task.h"
#include "attune/train/language_objective.h"

namespace attune::cli {

namespace {

using Json = nlohmann::ordered_json;

// What the directory's other files and the weights' names hang on.
constexpr std::array<std::string_view, 7> fixed{"task",      "architecture",     "tokenizer", "vocab-size",
                                                "lowercase", "joint-vocabulary", "labels"};

void set_one(ModelConfig& config, const std::string& setting) {
  const size_t equals = setting.find('=');
  check_usage(equals != std::string::npos, "--set: expected KEY=VALUE, got \"", setting, "\"");
  const std::string key = setting.substr(0, equals);
  std::vector<std::string> known;
  bool found = false;
  ModelConfig::visit(config, [&](const char* name, auto& field, const char*) {
    known.emplace_back(name);
    if (name == key) {
      found = true;
      check_usage(std::find(fixed.begin(), fixed.end(), key) == fixed.end(), "--set: ", key,
                  " cannot be another one than the model's");
      check_key(config, key, "--set " + key);
      read_value(&field, {setting.substr(equals + 1)}, "--set " + key);
    }
  });
  check_usage(found, "--set: unknown key ", key,
              suggestion(key, known, "", "; attune train --help lists the keys of a model"));
}

ModelConfig config_of(const ModelEvaluation& evaluation) {
  ModelConfig config = load_config(evaluation.model);
  for (const std::string& setting : evaluation.set) {
    set_one(config, setting);
  }
  check_config(config);
  return config;
}

// Only those of the settings that mean something to the task.
void check_evaluation(const ModelEvaluation& evaluation, const ModelConfig& config) {
  const bool of_language = config.task == language_model_task;
  check_usage(of_language || config.task == "classification", evaluation.model, ": holds a model for the task ",
              config.task, ", expected language_model or classification");
  check_usage(of_language || !evaluation.completions, "--completions: ", evaluation.model,
              " classifies texts; leave it out");
  check_usage(of_language || evaluation.test.size() == 1, "--test: expected one file of text<TAB>label, got ",
              evaluation.test.size());
}

TextStream read_stream(const ModelEvaluation& evaluation, const Tokenizer& tokenizer) {
  return evaluation.completions ? TextStream::of(read_completions(evaluation.test), tokenizer)
                                : TextStream(read_text(evaluation.test), tokenizer);
}

std::string evaluate_language_model(const ModelEvaluation& evaluation, const ModelConfig& config, bool json) {
  const auto tokenizer = load_tokenizers(evaluation.model, config).source;
  LanguageModel model(config);
  load_weights(model, evaluation.model);
  const TextStream text = read_stream(evaluation, *tokenizer);
  if (decoder_ends_at_max_positions(config)) {
    for (const Window& window : windows(text, evaluation.sequence_length, evaluation.sequence_length)) {
      check(window.length <= config.max_positions, listed(evaluation.test), ": a sequence of ", window.length,
            " pieces, but the model reads at most ", config.max_positions, " (max-positions)");
    }
  }
  const LanguageScore score = language_score(
      model, text, {evaluation.batch_tokens, evaluation.sequence_length, dtype_of_name(evaluation.compute_type)});
  if (json) {
    const Json result{{"task", config.task},
                      {"pieces", text.predicted()},
                      {"nll", score.nll},
                      {"perplexity", std::exp(score.nll)},
                      {"accuracy", score.accuracy}};
    return result.dump() + "\n";
  }
  return fmt::format("{}: nll {:.4f}, perplexity {:.3f}, accuracy {:.4f} over {} pieces\n", listed(evaluation.test),
                     score.nll, std::exp(score.nll), score.accuracy, with_separators(text.predicted()));
}

std::string evaluate_classifier(const ModelEvaluation& evaluation, const ModelConfig& config, bool json) {
  const auto tokenizer = load_tokenizers(evaluation.model, config).source;
  const Labels labels = load_labels(evaluation.model, config);
  ClassificationModel model(config);
  load_weights(model, evaluation.model);
  const LabelledText text = read_labelled_text(evaluation.test.front());
  const std::vector<int> gold = label_ids(text, labels, evaluation.test.front());
  const std::vector<Example> examples = encode_texts(text.texts, *tokenizer, text_options(config));
  const LabelScore score =
      label_score(predictions(model, examples, {evaluation.batch_tokens, dtype_of_name(evaluation.compute_type)}), gold,
                  labels.count());
  if (json) {
    const Json result{{"task", config.task},
                      {"texts", gold.size()},
                      {"nll", score.nll},
                      {"accuracy", score.labels.accuracy},
                      {"macro_f1", score.labels.macro_f1}};
    return result.dump() + "\n";
  }
  return label_report(score, labels, listed(evaluation.test));
}

}  // namespace

std::string evaluate_model(const ModelEvaluation& evaluation, bool json) {
  check_whole("--batch-tokens", evaluation.batch_tokens, {1, 100'000'000});
  check_whole("--sequence-length", evaluation.sequence_length, {8, 1 << 20});
  check_word("--compute-type", evaluation.compute_type, {"float32", "bfloat16"});
  use_threads(evaluation.threads);
  check_usage(!evaluation.model.empty(), "--model is missing: the directory of the model that is tested");
  const ModelConfig config = config_of(evaluation);
  check_evaluation(evaluation, config);
  return config.task == language_model_task ? evaluate_language_model(evaluation, config, json)
                                            : evaluate_classifier(evaluation, config, json);
}

}  // namespace attune::cli
