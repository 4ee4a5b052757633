#include "attune/cli/comparison_row.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/json.h"
#include "attune/base/text.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/translation_score.h"
#include "attune/data/encode.h"
#include "attune/tensor/atomic_file.h"
#include "attune/train/final_model.h"
#include "attune/train/manifest.h"
#include "attune/train/validation.h"

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

std::map<std::string, std::string> what_is_measured(const ComparisonRow& row, const Texts& texts) {
  const Manifest::File model = describe_file(model_path(row.run.directory));
  std::map<std::string, std::string> on = {{"model", fmt::format("{} bytes, checksum {:08x}", model.size, model.crc32)},
                                           {"valid (source)", fingerprint(texts.valid.source)},
                                           {"valid (target)", fingerprint(texts.valid.target)},
                                           {"test (source)", fingerprint(texts.test.source)},
                                           {"test (target)", fingerprint(texts.test.target)}};
  SearchOptions::visit(row.search, [&](const char* key, const auto& value, const char*) { on[key] = text_of(value); });
  return on;
}

// The model that came out: its loss without dropout, and its translations.
RowResult measure(const ComparisonRow& row, const Texts& texts) {
  const LoadedModel loaded = load_model(row.run.directory);
  const auto& [model, tokenizers] = loaded;
  RowResult result;
  result.figures["parameters"] = static_cast<double>(model->parameters().count());
  const double nll = validation_nll(*model, encode(texts.valid, *tokenizers.source, *tokenizers.target),
                                    {row.run.options.batch_tokens, compute_type(row.run.options)});
  result.figures["valid_nll"] = nll;
  result.figures["valid_perplexity"] = std::exp(nll);
  SearchOptions greedy = row.search;
  greedy.beam_size = 1;
  result.figures["bleu_greedy"] = translation_bleu(*model, tokenizers, texts.test, greedy, row.name + ", greedy").score;
  const Bleu beam = translation_bleu(*model, tokenizers, texts.test, row.search, row.name + ", beam");
  result.figures["bleu_beam"] = beam.score;
  result.signature = beam.signature;
  for (const auto& [key, value] : result.figures) {
    check(std::isfinite(value), row.run.directory, ": the model's ", key, " is ", value);
  }
  return result;
}

void add_training_figures(RowResult& result, const TrainResult& trained) {
  result.figures["updates"] = static_cast<double>(trained.update);
  result.figures["minutes"] = trained.seconds / 60;
  if (trained.seconds > 0) {
    result.figures["tokens_per_second"] = static_cast<double>(trained.tokens) / trained.seconds;
  }
}

}  // namespace

void check_row(const ComparisonRow& row) {
  check_run(row.run);
  check_usage(!row.run.valid.empty(),
              "--valid is missing: a source and a target file, or one file of source<TAB>target");
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
  const Texts texts{read_corpus(row.run.valid), read_corpus(row.test)};
  const auto measured_on = what_is_measured(row, texts);
  const std::optional<RowResult> before = read_result(result_path(row));
  const bool known = before && before->measured_on == measured_on;
  RowResult result = known ? *before : measure(row, texts);
  result.measured_on = measured_on;
  // A finished run whose checkpoints were thrown away no longer knows them.
  if (!trained.already_finished || trained.resumed_from) {
    add_training_figures(result, trained);
  }
  if (!before || result != *before) {
    write_result(result_path(row), result);
  }
  return RowOutcome{std::move(result), trained.already_finished && known};
}

}  // namespace attune::cli
