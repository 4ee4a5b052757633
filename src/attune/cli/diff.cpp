// attune diff: the first module in which two models, or two ways of running one, part.
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/data/encode.h"
#include "attune/decode/translator.h"
#include "attune/inspect/differences.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{
    "diff", "--model A --model B [flags] < sentences",
    "Runs two models on the same sentences and compares what each of their modules puts out, in the order of "
    "computation: the first that differs by more than the tolerance is where they part. Both read the translations "
    "that the first model writes, or those of --target. The exit code is 0 whether they differ or not.",
    "  head -n 20 demo/test.en | attune diff --model demo/model --model demo/model --compute-type float32 bfloat16\n"};

struct Settings {
  std::vector<std::string> directories = {}, compute_types = {"float32"};
  std::string target = {}, format = "text";
  double tolerance = 1e-3;
  int threads = 0;
};

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  OptionTable table(about);
  table.add("model", &settings.directories, "the two model directories; the same one twice for two compute types",
            {1, 2, "DIR"});
  table.add("compute-type", &settings.compute_types, "of matrix products: of both models, or of each", {1, 2, "NAME"});
  table.add("tolerance", &settings.tolerance,
            "a module differs when its largest difference is above this share of the first model's largest output");
  table.add("target", &settings.target, "what both models read as translations", {1, 1, "FILE"});
  table.add("threads", &settings.threads, "0: all cores this process may use");
  table.add("format", &settings.format, "text or json", {1, 1, "NAME"});
  return table.parse(arguments);
}

DType compute_type_of(const std::string& word) {
  check_word("compute-type", word, {"float32", "bfloat16"});
  return dtype_of_name(word);
}

std::vector<std::string> read_sentences() {
  say_what_is_read("sentences");
  std::vector<std::string> lines;
  LineReader reader("-");
  while (std::optional<std::string> line = reader.next()) {
    lines.push_back(std::move(*line));
  }
  check_usage(!lines.empty(), "standard input holds no sentence");
  return lines;
}

std::vector<Example> pairs_of(const std::vector<std::string>& lines, const LoadedModel& loaded,
                              const std::string& target) {
  const Tokenizers& tokenizers = loaded.tokenizers;
  if (!target.empty()) {
    const ParallelCorpus corpus{lines, read_lines(target)};
    check(corpus.source.size() == corpus.target.size(), target, " has ", corpus.target.size(),
          " lines but standard input ", corpus.source.size(), "; both must have one line per sentence");
    return encode(corpus, *tokenizers.source, *tokenizers.target);
  }
  TranslateOptions options;
  options.search.beam_size = 1;
  std::vector<Example> pairs;
  const Translator translator(*loaded.model, *tokenizers.source, *tokenizers.target);
  for (Translation& translation : translator.translate(lines, options)) {
    pairs.push_back({std::move(translation.source_ids), std::move(translation.candidates.front().ids)});
  }
  return pairs;
}

std::string place_text(const ModuleDifference& module) {
  return fmt::format("sentence {}, [{}]", module.pair + 1, fmt::join(module.at, ", "));
}

std::string as_text(const Differences& differences, double tolerance) {
  std::string text = fmt::format("{:<48} {:>12} {:>12} {:>12}\n", "module", "difference", "of largest", "relative");
  for (const ModuleDifference& module : differences.modules) {
    text += fmt::format("{:<48} {:>12.6g} {:>12.6g} {:>12.3g}\n", module.module, module.largest, module.scale,
                        module.relative());
  }
  if (!differences.first) {
    return text + fmt::format("\nno module differs by more than {:g} of its largest output\n", tolerance);
  }
  const ModuleDifference& first = differences.modules[*differences.first];
  return text + fmt::format("\nthey part in {}: at {} one has {:.9g}, the other {:.9g}\n", first.module,
                            place_text(first), first.a, first.b);
}

// Numbers that JSON cannot hold become null.
nlohmann::ordered_json as_json(const ModuleDifference& module) {
  return {{"module", module.module}, {"difference", module.largest},
          {"largest", module.scale}, {"relative", module.relative()},
          {"sentence", module.pair}, {"at", module.at},
          {"a", module.a},           {"b", module.b}};
}

std::string as_json(const Differences& differences, double tolerance) {
  nlohmann::ordered_json json{{"tolerance", tolerance}, {"first", nullptr}};
  if (differences.first) {
    json["first"] = as_json(differences.modules[*differences.first]);
  }
  json["modules"] = nlohmann::ordered_json::array();
  for (const ModuleDifference& module : differences.modules) {
    json["modules"].push_back(as_json(module));
  }
  return json.dump() + "\n";
}

}  // namespace

int diff(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(settings.format);
  use_threads(settings.threads);
  check_number("tolerance", settings.tolerance, {0, 1e9});
  check_usage(settings.directories.size() == 2, "--model: expected two model directories, got ",
              settings.directories.size());
  const DType of_a = compute_type_of(settings.compute_types.front()),
              of_b = compute_type_of(settings.compute_types.back());
  const LoadedModel a = load_model(settings.directories[0]), b = load_model(settings.directories[1]);
  const ModelConfig &config_a = a.model->config(), &config_b = b.model->config();
  check_usage(config_a.source_vocabulary == config_b.source_vocabulary &&
                  config_a.target_vocabulary == config_b.target_vocabulary,
              "the models have vocabularies of ", config_a.source_vocabulary, " and ", config_a.target_vocabulary,
              " pieces against ", config_b.source_vocabulary, " and ", config_b.target_vocabulary,
              "; they cannot read the same pieces");
  const std::vector<Example> pairs = pairs_of(read_sentences(), a, settings.target);
  const Differences differences =
      find_differences({a.model.get(), of_a}, {b.model.get(), of_b}, pairs, settings.tolerance);
  print(json_format ? as_json(differences, settings.tolerance) : as_text(differences, settings.tolerance));
  return success;
}

}  // namespace attune::cli
