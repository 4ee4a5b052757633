// attune explain: the whole calculation of a mechanism, forward and backward, number by number.
#include "attune/explain/explain.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/explain/messages.h"
#include "attune/explain/model_module.h"
#include "attune/explain/render.h"
#include "attune/explain/topics.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

const About about{
    "explain", "[SENTENCE | positions | initialisers | complexity | beam] [flags]",
    "Shows every number of a mechanism's forward and backward, step by step, each gradient beside its "
    "finite difference: of a sentence (its words as small random vectors), of a sentence in an attention of a "
    "trained model (--model), of matrices from a file, or of a built-in example that can be followed on paper. In "
    "place of a sentence: positions, initialisers, "
    "complexity or beam, each with a --help of its own.",
    "  attune explain\n"
    "  attune explain --view vector --convention column\n"
    "  attune explain \"Death is like the wind, always by my side\" --heads 2 --format html > attention.html\n"
    "  attune explain --mechanism lstm --language vi\n"
    "  attune explain \"a cat sleeps .\" --model demo/model --module decoder.layers.0.cross_attention --head 0\n"};

struct Shown {
  std::string view = "matrix", convention = "row", language = "en", format = "text", matrices;
  int precision = 4;
};

std::vector<std::string> words_of(const std::string& sentence) {
  check_usage(valid_utf8(sentence), "the sentence is not UTF-8");
  const auto words = split_whitespace(sentence);
  check_usage(!words.empty(), "the sentence has no words");
  return {words.begin(), words.end()};
}

explain::RenderOptions rendering(const Shown& shown) {
  check_word("view", shown.view, {"vector", "matrix"});
  check_word("convention", shown.convention, {"row", "column"});
  check_word("format", shown.format, {"text", "markdown", "html", "json"});
  check_whole("precision", shown.precision, {0, 17});
  explain::RenderOptions options;
  options.view = shown.view == "vector" ? explain::View::vector : explain::View::matrix;
  options.convention = shown.convention == "column" ? explain::Convention::column : explain::Convention::row;
  options.language = explain::language_of_name(shown.language);
  options.precision = shown.precision;
  options.width = std::min(terminal_width(Stream::output), 110);
  options.colours = is_terminal(Stream::output) && std::getenv("NO_COLOR") == nullptr;
  return options;
}

std::string rendered(const explain::Explanation& explanation, const Shown& shown) {
  const explain::RenderOptions options = rendering(shown);
  if (shown.format == "json") return explain::as_json(explanation, options);
  if (shown.format == "html") return explain::as_html(explanation, options);
  if (shown.format == "markdown") return explain::as_markdown(explanation, options);
  return explain::as_text(explanation, options);
}

void add_layout(OptionTable& table, Shown& shown) {
  table.add("language", &shown.language, "en, vi or ru", {1, 1, "NAME"});
  table.add("format", &shown.format, "text, markdown (with LaTeX), html or json", {1, 1, "NAME"});
  table.add("precision", &shown.precision, "digits behind the point; json has all");
}

// ---- attune explain positions, ... ------------------------------------------------------------------------

template <class Options, class Explain>
int explain_topic(const About& topic, const Arguments& arguments, Explain&& explain_it) {
  Options options;
  Shown shown;
  OptionTable table(topic);
  add_layout(table, shown);
  table.section("What is shown");
  table.add_all(options);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  rendering(shown);
  print(rendered(explain_it(options), shown));
  return success;
}

int positions(const Arguments& arguments) {
  return explain_topic<explain::PositionsOptions>(
      {"explain positions", "[flags]",
       "Shows positions in numbers. Sinusoidal and rotary ones: the angles, the table, and that a step to the next "
       "position is one rotation; ALiBi's slopes, T5's buckets, offsets: what is added to which score.",
       "  attune explain positions --length 10 --width 4\n"
       "  attune explain positions --positions alibi --heads 8\n"},
      arguments, explain::explain_positions);
}

int initialisers(const Arguments& arguments) {
  return explain_topic<explain::InitialisersOptions>(
      {"explain initialisers", "[flags]",
       "Shows what initialisers draw, and what becomes of the variance of activations and gradients through a stack of "
       "layers with tanh and with ReLU.",
       "  attune explain initialisers --layers 20\n"},
      arguments, explain::explain_initialisers);
}

int complexity(const Arguments& arguments) {
  return explain_topic<explain::ComplexityOptions>(
      {"explain complexity", "[flags]",
       "Table 1 of the Transformer's paper with numbers, and times at the rate of this machine's products.",
       "  attune explain complexity --length 2048 --width 512\n"},
      arguments, [](const explain::ComplexityOptions& options) {
        check_options(options);  // before anything is measured
        return explain::explain_complexity(options, explain::measured_multiply_adds_per_second());
      });
}

