// attune score: how probable a model finds given translations.
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "attune/base/check.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/decode/scorer.h"
#include "attune/inspect/ablation.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{"score", "--model DIR --source FILE --target FILE [flags]",
                  "Prints the natural logarithm of the probability that a model gives to each target sentence, one a "
                  "line; with --tokens also that of each piece, with --alignment also which source word each target "
                  "word looked at most. The total and the perplexity go to the log.",
                  "  attune score --model demo/model --source demo/test.en --target demo/test.vi | head\n"};

// The target pieces and </s>, which are what is scored.
std::vector<std::string> pieces_of(const Example& example, const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const int id : example.target) {
    pieces.push_back(tokenizer.piece(id));
  }
  pieces.push_back(tokenizer.piece(eos_id));
  return pieces;
}

// What is printed of a pair.
struct Scored {
  PairScore score;
  std::vector<std::string> pieces;
  std::optional<Alignment> alignment = {};
};

// log-probability [TAB piece:log-probability ...] [ ||| alignment]
std::string as_text(const Scored& pair, bool tokens) {
  std::string line = fmt::format("{:.6f}", pair.score.log_probability);
  for (size_t i = 0; tokens && i < pair.pieces.size(); ++i) {
    line += fmt::format("{}{}:{:.4f}", i == 0 ? "\t" : " ", pair.pieces[i], pair.score.log_probabilities[i]);
  }
  return line + (pair.alignment ? " ||| " + to_pharaoh(*pair.alignment) : "") + "\n";
}

nlohmann::ordered_json as_json(const Scored& pair) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
  for (size_t i = 0; i < pair.pieces.size(); ++i) {
    tokens.push_back({{"piece", pair.pieces[i]}, {"log_probability", pair.score.log_probabilities[i]}});
  }
  nlohmann::ordered_json json{{"log_probability", pair.score.log_probability}, {"tokens", tokens}};
  if (pair.alignment) {
    json["alignment"] = nlohmann::ordered_json::array();
    for (const Link& link : *pair.alignment) {
      json["alignment"].push_back({link.source, link.target});
    }
  }
  return json;
}

struct Total {
  double log_probability = 0;
  int64_t tokens = 0;
  double perplexity() const { return std::exp(-log_probability / static_cast<double>(std::max<int64_t>(tokens, 1))); }
};

struct Settings {
  std::string directory, source, target, format = "text";
  std::vector<std::string> without = {};
  ScoreOptions options = {};
  AlignmentOptions alignment = {};
  int threads = 0;
  bool tokens = false, align = false;
};

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  auto& [directory, source, target, format, without, options, alignment, thread_count, tokens, align] = settings;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add("source", &source, "source sentences, one a line", {1, 1, "FILE"});
  table.add("target", &target, "their translations, which are scored", {1, 1, "FILE"});
  table.add("tokens", &tokens, "after a tab also piece:log-probability of every piece");
  table.add("alignment", &align,
            "behind ||| also which source word each target word looked at most (Pharaoh: 0-0 1-2)");
  table.add("alignment-layer", &alignment.layer,
            "decoder layer whose cross-attention aligns, from 0; -1: the mean of all; -2: the last but one");
  table.add("alignment-head", &alignment.head, "the head of it that aligns, from 0; -1: the mean of all");
  table.add("without", &without,
            "attention that is taken away: encoder.layer.2.head.3, or all heads: decoder.layer.0.cross_attention",
            {1, most_removals, "HEAD"});
  table.add("batch-tokens", &options.batch_tokens, "target tokens scored together; the figures do not depend on it");
  table.add("max-length", &options.max_length, "a sentence of more pieces is refused");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json (one document with a list of sentences)", {1, 1, "NAME"});
  const OptionTable::Outcome outcome = table.parse(arguments);
  align = align || table.given("alignment-layer") || table.given("alignment-head");
  return outcome;
}

std::vector<Scored> score_corpus(const LoadedModel& loaded, const ParallelCorpus& corpus, const Settings& settings) {
  const EncodedPairs pairs = encode_words(corpus, loaded.tokenizers);
  const auto scores = score_pairs(*loaded.model, pairs.examples, settings.options, [](int64_t done, int64_t all) {
    show_progress(fmt::format("{} of {} sentences", done, all));
  });
  std::vector<Alignment> links;
  if (settings.align) {
    links = align_words(*loaded.model, pairs.examples, pairs.words, settings.alignment);
  }
  std::vector<Scored> scored;
  for (size_t i = 0; i < scores.size(); ++i) {
    scored.push_back({scores[i], pieces_of(pairs.examples[i], *loaded.tokenizers.target), {}});
    if (settings.align) {
      scored.back().alignment = links[i];
    }
  }
  return scored;
}

void print_scores(const std::vector<Scored>& pairs, const Settings& settings) {
  Total total;
  nlohmann::ordered_json sentences = nlohmann::ordered_json::array();
  const bool json_format = wants_json(settings.format);
  for (const Scored& pair : pairs) {
    total.log_probability += pair.score.log_probability;
    total.tokens += static_cast<int64_t>(pair.pieces.size());
    if (json_format) {
      sentences.push_back(as_json(pair));
    } else {
      print(as_text(pair, settings.tokens));
    }
  }
  if (json_format) {
    const nlohmann::ordered_json json{{"log_probability", total.log_probability},
                                      {"tokens", total.tokens},
                                      {"perplexity", total.perplexity()},
                                      {"sentences", sentences}};
    print(json.dump() + "\n");
  }
  note("{} sentences, {} pieces: log-probability {:.3f}, perplexity {:.3f}",
       with_separators(static_cast<int64_t>(pairs.size())), with_separators(total.tokens), total.log_probability,
       total.perplexity());
}

}  // namespace

int score(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  wants_json(settings.format);  // refused now, not after the work
  use_threads(settings.threads);
  check_options(settings.options);
  check_usage(!settings.directory.empty(), "--model is missing: the directory of a trained model");
  check_usage(!settings.source.empty() && !settings.target.empty(), "--", settings.source.empty() ? "source" : "target",
              " is missing: a file with one sentence a line");
  const ParallelCorpus corpus = read_parallel(settings.source, settings.target);
  const LoadedModel loaded = load_model(settings.directory);
  remove(*loaded.model, settings.without, "--without");
  if (settings.align) {
    check_options(settings.alignment, loaded.model->config());
  }
  print_scores(score_corpus(loaded, corpus, settings), settings);
  return success;
}

}  // namespace attune::cli
