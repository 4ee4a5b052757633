// attune compare: several configs on the same data, row after row, and one table.
#include <filesystem>
#include <new>
#include <set>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/comparison_plot.h"
#include "attune/cli/comparison_row.h"
#include "attune/cli/comparison_table.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/length_buckets.h"
#include "attune/cli/line_plot.h"
#include "attune/cli/option_table.h"
#include "attune/cli/option_value.h"
#include "attune/models/task.h"
#include "attune/tensor/atomic_file.h"

namespace attune::cli {

namespace {

const About about{
    "compare",
    "--train SOURCE TARGET --valid SOURCE TARGET [--test SOURCE TARGET] --configs FILE... --directory DIR "
    "[--max-minutes X] [--seeds N...] [flags]",
    "Trains each config on the same data, one after another, each in DIR/CONFIG (with seeds in DIR/CONFIG-seed-N), "
    "measures what came out and prints one table. Any flag of train holds for every row: a flag wins over the "
    "environment, and that over the row's config file. Ctrl-C saves; the same command goes on from there and trains "
    "or measures nothing twice. A row that fails is reported in the table, and the others go on.",
    "  echo 'cross-mixer = \"scaled_dot\"' > attention.toml; echo 'cross-mixer = \"mean\"' > mean.toml\n"
    "  attune compare --configs attention.toml mean.toml --train demo/train.en demo/train.vi \\\n"
    "    --valid demo/valid.en demo/valid.vi --test demo/test.en demo/test.vi --directory comparison \\\n"
    "    --tokenizer words --joint-vocabulary=false --encoder-layers 2 --decoder-layers 2 --width 64 --heads 4 \\\n"
    "    --feed-forward 256 --warmup-updates 200 --max-minutes 1\n"};

// What belongs to the whole comparison.
struct Frame {
  std::vector<std::string> configs, seeds;
  std::vector<std::string> length_bounds = {};
  std::string directory, plot, format = "text";