int beam(const Arguments& arguments) {
  std::string directory;
  std::vector<std::string> sentence;
  explain::BeamOptions options;
  options.search.beam_size = 3;
  Shown shown;
  OptionTable table({"explain beam", "SENTENCE --model DIR [flags]",
                     "Shows a beam search step by step: what each hypothesis could become, what lived on, what was "
                     "finished, what was dropped.",
                     "  attune explain beam \"a cat sleeps .\" --model demo/model --beam-size 2\n"});
  table.add_positional(&sentence);
  table.add("model", &directory, "the model directory", {1, 1, "DIR"});
  add_layout(table, shown);
  table.section("The search");
  table.add("beam-size", &options.search.beam_size, "hypotheses that live on in each step");
  table.add("candidates", &options.candidates, "shown in each step, 1 to 12");
  table.add("length-penalty", &options.search.length_penalty, "none, gnmt or power", {1, 1, "NAME"});
  table.add("length-penalty-alpha", &options.search.length_penalty_alpha, "its alpha");
  table.add("max-decoding-length", &options.search.max_decoding_length, "in pieces; 0: 2 x source pieces + 50");
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_usage(!sentence.empty(), "expected a sentence in front of the flags");
  check_usage(!directory.empty(), "--model is missing");
  rendering(shown);
  words_of(sentence.front());
  options.sentence = sentence.front();
  options.search.n_best = options.search.beam_size;
  check_options(options.search);
  print(rendered(explain::explain_beam(load_model(directory), options), shown));
  return success;
}

// ---- attune explain -----------------------------------------------------------------------------------------

explain::Given given_of_model(const std::string& directory, const std::vector<std::string>& sentence,
                              const explain::ModuleOptions& chosen, explain::ExplainOptions& options,
                              const OptionTable& table) {
  const std::string other = table.given_besides({"model", "module", "head", "target", "loss", "learning-rate", "view",
                                                 "convention", "language", "format", "precision"});
  check_usage(other.empty(), other, ": comes from the model where --model is given");
  check_usage(!sentence.empty(), "--model: expected a sentence in front of the flags");
  words_of(sentence.front());
  if (!table.given("loss")) {
    options.loss = "none";
  }
  return explain::read_module(load_model(directory), sentence.front(), chosen, options);
}

explain::Given given_without_model(const std::string& matrices, const std::vector<std::string>& sentence) {
  explain::Given given;
  if (!matrices.empty()) {
    check_usage(sentence.empty(), "--matrices and a sentence exclude one another");
    given = explain::read_matrices(matrices);
  } else if (!sentence.empty()) {
    given.tokens = words_of(sentence.front());
  }
  return given;
}

constexpr std::array topics{
    Command{"positions", "positions, added or inside attention", positions},
    Command{"initialisers", "what initialisers do to signals", initialisers},
    Command{"complexity", "what layers cost", complexity},
    Command{"beam", "a beam search, step by step", beam},
};

}  // namespace

int explain_mechanism(const Arguments& arguments) {
  for (const Command& topic : topics) {
    if (!arguments.empty() && arguments.front() == topic.name) {
      return topic.run({arguments.begin() + 1, arguments.end()});
    }
  }
  explain::ExplainOptions options;
  explain::ModuleOptions chosen;
  Shown shown;
  std::string directory;
  std::vector<std::string> sentence;
  OptionTable table(about);
  table.add_positional(&sentence);
  table.add(
      "matrices", &shown.matrices,
      "numbers to start from: .json ({\"X\": [[1, 0], ...], \"Wq\": ...}) or .csv (each below a line with its "
      "name); X, weights by their names, Z that X reads in place of itself, performer's W and lsh's B (buckets from "
      "1) in place of drawn ones, the targets T, dY for --loss none, tokens (JSON)",
      {1, 1, "FILE"});
  table.add("view", &shown.view, "matrix (whole matrices) or vector (the first output, term by term)", {1, 1, "NAME"});
  table.add("convention", &shown.convention, "row (X W, tokens are rows) or column (W X, tokens are columns)",
            {1, 1, "NAME"});
  add_layout(table, shown);
  table.section("The calculation");
  table.add_all(options);
  table.section("An attention of a trained model");
  table.add("model", &directory, "the model directory; the numbers are then those that it computes for the sentence",
            {1, 1, "DIR"});
  table.add_all(chosen);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  rendering(shown);  // refuses before anything is computed
  explain::Given given;
  if (!directory.empty()) {
    given = given_of_model(directory, sentence, chosen, options, table);
  } else {
    for (const char* key : {"module", "head", "target"}) {
      check_usage(!table.given(key), key, ": belongs to --model");
    }
    given = given_without_model(shown.matrices, sentence);
  }
  print(rendered(explain::explain_mechanism(options, given), shown));
  return success;
}

}  // namespace attune::cli
