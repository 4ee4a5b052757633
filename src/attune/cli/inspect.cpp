// attune inspect: what a model looked at, as a page or as data.
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/inspect/checkpoint_series.h"
#include "attune/inspect/encoder_inspector.h"
#include "attune/inspect/report.h"
#include "attune/models/task.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

const About about{"inspect", "--model DIR... [--output report.html] [flags] < sentences",
                  "Translates sentences, one a line, and shows what the model looked at: every head of every layer, "
                  "rollout, alignment and the next pieces it found probable; several models side by side, or the "
                  "checkpoints of one training. As one HTML page that needs no network, or as JSON, CSV or SVG. "
                  "A model that is an encoder alone reads texts, or the images of an idx file, and shows what it says "
                  "of them. attune inspect heads: what the model loses without each of its heads; attune inspect "
                  "spatial: the matrices of spatial gating.",
                  "  head -3 demo/test.en | attune inspect --model demo/model --n-best 5 --output report.html\n"
                  "  head -3 demo/test.en | attune inspect --model demo/model --format csv > weights.csv\n"};

constexpr int most_models = 8;

struct Settings {
  std::vector<std::string> models;
  std::string output, format = "html", target, gold, images;
  InspectOptions options = {};
  InspectionTextOptions text = {};
  int max_sentences = 20, threads = 0;
  bool one_based = false, checkpoints = false;
  std::string of_translation = {};  // a flag that was given and means nothing to an encoder-only model
};

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  OptionTable table(about);
  table.add("model", &settings.models, "model directories made by attune train, which are shown side by side",
            {1, most_models, "DIR"});
  table.add(
      "checkpoints", &settings.checkpoints,
      "the model at each checkpoint of its training that is still there (train --keep-last), each of them reading "
      "the translation of the finished model");
  table.add_config_file();
  table.add("output", &settings.output, "where the result goes; not given: standard output", {1, 1, "FILE"});
  table.add("format", &settings.format, "html, json, csv or svg", {1, 1, "NAME"});
  table.add("target", &settings.target, "translations to look at instead of the model's own, one a line",
            {1, 1, "FILE"});
  table.add(
      "alignment", &settings.gold,
      "gold links of the sentences and their --target (0-0 1p2), against which every head's alignment is measured",
      {1, 1, "FILE"});
  table.add("images", &settings.images, "an idx file of images, for a model of image classification", {1, 1, "FILE"});
  table.add("one-based", &settings.one_based, "words in --alignment are counted from 1");
  table.add("top-k", &settings.text.top_k,
            "weights kept of each row of a map with more keys than that; what is left out is summed");
  table.add("max-sentences", &settings.max_sentences, "further lines are left out and reported");
  table.add("threads", &settings.threads, "0: all cores this process may use");
  table.add_all(settings.options);
  const OptionTable::Outcome outcome = table.parse(arguments);
  settings.of_translation = table.given_besides({"model", "checkpoints", "output", "format", "images", "top-k",
                                                 "max-sentences", "threads", "next-pieces", "max-source-length"});
  return outcome;
}

