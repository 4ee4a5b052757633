// attune evaluate: BLEU and chrF of the translations on standard input against one or more references, or the error
// rate of alignments against a gold alignment.
#include <nlohmann/json.hpp>
#include <sstream>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/metrics/bleu.h"
#include "attune/metrics/chrf.h"

namespace attune::cli {

namespace {

const About about{
    "evaluate", "--reference FILE... [flags] < translations",
    "Scores translations, one a line on standard input, against reference translations. The figures are sacreBLEU's; "
    "the signature says what was measured. A score without its signature means little. With --alignment FILE it scores "
    "word alignments instead: those on standard input, as translate --alignment and score --alignment write them, or, "
    "with --model, --source and --target, what every head of every layer of a model gives by itself.",
    "  attune translate --model demo/model < demo/test.en | attune evaluate --reference demo/test.vi\n"
    "  attune score --model demo/model --source demo/test.en --target demo/test.vi --alignment |\n"
    "    attune evaluate --alignment demo/test.align\n"
    "  attune evaluate --alignment demo/test.align --model demo/model --source demo/test.en --target demo/test.vi\n"};

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

struct TranslationSettings {
  std::vector<std::string> references = {};
  std::string metrics = "bleu,chrf", tokenization = "13a";
  bool lowercase = false, chrf_lowercase = false;
};

struct AlignmentSettings {
  std::string gold = {}, model = {}, source = {}, target = {};
  bool one_based = false;
  int batch_size = 32, threads = 0;
};

std::string evaluate_translations(const TranslationSettings& settings, bool json_format) {
  const Wanted wanted = read_metrics(settings.metrics);
  const BleuOptions options{read_tokenization(settings.tokenization), settings.lowercase};
  check_usage(!settings.references.empty(), "--reference is missing: the file with the reference translations");
  say_what_is_read("translations");
  const std::vector<std::string> hypotheses = read_lines("-");
  const auto references = read_references(settings.references, hypotheses.size());

  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  std::string text;
  if (wanted.bleu) {
    const Bleu result = bleu(hypotheses, references, options);
    json["bleu"] = {{"score", result.score}, {"signature", result.signature}};
    text += fmt::format("BLEU|{} = {:.2f} {}\n", result.signature, result.score, details(result));
  }
  if (wanted.chrf) {
    const Chrf result = chrf(hypotheses, references, {.lowercase = settings.chrf_lowercase});
    json["chrf"] = {{"score", result.score}, {"signature", result.signature}};
    text += fmt::format("chrF2|{} = {:.2f}\n", result.signature, result.score);
  }
  return json_format ? json.dump() + "\n" : text;
}

std::string evaluate_alignment(const AlignmentSettings& settings, bool json_format) {
  check_whole("--batch-size", settings.batch_size, {1, 1'000'000});
  use_threads(settings.threads);
  const bool of_model = !settings.model.empty();
  for (const auto& [flag, value] : {std::pair{"--source", &settings.source}, {"--target", &settings.target}}) {
    check_usage(of_model == !value->empty(), flag,
                of_model ? " is missing: a file with one sentence a line"
                         : " goes with --model, whose attention is to be looked at");
  }
  const std::vector<GoldAlignment> gold = read_gold(settings.gold, {.one_based = settings.one_based});
  if (of_model) {
    const ParallelCorpus corpus = read_parallel(settings.source, settings.target);
    check(corpus.source.size() == gold.size(), settings.gold, " has ", gold.size(), " lines but ", settings.source, " ",
          corpus.source.size(), "; both must have one line per sentence, in the same order");
    const AlignmentReport report = report_alignment(load_model(settings.model), corpus, gold, settings.batch_size);
    return json_format ? report_json(report) : report_text(report);
  }
  say_what_is_read("alignments");
  const std::vector<Alignment> links = read_links("-");
  check(links.size() == gold.size(), settings.gold, " has ", gold.size(), " lines but standard input ", links.size(),
        "; both must have one line per sentence, in the same order");
  const AlignmentScore score = alignment_error_rate(links, gold);
  return json_format ? score_json(score) : score_text(score);
}

}  // namespace

int evaluate(const Arguments& arguments) {
  TranslationSettings translations;
  AlignmentSettings alignment;
  std::string format = "text";
  OptionTable table(about);
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  table.section("Translations");
  table.add("reference", &translations.references, "one or more reference translations of the same sentences", {1, 64});
  table.add("metrics", &translations.metrics, "bleu, chrf or both", {1, 1, "LIST"});
  table.add("tokenize", &translations.tokenization, "for BLEU: 13a, or none for text that is tokenised already",
            {1, 1, "NAME"});
  table.add("lowercase", &translations.lowercase, "case-insensitive BLEU, sacreBLEU's -lc");
  table.add("chrf-lowercase", &translations.chrf_lowercase, "case-insensitive chrF, sacreBLEU's --chrf-lowercase");
  table.section("Alignments");
  table.add("alignment", &alignment.gold,
            "the gold alignment, a sentence a line: i-j is a sure link, ipj a possible one", {1, 1, "FILE"});
  table.add("one-based", &alignment.one_based, "the gold alignment counts words from 1, not from 0");
  table.add("model", &alignment.model, "look at this model instead of reading links", {1, 1, "DIR"});
  table.add("source", &alignment.source, "with --model: source sentences, one a line", {1, 1, "FILE"});
  table.add("target", &alignment.target, "with --model: their translations", {1, 1, "FILE"});
  table.add("batch-size", &alignment.batch_size, "with --model: sentences read together");
  table.add("threads", &alignment.threads, "with --model: 0: all cores this process may use");
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  const std::vector<const char*> of_alignments{"one-based", "model", "source", "target", "batch-size", "threads"};
  for (const char* key : of_alignments) {
    check_usage(!alignment.gold.empty() || !table.given(key), "--", key, ": goes with --alignment");
  }
  for (const char* key : {"reference", "metrics", "tokenize", "lowercase", "chrf-lowercase"}) {
    check_usage(alignment.gold.empty() || !table.given(key), "--", key,
                ": is for translations; --alignment scores word alignments");
  }
  print(alignment.gold.empty() ? evaluate_translations(translations, json_format)
                               : evaluate_alignment(alignment, json_format));
  return success;
}

}  // namespace attune::cli
