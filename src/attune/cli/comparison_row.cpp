#include "attune/cli/comparison_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/json.h"
#include "attune/base/text.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/length_buckets.h"
#include "attune/cli/training_task.h"
#include "attune/cli/translation_score.h"
#include "attune/data/encode.h"
#include "attune/decode/cross_attention.h"
#include "attune/models/task.h"
#include "attune/tensor/atomic_file.h"
#include "attune/train/final_model.h"
#include "attune/train/manifest.h"
#include "attune/train/translation_objective.h"

namespace attune::cli {

namespace {

using Json = nlohmann::json;
constexpr int format = 1;

std::string result_path(const ComparisonRow& row) {
  return row.run.directory + "/comparison.json";
}

// A result that cannot be read is no result: it can be had again.
std::optional<RowResult> read_result(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  try {
    const Json json = parse_json_object(read_file(path, 1 << 20), path, 2);
    check(json.at("format-version") == format, path, ": format-version ", json.at("format-version").dump(),
          ", expected ", format);
    RowResult result;
    json.at("figures").get_to(result.figures);
    json.at("signature").get_to(result.signature);
    json.at("measured_on").get_to(result.measured_on);
    return result;
  } catch (const Json::exception& error) {
    warn("{}: is damaged ({}); the row is measured again", path, error.what());
  } catch (const Error& error) {
    warn("{}; the row is measured again", error.what());
  }
  return std::nullopt;
}

void write_result(const std::string& path, const RowResult& result) {
  const Json json = {{"format-version", format},
                     {"figures", result.figures},
                     {"signature", result.signature},
                     {"measured_on", result.measured_on}};
  write_file_atomically(path, json.dump(1) + "\n");
}

struct Texts {
  ParallelCorpus valid, test;
};

std::string checksum_of(const std::string& file) {
  const Manifest::File found = describe_file(file);
  return fmt::format("{} bytes, checksum {:08x}", found.size, found.crc32);
}

std::map<std::string, std::string> what_is_measured(const ComparisonRow& row, const Texts& texts) {
  std::map<std::string, std::string> on = {{"model", checksum_of(model_path(row.run.directory))},
                                           {"valid (source)", fingerprint(texts.valid.source)},
                                           {"valid (target)", fingerprint(texts.valid.target)},
                                           {"test (source)", fingerprint(texts.test.source)},
                                           {"test (target)", fingerprint(texts.test.target)}};
  on["length-bounds"] = fmt::format("{}", fmt::join(row.length_bounds, " "));
  SearchOptions::visit(row.search, [&](const char* key, const auto& value, const char*) { on[key] = text_of(value); });
  return on;
}

// Of the sentences in each bucket; a bucket without any has no figure.
void add_bleu_by_length(RowResult& result, const ComparisonRow& row, const ParallelCorpus& test,
                        const std::vector<std::string>& outputs, const BleuOptions& how) {
  for (const LengthBucket& bucket : length_buckets(row.length_bounds)) {
    std::vector<std::string> some, references;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (bucket.holds(words_in(test.source[i]))) {
        some.push_back(outputs[i]);
        references.push_back(test.target[i]);
      }
    }
    if (!some.empty()) {
      result.figures["bleu_" + bucket.key()] = bleu(some, std::span(&references, 1), how).score;
    }
  }
}

// The model that came out: its loss without dropout, how it attends, and its translations.
RowResult measure_translation(const ComparisonRow& row, const Texts& texts) {
  const LoadedModel loaded = load_model(row.run.directory);
  const auto& [model, tokenizers] = loaded;
  RowResult result;
  result.figures["parameters"] = static_cast<double>(model->parameters().count());
  const std::vector<Example> valid = encode(texts.valid, *tokenizers.source, *tokenizers.target);
  const double nll = validation_nll(*model, valid, {row.run.options.batch_tokens, compute_type(row.run.options)});
  result.figures["valid_nll"] = nll;
  result.figures["valid_perplexity"] = std::exp(nll);
  const AttentionEntropy attention = attention_entropy(*model, valid, {row.run.options.batch_tokens});
  if (attention.rows > 0) {
    result.figures["attention_entropy"] = attention.entropy;
    result.figures["even_entropy"] = attention.even;
  }
  SearchOptions greedy = row.search;
  greedy.beam_size = 1;
  result.figures["bleu_greedy"] = translation_bleu(*model, tokenizers, texts.test, greedy, row.name + ", greedy").score;
  const BleuOptions how = bleu_options(model->config());
  const auto outputs = translated_texts(*model, tokenizers, texts.test.source, row.search, row.name + ", beam");
  const Bleu beam = bleu(outputs, std::span(&texts.test.target, 1), how);
  result.figures["bleu_beam"] = beam.score;
  result.signature = beam.signature;
  add_bleu_by_length(result, row, texts.test, outputs, how);
  return result;
}

// The same of any other task: what its validation says, of the weights that came out.
RowResult measure_objective(const ComparisonRow& row) {
  const auto training = training_task(row.run.config.task).prepare(row.run);
  Objective& objective = training->objective();
  load_weights(objective.network(), row.run.directory);
  const ValidationFigures validation = objective.validate();
  RowResult result;
  result.figures["parameters"] = static_cast<double>(objective.network().parameters().count());
  result.figures["valid_nll"] = validation.nll;
  if (task_of_name(row.run.config.task).has_perplexity) {
    result.figures["valid_perplexity"] = std::exp(validation.nll);
  }
  if (validation.score) {
    result.figures["valid_" + validation.score->key] = validation.score->value;
  }
  if (const auto baseline = objective.baseline()) {
    result.figures["baseline_nll"] = baseline->nll;
    if (baseline->score) {
      result.figures["baseline_" + baseline->score->key] = baseline->score->value;
    }
  }
  return result;
}

std::map<std::string, std::string> what_is_measured(const ComparisonRow& row) {
  std::map<std::string, std::string> on = {{"model", checksum_of(model_path(row.run.directory))}};
  for (const auto& [key, files] : {std::pair{"train", &row.run.train}, std::pair{"valid", &row.run.valid}}) {
    for (size_t i = 0; i < files->size(); ++i) {
      on[fmt::format("{} {}", key, i + 1)] = checksum_of((*files)[i]);
    }
  }
  return on;
}

// A finished run whose checkpoints were thrown away no longer knows them: then those of the last measurement hold, if
// it was of the same model.
void add_training_figures(RowResult& result, const TrainResult& trained, const std::optional<RowResult>& before) {
  if (trained.already_finished && !trained.resumed_from) {
    const bool same = before && before->measured_on.at("model") == result.measured_on.at("model");
    for (const char* key : {"updates", "minutes", "tokens_per_second"}) {
      if (same && before->figures.count(key) == 1) {
        result.figures[key] = before->figures.at(key);
      }
    }
    return;
  }
  result.figures["updates"] = static_cast<double>(trained.update);
  result.figures["minutes"] = trained.seconds / 60;
  if (trained.seconds > 0) {
    result.figures["tokens_per_second"] = static_cast<double>(trained.tokens) / trained.seconds;
  }
}

}  // namespace

