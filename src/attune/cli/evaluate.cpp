// attune evaluate: BLEU and chrF of the translations on standard input against one or more references.
#include <nlohmann/json.hpp>
#include <sstream>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/metrics/bleu.h"
#include "attune/metrics/chrf.h"

namespace attune::cli {

namespace {

const About about{"evaluate", "--reference FILE... [flags] < translations",
                  "Scores translations, one a line on standard input, against reference translations. The figures are "
                  "sacreBLEU's; the signature says what was measured. A score without its signature means little.",
                  "  attune translate --model demo/model < demo/test.en | attune evaluate --reference demo/test.vi\n"};

struct Wanted {
  bool bleu = false, chrf = false;
};

Wanted read_metrics(const std::string& list) {
  Wanted wanted;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    check_usage(word == "bleu" || word == "chrf", "--metrics: expected bleu, chrf or bleu,chrf, got \"", list, "\"");
    (word == "bleu" ? wanted.bleu : wanted.chrf) = true;
  }
  check_usage(wanted.bleu || wanted.chrf, "--metrics: expected bleu, chrf or bleu,chrf, got nothing");
  return wanted;
}

Tokenization read_tokenization(const std::string& word) {
  check_usage(word == "13a" || word == "none", "--tokenize: expected 13a or none, got \"", word, "\"");
  return tokenization_from_name(word);
}

std::vector<std::vector<std::string>> read_references(const std::vector<std::string>& paths, size_t hypotheses) {
  std::vector<std::vector<std::string>> references;
  for (const std::string& path : paths) {
    references.push_back(read_lines(path));
    check(references.back().size() == hypotheses, path, " has ", references.back().size(), " lines but standard input ",
          hypotheses, "; both must have one line per sentence, in the same order");
  }
  return references;
}

}  // namespace

int evaluate(const Arguments& arguments) {
  std::vector<std::string> reference_paths;
  std::string metrics = "bleu,chrf", tokenization_word = "13a", format = "text";
  bool lowercase = false, chrf_lowercase = false;
  OptionTable table(about);
  table.add("reference", &reference_paths, "one or more reference translations of the same sentences", {1, 64});
  table.add("metrics", &metrics, "bleu, chrf or both", {1, 1, "LIST"});
  table.add("tokenize", &tokenization_word, "for BLEU: 13a, or none for text that is tokenised already",
            {1, 1, "NAME"});
  table.add("lowercase", &lowercase, "case-insensitive BLEU, sacreBLEU's -lc");
  table.add("chrf-lowercase", &chrf_lowercase, "case-insensitive chrF, sacreBLEU's --chrf-lowercase");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  const Wanted wanted = read_metrics(metrics);
  const BleuOptions options{read_tokenization(tokenization_word), lowercase};
  check_usage(!reference_paths.empty(), "--reference is missing: the file with the reference translations");
  if (is_terminal(Stream::input)) {
    note("Reading translations from the terminal; Ctrl-D ends them.");
  }
  const std::vector<std::string> hypotheses = read_lines("-");
  const auto references = read_references(reference_paths, hypotheses.size());

  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  std::string text;
  if (wanted.bleu) {
    const Bleu result = bleu(hypotheses, references, options);
    json["bleu"] = {{"score", result.score}, {"signature", result.signature}};
    text += fmt::format("BLEU|{} = {:.2f} {}\n", result.signature, result.score, details(result));
  }
  if (wanted.chrf) {
    const Chrf result = chrf(hypotheses, references, {.lowercase = chrf_lowercase});
    json["chrf"] = {{"score", result.score}, {"signature", result.signature}};
    text += fmt::format("chrF2|{} = {:.2f}\n", result.signature, result.score);
  }
  print(json_format ? json.dump() + "\n" : text);
  return success;
}

}  // namespace attune::cli