  bool operator==(const Frame&) const = default;
};

struct Settings {
  Frame frame = {};
  ComparisonRow row = {};  // of one config; without one, of flags and environment alone
};

// The search of a row gives one translation, with the products of its training.
bool belongs_to_a_row(const std::string& search_key) {
  return search_key != "n-best" && search_key != "compute-type";
}

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments,
                                   const std::optional<std::string>& config = {}) {
  constexpr int most = 1000;
  auto& [frame, row] = settings;
  OptionTable table(about);
  table.add("configs", &frame.configs, "config files, each a row", {1, most, "FILE"});
  table.add("directory", &frame.directory, "where the rows' model directories go", {1, 1, "DIR"});
  table.add("seeds", &frame.seeds, "a row of each config for every seed, and their mean; instead of seed",
            {1, most, "N"});
  add_run(table, row.run);
  table.add("test", &row.test, "the same for BLEU; without it that is measured on the validation data", {1, 2, "FILE"});
  table.add("format", &frame.format, "text or json", {1, 1, "NAME"});
  table.add("length-bounds", &frame.length_bounds,
            "score sentences of up to so many source words apart, and those that are longer than the last bound; "
            "otherwise three groups of equal size",
            {1, 100, "N"});
  table.add("plot", &frame.plot,
            "draw as an SVG: of translation BLEU against the source's length, a line for each config; of other tasks "
            "accuracy, F1 or the loss against the time a token of training",
            {1, 1, "FILE"});
  table.section("The search for BLEU");
  SearchOptions::visit(row.search, [&](const char* key, auto& field, const char* help) {
    if (belongs_to_a_row(key)) {
      table.add(key, &field, help);
    }
  });
  table.section("The training");
  table.add_all(row.run.options);
  table.add_model(row.run.config);
  const OptionTable::Outcome outcome = table.parse(arguments, config);
  if (config) {
    adopt_settings(row.run, table);
  }
  return outcome;
}

std::vector<uint64_t> read_seeds(const std::vector<std::string>& words) {
  std::vector<uint64_t> seeds;
  for (const std::string& word : words) {
    uint64_t seed = 0;
    read_value(&seed, {word}, "--seeds");
    check_usage(std::find(seeds.begin(), seeds.end(), seed) == seeds.end(), "--seeds: ", seed, " is given twice");
    seeds.push_back(seed);
  }
  return seeds;
}

std::vector<int> read_length_bounds(const std::vector<std::string>& words) {
  std::vector<int> bounds;
  for (const std::string& word : words) {
    int bound = 0;
    read_value(&bound, {word}, "--length-bounds");
    check_usage(bound > (bounds.empty() ? 0 : bounds.back()), "--length-bounds: expected rising numbers above 0, got ",
                bound, bounds.empty() ? "" : fmt::format(" behind {}", bounds.back()));
    bounds.push_back(bound);
  }
  return bounds;
}

void check_frame(const Frame& frame) {
  check_usage(!frame.configs.empty(), "--configs is missing: the config files to compare");
  check_usage(!frame.directory.empty(), "--directory is missing: where the rows' models go");
  std::map<std::string, std::string> by_stem;
  for (const std::string& config : frame.configs) {
    const auto [other, is_new] = by_stem.emplace(std::filesystem::path(config).stem().string(), config);
    check_usage(is_new, "--configs: ", other->second, " and ", config, " would both be the row ", other->first,
                "; rename one of them");
  }
}

// The row of a config with its own seed.
ComparisonRow row_of(const Arguments& arguments, const Frame& frame, const std::string& config) {
  Settings own;
  read_settings(own, arguments, config);
  check_usage(own.frame == frame, config,
              ": configs, directory, seeds, length-bounds, plot and format are given as flags, not in a config");
  ComparisonRow& row = own.row;
  row.name = std::filesystem::path(config).stem().string();
  row.config = config;
  row.search.compute_type = row.run.options.compute_type;
  if (row.test.empty()) {
    row.test = row.run.valid;
  }
  return row;
}

std::vector<ComparisonRow> rows_of(const Arguments& arguments, const Frame& frame) {
  check_frame(frame);
  const std::vector<uint64_t> seeds = read_seeds(frame.seeds);
  std::vector<ComparisonRow> rows;
  for (const std::string& config : frame.configs) {
    const ComparisonRow row = row_of(arguments, frame, config);
    if (seeds.empty()) {
      rows.push_back(row);
    }
    for (const uint64_t seed : seeds) {
      rows.push_back(row);
      rows.back().name += fmt::format("-seed-{}", seed);
      rows.back().run.options.seed = seed;
    }
  }
  const std::vector<int> bounds = read_length_bounds(frame.length_bounds);
  for (ComparisonRow& row : rows) {
    row.run.directory = frame.directory + "/" + row.name;
    row.length_bounds = bounds;
  }
  return rows;
}

// Before minutes are spent on the first row, everything that can be told of the last one; and the length bounds, where
// they were not given.
void check_rows(std::vector<ComparisonRow>& rows) {
  std::set<CorpusFiles> files;
  for (const ComparisonRow& row : rows) {
    try {
      check_row(row);
    } catch (const UsageError& error) {
      check_usage(false, row.config, ": ", error.what());
    }
    if (translates(row.run.config)) {
      files.insert({row.run.train, row.run.valid, row.test});
    }
    check_usage(translates(row.run.config) == translates(rows.front().run.config), row.config,
                ": has another task than ", rows.front().config, ", with which it cannot share a table");
  }
  for (const CorpusFiles& corpus : files) {
    read_corpus(corpus);
  }
  if (rows.front().length_bounds.empty() && translates(rows.front().run.config)) {
    const std::vector<int> bounds = thirds_by_length(read_corpus(rows.front().test).source);
    for (ComparisonRow& row : rows) {
      row.length_bounds = bounds;
    }
  }
}

// Nothing when interrupted.
std::optional<ComparedRow> compared(const ComparisonRow& row) {
  std::string failure;
  try {
    const std::optional<RowOutcome> outcome = run_row(row);
    if (outcome && outcome->done_before) {
      note("{}: trained and measured before", row.name);
    }
    return outcome ? std::optional(ComparedRow{row, outcome->result}) : std::nullopt;
  } catch (const std::bad_alloc&) {
    failure = out_of_memory;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  show_progress("");
  return InterruptGuard::requested() ? std::nullopt : std::optional(ComparedRow{row, {}, failure});
}

int run_comparison(const std::vector<ComparisonRow>& rows, const std::string& plot, bool json) {
  std::vector<ComparedRow> done;
  bool failed = false;
  for (const ComparisonRow& row : rows) {
    note("row {} of {}: {} ({}, seed {})", done.size() + 1, rows.size(), row.name, row.config, row.run.options.seed);
    const auto result = compared(row);
    if (!result) {
      note("interrupted; the same command goes on with {}", row.name);
      return InterruptGuard::exit_code();
    }
    const bool fails = !result->failure.empty();
    (fails ? error_line : note_line)(row_line(*result));
    failed = failed || fails;
    done.push_back(*result);
  }
  print(json ? comparison_json(done) : comparison_text(done));
  if (!plot.empty()) {
    write_file_atomically(plot, draw(translates(rows.front().run.config) ? length_plot(done) : quality_plot(done)));
    note("plot: {}", plot);
  }
  return failed ? failure : success;
}

}  // namespace

int compare(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(settings.frame.format);
  std::vector<ComparisonRow> rows = rows_of(arguments, settings.frame);
  check_rows(rows);
  return run_comparison(rows, settings.frame.plot, json);
}

}  // namespace attune::cli