void check_settings(const Settings& settings) {
  check_word("format", settings.format, {"html", "json", "csv", "svg"});
  check_whole("top-k", settings.text.top_k, {1});
  check_whole("max-sentences", settings.max_sentences, {1});
  check_options(settings.options);
  check_usage(!settings.models.empty() && !settings.models.front().empty(),
              "--model is missing: the directory of a trained model");
  check_usage(!settings.checkpoints || settings.models.size() == 1, "--checkpoints: expected one --model, got ",
              settings.models.size());
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

// At most max-sentences of them; the rest is reported.
void keep_first(std::vector<Line>& requests, const Settings& settings) {
  const auto most = static_cast<size_t>(settings.max_sentences);
  if (requests.size() > most) {
    warn("{} of {} {} are left out; --max-sentences sets how many are shown", requests.size() - most, requests.size(),
         settings.images.empty() ? "sentences" : "images");
    requests.resize(most);
  }
}

std::vector<Line> read_images_of(const Settings& settings) {
  const Images all = read_images(settings.images);
  std::vector<Line> requests;
  for (int i = 0; i < all.count; ++i) {
    requests.push_back({{fmt::format("image {}", i), {}, {}, {}}, i});
  }
  keep_first(requests, settings);
  for (Line& line : requests) {
    const std::span<const uint8_t> pixels = all.image(line.number);
    line.request.image = Images{1, all.height, all.width, all.channels, {pixels.begin(), pixels.end()}};
  }
  return requests;
}

std::vector<Line> read_requests(const Settings& settings) {
  LineReader lines("-");
  std::vector<Line> requests;
  while (auto line = lines.next()) {
    requests.push_back({{std::move(*line), {}, {}, {}}, static_cast<int>(requests.size()) + 1});
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
  keep_first(requests, settings);
  return requests;
}

std::string written(const Inspections& inspections, const Settings& settings) {
  if (settings.format == "html") {
    const FittedPage page = to_small_html(inspections, settings.text);
    if (page.top_k) {
      note("each row keeps its {} largest weights, so that the page stays small; --format json has more", *page.top_k);
    }
    return page.html;
  }
  if (settings.format == "csv") {
    return to_csv(inspections, settings.text);
  }
  return settings.format == "svg" ? to_svg(inspections) : to_json(inspections, settings.text) + "\n";
}

// Loaded: LoadedModel or LoadedEncoder
template <class Loaded>
Inspection inspect_all(const Loaded& loaded, const std::string& name, const std::vector<Line>& lines,
                       const InspectOptions& options) {
  Inspection inspection = inspection_of(*loaded.model, name, options);
  for (const Line& line : lines) {
    try {
      inspection.sentences.push_back(inspect(loaded, line.request, options));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      fail(line.request.image ? line.request.source : fmt::format("standard input:{}", line.number), ": ",
           error.what());
    }
    show_progress(fmt::format("{}: {} of {}", name, inspection.sentences.size(), lines.size()));
  }
  return inspection;
}

template <class Loaded>
std::vector<Inspection> inspect_models(Loaded (*load)(const std::string&), const std::vector<Line>& lines,
                                       const Settings& settings) {
  std::vector<Inspection> result;
  for (const std::string& directory : settings.models) {
    result.push_back(inspect_all(load(directory), directory, lines, settings.options));
  }
  return result;
}

// The oldest first. Without given translations all of them read the finished model's, so that the rows stay the same.
template <class Loaded>
std::vector<Inspection> inspect_checkpoints(Loaded (*load)(const std::string&), std::vector<Line> lines,
                                            const Settings& settings) {
  const std::string& directory = settings.models.front();
  const Loaded loaded = load(directory);
  if (!is_encoder_task(loaded.model->config())) {
    const Inspection last = inspect_all(loaded, directory, lines, settings.options);
    for (size_t i = 0; i < lines.size(); ++i) {
      lines[i].request.target = last.sentences[i].hypotheses.front().text;
    }
  }
  std::vector<Inspection> result;
  for_each_checkpoint(directory, *loaded.model, [&](int64_t update) {
    result.push_back(inspect_all(loaded, fmt::format("step {}", update), lines, settings.options));
  });
  return result;
}

template <class Loaded>
Inspections inspected(Loaded (*load)(const std::string&), const std::vector<Line>& lines, const Settings& settings) {
  return {settings.checkpoints ? inspect_checkpoints(load, lines, settings) : inspect_models(load, lines, settings),
          settings.checkpoints};
}

// Refuses, before anything is read, models that cannot stand side by side, and flags that are not for them; gives the
// first one's config.
ModelConfig check_models(const Settings& settings) {
  const ModelConfig first = load_config(settings.models.front());
  for (const std::string& directory : settings.models) {
    const ModelConfig config = load_config(directory);
    if (!is_encoder_task(config)) {
      load_config_for(translation_task, directory);
    }
    check_usage(is_encoder_task(config) == is_encoder_task(first) && reads_text(config) == reads_text(first), directory,
                ": a model of ", config.task, " does not read what ", settings.models.front(), " (", first.task,
                ") reads, and cannot be shown beside it");
  }
  check_usage(!is_encoder_task(first) || settings.of_translation.empty(), settings.of_translation,
              ": belongs to models of translation, and ", settings.models.front(), " is one of ", first.task);
  check_usage(reads_text(first) || !settings.images.empty(), settings.models.front(), ": a model of ", first.task,
              " reads images: --images is missing");
  check_usage(!reads_text(first) || settings.images.empty(), "--images: ", settings.models.front(), " is a model of ",
              first.task, ", which reads text");
  return first;
}

}  // namespace

int inspect_model(const Arguments& arguments) {
  if (!arguments.empty() && arguments.front() == "heads") {
    return inspect_heads({arguments.begin() + 1, arguments.end()});
  }
  if (!arguments.empty() && arguments.front() == "spatial") {
    return inspect_spatial({arguments.begin() + 1, arguments.end()});
  }
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_settings(settings);
  use_threads(settings.threads);
  const ModelConfig config = check_models(settings);
  if (reads_text(config)) {
    say_what_is_read("sentences");
  }
  const std::vector<Line> lines = reads_text(config) ? read_requests(settings) : read_images_of(settings);
  const Inspections inspections =
      is_encoder_task(config) ? inspected(load_encoder, lines, settings) : inspected(load_model, lines, settings);
  const std::string result = written(inspections, settings);
  write_result(settings.output, result);
  note("{} {}, {}{}", lines.size(), reads_text(config) ? "sentences" : "images",
       bytes_text(static_cast<int64_t>(result.size())), settings.output.empty() ? "" : ": " + settings.output);
  return success;
}

}  // namespace attune::cli
