// attune score: how probable a model finds given translations.
#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/data/encode.h"
#include "attune/decode/scorer.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{"score", "--model DIR --source FILE --target FILE [flags]",
                  "Prints the natural logarithm of the probability that a model gives to each target sentence, one a "
                  "line; with --tokens also that of each piece. The total and the perplexity go to the log.",
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

std::string as_text(const PairScore& score, const std::vector<std::string>& pieces, bool tokens) {
  std::string line = fmt::format("{:.6f}", score.log_probability);
  for (size_t i = 0; tokens && i < pieces.size(); ++i) {
    line += fmt::format("{}{}:{:.4f}", i == 0 ? "\t" : " ", pieces[i], score.log_probabilities[i]);
  }
  return line + "\n";
}

nlohmann::ordered_json as_json(const PairScore& score, const std::vector<std::string>& pieces) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
  for (size_t i = 0; i < pieces.size(); ++i) {
    tokens.push_back({{"piece", pieces[i]}, {"log_probability", score.log_probabilities[i]}});
  }
  return {{"log_probability", score.log_probability}, {"tokens", tokens}};
}

struct Total {
  double log_probability = 0;
  int64_t tokens = 0;
  double perplexity() const { return std::exp(-log_probability / static_cast<double>(std::max<int64_t>(tokens, 1))); }
};

}  // namespace

int score(const Arguments& arguments) {
  std::string directory, source, target, format = "text";
  ScoreOptions options;
  int thread_count = 0;
  bool tokens = false;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add("source", &source, "source sentences, one a line", {1, 1, "FILE"});
  table.add("target", &target, "their translations, which are scored", {1, 1, "FILE"});
  table.add("tokens", &tokens, "after a tab also piece:log-probability of every piece");
  table.add("batch-tokens", &options.batch_tokens, "target tokens scored together; the figures do not depend on it");
  table.add("max-length", &options.max_length, "a sentence of more pieces is refused");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json (one document with a list of sentences)", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  use_threads(thread_count);
  check_options(options);
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  check_usage(!source.empty() && !target.empty(), "--", source.empty() ? "source" : "target",
              " is missing: a file with one sentence a line");
  const ParallelCorpus corpus = read_parallel(source, target);
  const LoadedModel loaded = load_model(directory);
  const std::vector<Example> examples = encode(corpus, *loaded.tokenizers.source, *loaded.tokenizers.target);
  const auto scores = score_pairs(*loaded.model, examples, options, [](int64_t done, int64_t all) {
    show_progress(fmt::format("{} of {} sentences", done, all));
  });
  Total total;
  nlohmann::ordered_json sentences = nlohmann::ordered_json::array();
  for (size_t i = 0; i < scores.size(); ++i) {
    const auto pieces = pieces_of(examples[i], *loaded.tokenizers.target);
    total.log_probability += scores[i].log_probability;
    total.tokens += static_cast<int64_t>(pieces.size());
    if (json_format) {
      sentences.push_back(as_json(scores[i], pieces));
    } else {
      print(as_text(scores[i], pieces, tokens));
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
       with_separators(static_cast<int64_t>(scores.size())), with_separators(total.tokens), total.log_probability,
       total.perplexity());
  return success;
}

}  // namespace attune::cli
