// attune inspect: what a model looked at, as a page or as data.
#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/report.h"
#include "attune/tensor/atomic_file.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

const About about{
    "inspect", "--model DIR [--output report.html] [flags] < sentences",
    "Translates sentences, one a line, and shows what the model looked at: every head of every layer, rollout, "
    "alignment "
    "and the next pieces it found probable. As one HTML page that needs no network, or as JSON, CSV or SVG.",
    "  head -3 demo/test.en | attune inspect --model demo/model --n-best 5 --output report.html\n"
    "  head -3 demo/test.en | attune inspect --model demo/model --format csv > weights.csv\n"};

struct Settings {
  std::string directory, output, format = "html", target, gold;
  InspectOptions options = {};
  InspectionTextOptions text = {};
  int max_sentences = 20, threads = 0;
  bool one_based = false;
};

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  OptionTable table(about);
  table.add("model", &settings.directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add_config_file();
  table.add("output", &settings.output, "where the result goes; not given: standard output", {1, 1, "FILE"});
  table.add("format", &settings.format, "html, json, csv or svg", {1, 1, "NAME"});
  table.add("target", &settings.target, "translations to look at instead of the model's own, one a line",
            {1, 1, "FILE"});
  table.add(
      "alignment", &settings.gold,
      "gold links of the sentences and their --target (0-0 1p2), against which every head's alignment is measured",
      {1, 1, "FILE"});
  table.add("one-based", &settings.one_based, "words in --alignment are counted from 1");
  table.add("top-k", &settings.text.top_k,
            "weights kept of each row of a map with more keys than that; what is left out is summed");
  table.add("max-sentences", &settings.max_sentences, "further lines are left out and reported");
  table.add("threads", &settings.threads, "0: all cores this process may use");
  table.add_all(settings.options);
  return table.parse(arguments);
}

void check_settings(const Settings& settings) {
  check_word("format", settings.format, {"html", "json", "csv", "svg"});
  check_whole("top-k", settings.text.top_k, {1});
  check_whole("max-sentences", settings.max_sentences, {1});
  check_options(settings.options);
  check_usage(!settings.directory.empty(), "--model is missing: the directory of a trained model");
  check_usage(settings.gold.empty() || !settings.target.empty(),
              "--alignment links sentences with given translations: --target is missing");
  check_usage(settings.gold.empty() ? !settings.one_based : true, "--one-based belongs to --alignment");
  check_usage(settings.format != "html" || !settings.output.empty() || !is_terminal(Stream::output),
              "standard output is a terminal: --output report.html writes the page to a file");
}

struct Line {
  InspectRequest request;
  int number = 0;  // in the input, from 1
};

std::vector<Line> read_requests(const Settings& settings) {
  LineReader lines("-");
  std::vector<Line> requests;
  while (auto line = lines.next()) {
    requests.push_back({{std::move(*line), {}, {}}, static_cast<int>(requests.size()) + 1});
  }
  if (!settings.target.empty()) {
    LineReader targets(settings.target);
    size_t count = 0;
    for (; auto line = targets.next(); ++count) {
      if (count < requests.size()) {
        requests[count].request.target = std::move(*line);
      }
    }
    check(count == requests.size(), settings.target, " has ", count, " lines, standard input ", requests.size());
  }
  if (!settings.gold.empty()) {
    const auto gold = read_gold(settings.gold, {settings.one_based});
    check(gold.size() == requests.size(), settings.gold, " has ", gold.size(), " lines, standard input ",
          requests.size());
    for (size_t i = 0; i < gold.size(); ++i) {
      requests[i].request.gold = gold[i];
    }
  }
  std::erase_if(requests, [](const Line& line) { return split_whitespace(line.request.source).empty(); });
  check(!requests.empty(), "standard input has no sentence");
  const auto most = static_cast<size_t>(settings.max_sentences);
  if (requests.size() > most) {
    warn("{} of {} sentences are left out; --max-sentences sets how many are shown", requests.size() - most,
         requests.size());
    requests.resize(most);
  }
  return requests;
}

std::string written(const Inspection& inspection, const Settings& settings) {
  if (settings.format == "html") {
    return to_html(inspection, settings.text);
  }
  if (settings.format == "csv") {
    return to_csv(inspection, settings.text);
  }
  return settings.format == "svg" ? to_svg(inspection) : to_json(inspection, settings.text) + "\n";
}

}  // namespace

int inspect_model(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_settings(settings);
  use_threads(settings.threads);
  const LoadedModel loaded = load_model(settings.directory);
  if (is_terminal(Stream::input)) {
    note("Reading sentences from the terminal; Ctrl-D ends them.");
  }
  Inspection inspection = inspection_of(loaded, settings.directory, settings.options);
  const std::vector<Line> requests = read_requests(settings);
  for (const Line& line : requests) {
    try {
      inspection.sentences.push_back(inspect(loaded, line.request, settings.options));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      fail("standard input:", line.number, ": ", error.what());
    }
    show_progress(fmt::format("{} of {} sentences", inspection.sentences.size(), requests.size()));
  }
  const std::string result = written(inspection, settings);
  if (settings.output.empty()) {
    print(result);
    flush_output();
  } else {
    write_file_atomically(settings.output, result);
  }
  note("{} sentences, {}{}", inspection.sentences.size(), bytes_text(static_cast<int64_t>(result.size())),
       settings.output.empty() ? "" : ": " + settings.output);
  return success;
}

}  // namespace attune::cli
