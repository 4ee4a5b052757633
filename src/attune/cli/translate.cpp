// attune translate: standard input to standard output, line by line and in order.
#include <deque>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/cli/answers.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/cli/translation_score.h"
#include "attune/data/corpus.h"
#include "attune/decode/request.h"
#include "attune/decode/translator.h"
#include "attune/inspect/ablation.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{
    "translate", "--model DIR [flags] < sentences > translations",
    "Translates standard input, one sentence a line, to standard output in the same order; an empty line "
    "gives an empty line. A translation never depends on the sentences around it, on the batch size or on "
    "the number of threads.",
    "  echo \"the old teacher bought a red car .\" | attune translate --model demo/model\n"};

struct Layout {
  bool scores = false, alignment = false, n_best = false, json = false;
};

// One candidate:      [score TAB] text [ ||| alignment]
// n best, a line each: i ||| text ||| score [ ||| alignment], i the number of the input line from 0
std::string lines_of(int64_t number, const Translation& translation, const Layout& layout) {
  std::string text;
  for (const Candidate& candidate : translation.candidates) {
    if (layout.n_best) {
      text += fmt::format("{} ||| {} ||| {:.6f}", number, candidate.text, candidate.score);
    } else if (layout.scores) {
      text += fmt::format("{:.6f}\t{}", candidate.score, candidate.text);
    } else {
      text += candidate.text;
    }
    text += layout.alignment ? " ||| " + to_pharaoh(candidate.alignment) + "\n" : "\n";
  }
  return text;
}

// A line of JSON for each input line: {"line", "candidates": [{"text", "score", "log_probability", "cut_short"}]}, the
// "id" of a request that had one, and "alignment" where it was asked for: [[source word, target word], ...].
std::string json_of(int64_t number, const std::string& id, const Translation& translation, const Layout& layout) {
  nlohmann::ordered_json candidates = nlohmann::ordered_json::array();
  for (const Candidate& candidate : translation.candidates) {
    nlohmann::ordered_json entry{{"text", candidate.text},
                                 {"score", candidate.score},
                                 {"log_probability", candidate.log_probability},
                                 {"cut_short", candidate.cut_short}};
    if (layout.alignment) {
      entry["alignment"] = nlohmann::ordered_json::array();
      for (const Link& link : candidate.alignment) {
        entry["alignment"].push_back({link.source, link.target});
      }
    }
    candidates.push_back(std::move(entry));
  }
  nlohmann::ordered_json line{{"line", number}, {"candidates", std::move(candidates)}};
  if (!id.empty()) {
    line["id"] = nlohmann::ordered_json::parse(id);
  }
  return line_of(line);
}

// Standard input as lines to translate, and the ids of those that were read and not yet answered.
class Input {
 public:
  explicit Input(bool requests) : requests_(requests) {}
  std::optional<std::string> next() {
    std::optional<std::string> line = lines_.next();
    if (!line) {
      return line;
    }
    ids_.emplace_back();
    if (requests_) {
      TranslationRequest request = read_request(*line, fmt::format("{}:{}", lines_.name(), lines_.line()));
      ids_.back() = std::move(request.id);
      return std::move(request.text);
    }
    return line;
  }
  std::string take_id() {
    std::string id = std::move(ids_.front());
    ids_.pop_front();
    return id;
  }

 private:
  LineReader lines_{"-"};
  bool requests_;
  std::deque<std::string> ids_;
};

void report(const Translator::Summary& summary, double seconds) {
  note("{} lines in {}, {:.0f} pieces a second", with_separators(summary.lines), duration(seconds),
       static_cast<double>(summary.pieces) / std::max(seconds, 1e-3));
  if (summary.cut_short > 0) {
    warn("{} of {} translations were cut short at the longest output; --max-decoding-length sets it", summary.cut_short,
         summary.lines);
  }
  if (summary.too_long > 0) {
    warn("{} of {} lines have more pieces than --max-source-length and were not translated: their output is empty",
         summary.too_long, summary.lines);
  }
}

void report_bleu(const std::vector<std::string>& translations, const std::vector<std::string>& expected,
                 const std::string& file, const ModelConfig& config) {
  check(translations.size() == expected.size(), file, " has ", expected.size(), " lines but standard input ",
        translations.size(), "; both must have one line per sentence, in the same order");
  const Bleu result = bleu(translations, std::span(&expected, 1), bleu_options(config));
  note("BLEU|{} = {:.2f} {}", result.signature, result.score, details(result));
}

}  // namespace

int translate(const Arguments& arguments) {
  std::string directory, format = "text", input_format = "text";
  TranslateOptions options;
  Layout layout;
  std::vector<std::string> without;
  std::string reference;
  int thread_count = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add_config_file();
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("scores", &layout.scores, "score<TAB> in front of each translation");
  table.add("format", &format, "text, or json: an object a line", {1, 1, "NAME"});
  table.add(
      "input-format", &input_format,
      "text: a sentence a line; json: an object a line, {\"text\": ..., \"id\": ...}, whose id (a string or a whole "
      "number, if given) comes back with --format json",
      {1, 1, "NAME"});
  table.add("without", &without,
            "attention that is taken away: encoder.layer.2.head.3, or all heads: decoder.layer.0.cross_attention",
            {1, most_removals, "HEAD"});
  table.add("reference", &reference, "a translation of each line: the BLEU of the best ones goes to the log",
            {1, 1, "FILE"});
  table.add_all(options);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_options(options);
  use_threads(thread_count);
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  layout.n_best = options.search.n_best > 1 || table.given("n-best");
  layout.alignment = options.alignment;
  layout.json = wants_json(format);
  const bool requests = wants_json(input_format, "--input-format");
  const LoadedModel loaded = load_model(directory);
  remove(*loaded.model, without, "--without");
  check_options(options, loaded.model->config());
  const std::vector<std::string> expected = reference.empty() ? std::vector<std::string>() : read_lines(reference);
  note("{}: {}", directory, describe(options.search));
  say_what_is_read("sentences");
  const Stopwatch watch;
  Input input(requests);
  int64_t number = 0;
  std::vector<std::string> best;
  const auto emit = [&](const std::string&, const Translation& translation) {
    const std::string id = input.take_id();
    print(layout.json ? json_of(number, id, translation, layout) : lines_of(number, translation, layout));
    if (!reference.empty()) {
      best.push_back(translation.candidates.empty() ? "" : translation.candidates.front().text);
    }
    ++number;
    flush_output();
    if (number % 100 == 0) {
      show_progress(fmt::format("{} lines, {}", with_separators(number), duration(watch.seconds())));
    }
  };
  const Translator translator(*loaded.model, *loaded.tokenizers.source, *loaded.tokenizers.target);
  const auto summary = translator.translate_stream([&] { return input.next(); }, options, emit);
  report(summary, watch.seconds());
  if (!reference.empty()) {
    report_bleu(best, expected, reference, loaded.model->config());
  }
  return success;
}

}  // namespace attune::cli
