// attune inspect heads: what a model loses without each of its heads.
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/option_table.h"
#include "attune/data/encode.h"
#include "attune/inspect/ablation.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{
    "inspect heads", "--model DIR --valid SOURCE TARGET [flags]",
    "Takes away each attention head by itself and measures what that costs: the rise of the loss (nats a target piece) "
    "on pairs that the model has not learnt from. The heads that are needed most come first; a negative figure says "
    "that the model does better without.",
    "  attune inspect heads --model demo/model --valid demo/valid.en demo/valid.vi\n"
    "  attune translate --model demo/model --without encoder.layer.0.head.1 < demo/test.en\n"};

std::string as_text(const HeadCosts& costs) {
  std::string text =
      fmt::format("{:<48} {:>9} {:>9}\n{:<48} {:>9.4f}\n", "without", "loss", "cost", "nothing", costs.whole.loss);
  for (const HeadCost& head : costs.heads) {
    text += fmt::format("{:<48} {:>9.4f} {:>+9.4f}\n", head.name, head.loss, head.loss - costs.whole.loss);
  }
  return text;
}

std::string as_json(const HeadCosts& costs) {
  nlohmann::ordered_json json{{"loss", costs.whole.loss}, {"heads", nlohmann::ordered_json::array()}};
  for (const HeadCost& head : costs.heads) {
    json["heads"].push_back({{"head", head.name}, {"loss", head.loss}, {"cost", head.loss - costs.whole.loss}});
  }
  return json.dump() + "\n";
}

}  // namespace

int inspect_heads(const Arguments& arguments) {
  std::string directory, format = "text";
  CorpusFiles valid;
  int threads = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add("valid", &valid, "source and target file of pairs, or one file of source<TAB>target", {1, 2, "FILE"});
  table.add("threads", &threads, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  use_threads(threads);
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  check_usage(!valid.empty(), "--valid is missing: pairs that the model has not learnt from");
  const ParallelCorpus corpus = read_corpus(valid);
  LoadedModel loaded = load_model(directory);
  check_usage(!attention_places(loaded.model->config()).empty(), directory, ": the model (",
              loaded.model->config().architecture, ") attends to nothing");
  const auto pairs = encode(corpus, *loaded.tokenizers.source, *loaded.tokenizers.target);
  const HeadCosts costs = rank_heads(
      *loaded.model, pairs, [](int done, int total) { show_progress(fmt::format("{} of {} heads", done, total)); });
  print(json_format ? as_json(costs) : as_text(costs));
  return success;
}

}  // namespace attune::cli