void check_row(const ComparisonRow& row) {
  check_run(row.run);
  check_usage(!row.run.valid.empty(), "--valid is missing: the validation data, in files as the training data's");
  check_options(row.search);
  for (const CorpusFiles* files : {&row.run.train, &row.run.valid, &row.test}) {
    check_usage(std::find(files->begin(), files->end(), "-") == files->end(),
                "standard input can be read only once, but each row reads its corpora; give files");
  }
}

std::optional<RowOutcome> run_row(const ComparisonRow& row) {
  const TrainResult trained = run_training(row.run);
  if (InterruptGuard::requested()) {  // perhaps only after the last update
    return std::nullopt;
  }
  const bool translation = translates(row.run.config);
  const Texts texts = translation ? Texts{read_corpus(row.run.valid), read_corpus(row.test)} : Texts{};
  const auto measured_on = translation ? what_is_measured(row, texts) : what_is_measured(row);
  const std::optional<RowResult> before = read_result(result_path(row));
  const bool known = before && before->measured_on == measured_on;
  RowResult result = known ? *before : translation ? measure_translation(row, texts) : measure_objective(row);
  for (const auto& [key, value] : result.figures) {
    check(std::isfinite(value), row.run.directory, ": the model's ", key, " is ", value);
  }
  result.measured_on = measured_on;
  add_training_figures(result, trained, before);
  if (!before || result != *before) {
    write_result(result_path(row), result);
  }
  return RowOutcome{std::move(result), trained.already_finished && known};
}

}  // namespace attune::cli
