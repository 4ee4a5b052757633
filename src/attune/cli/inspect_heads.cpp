// attune inspect heads: what a model loses without each of its heads.
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/option_table.h"
#include "attune/cli/translation_score.h"
#include "attune/data/encode.h"
#include "attune/inspect/ablation.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{
    "inspect heads", "--model DIR --valid SOURCE TARGET [flags]",
    "Takes away each attention head by itself and measures what that costs: the rise of the loss (nats a target piece) "
    "on pairs that the model has not learnt from, and with --bleu the BLEU of its translations without the head. The "
    "heads that are needed most come first; a negative cost says that the model does better without.",
    "  attune inspect heads --model demo/model --valid demo/valid.en demo/valid.vi\n"
    "  attune translate --model demo/model --without encoder.layer.0.head.1 --reference demo/test.vi < demo/test.en\n"};

std::string row_of(const HeadCost& head, const std::string& name, const std::string& cost) {
  return fmt::format("{:<48} {:>9.4f} {:>9}{}\n", name, head.loss, cost,
                     head.bleu ? fmt::format(" {:>7.2f}", *head.bleu) : "");
}

std::string as_text(const HeadCosts& costs) {
  std::string text =
      fmt::format("{:<48} {:>9} {:>9}{}\n", "without", "loss", "cost", costs.whole.bleu ? "    BLEU" : "");
  text += row_of(costs.whole, "nothing", "");
  for (const HeadCost& head : costs.heads) {
    text += row_of(head, head.name, fmt::format("{:+.4f}", head.loss - costs.whole.loss));
  }
  return text;
}

std::string as_json(const HeadCosts& costs) {
  const auto with_bleu = [](nlohmann::ordered_json json, const HeadCost& head) {
    if (head.bleu) {
      json["bleu"] = *head.bleu;
    }
    return json;
  };
  nlohmann::ordered_json json = with_bleu({{"loss", costs.whole.loss}}, costs.whole);
  json["heads"] = nlohmann::ordered_json::array();
  for (const HeadCost& head : costs.heads) {
    json["heads"].push_back(
        with_bleu({{"head", head.name}, {"loss", head.loss}, {"cost", head.loss - costs.whole.loss}}, head));
  }
  return json.dump() + "\n";
}

}  // namespace

int inspect_heads(const Arguments& arguments) {
  std::string directory, format = "text";
  CorpusFiles valid;
  SearchOptions search;
  int threads = 0;
  bool with_bleu = false;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add("valid", &valid, "source and target file of pairs, or one file of source<TAB>target", {1, 2, "FILE"});
  table.add("threads", &threads, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  table.add("bleu", &with_bleu, "also the BLEU without each head; slow: all pairs are translated once for every head");
  table.section("Translations, with --bleu");
  table.add_all(search);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  use_threads(threads);
  check_options(search);
  const std::string of_search = table.given_besides({"model", "valid", "threads", "format", "bleu"});
  check_usage(with_bleu || of_search.empty(), of_search, ": belongs to --bleu");
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  check_usage(!valid.empty(), "--valid is missing: pairs that the model has not learnt from");
  const ParallelCorpus corpus = read_corpus(valid);
  LoadedModel loaded = load_model(directory);
  check_usage(!attention_places(loaded.model->config()).empty(), directory, ": the model (",
              loaded.model->config().architecture, ") attends to nothing");
  const auto pairs = encode(corpus, *loaded.tokenizers.source, *loaded.tokenizers.target);
  RankOptions options;
  options.progress = [](int done, int total) { show_progress(fmt::format("{} of {} heads", done, total)); };
  if (with_bleu) {
    note("{} translations for each head; {}", with_separators(static_cast<int64_t>(corpus.source.size())),
         describe(search));
    options.bleu = [&] { return translation_bleu(*loaded.model, loaded.tokenizers, corpus, search, "--bleu").score; };
  }
  const HeadCosts costs = rank_heads(*loaded.model, pairs, options);
  print(json_format ? as_json(costs) : as_text(costs));
  return success;
}

}  // namespace attune::cli
