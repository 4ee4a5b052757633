// attune evaluate: BLEU and chrF of the translations on standard input against one or more references, the error rate
// of alignments against a gold alignment, or what a language model or a classifier makes of a test file.
#include <nlohmann/json.hpp>
#include <sstream>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/model_evaluation.h"
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
    "with --model, --source and --target, what every head of every layer of a model gives by itself. With --test FILE "
    "it says how well a language model tells the text or the completions of that file, or a classifier its labels.",
    "  attune translate --model demo/model < demo/test.en | attune evaluate --reference demo/test.vi\n"
    "  attune score --model demo/model --source demo/test.en --target demo/test.vi --alignment |\n"
    "    attune evaluate --alignment demo/test.align\n"
    "  attune evaluate --alignment demo/test.align --model demo/model --source demo/test.en --target demo/test.vi\n"
    "  attune evaluate --test duplication/test.tsv --completions --model duplication/model --set normaliser=relu\n"};

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

struct Settings {
  TranslationSettings translations = {};
  AlignmentSettings alignment = {};
  ModelEvaluation test = {};
  std::string format = "text";
};

// Flags that belong to one of the three jobs alone are refused in the others.
void check_job(const Settings& settings, const OptionTable& table) {
  const bool aligns = !settings.alignment.gold.empty(), tests = !settings.test.test.empty();
  check_usage(!aligns || !tests, "--test: is another job than --alignment; leave one of them out");
  for (const char* key : {"one-based", "source", "target", "batch-size"}) {
    check_usage(aligns || !table.given(key), "--", key, ": goes with --alignment");
  }
  for (const char* key : {"set", "completions", "batch-tokens", "sequence-length", "compute-type"}) {
    check_usage(tests || !table.given(key), "--", key, ": goes with --test");
  }
  for (const char* key : {"model", "threads"}) {
    check_usage(aligns || tests || !table.given(key), "--", key, ": goes with --alignment or --test");
  }
  for (const char* key : {"reference", "metrics", "tokenize", "lowercase", "chrf-lowercase"}) {
    check_usage(!aligns || !table.given(key), "--", key, ": is for translations; --alignment scores word alignments");
    check_usage(!tests || !table.given(key), "--", key, ": is for translations; --test looks at a model");
  }
}

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  auto& [translations, alignment, test, format] = settings;
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
  table.add("source", &alignment.source, "with --model: source sentences, one a line", {1, 1, "FILE"});
  table.add("target", &alignment.target, "with --model: their translations", {1, 1, "FILE"});
  table.add("batch-size", &alignment.batch_size, "with --model: sentences read together");
  table.section("A model on a test file");
  table.add("test", &test.test, "files of text or of prompt<TAB>completion, or one of text<TAB>label", {1, 1000});
  table.add("model", &test.model, "the model; with --alignment: look at this one instead of reading links",
            {1, 1, "DIR"});
  table.add("set", &test.set,
            "settings of the model that change no parameter, in place of its own, e.g. normaliser=relu",
            {1, 100, "KEY=VALUE"});
  table.add("completions", &test.completions, "the files have lines of prompt<TAB>completion; told is the completion");
  table.add("batch-tokens", &test.batch_tokens, "pieces read together; the figures do not depend on it");
  table.add("sequence-length", &test.sequence_length, "pieces of a sequence that text is cut into");
  table.add("compute-type", &test.compute_type, "of matrix products: float32 or bfloat16", {1, 1, "NAME"});
  table.add("threads", &test.threads, "with --model: 0: all cores this process may use");
  const OptionTable::Outcome outcome = table.parse(arguments);
  if (outcome == OptionTable::Outcome::run) {
    alignment.model = test.model;
    alignment.threads = test.threads;
    check_job(settings, table);
  }
  return outcome;
}

}  // namespace

int evaluate(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(settings.format);
  print(!settings.test.test.empty()        ? evaluate_model(settings.test, json)
        : !settings.alignment.gold.empty() ? evaluate_alignment(settings.alignment, json)
                                           : evaluate_translations(settings.translations, json));
  return success;
}

}  // namespace attune::cli
