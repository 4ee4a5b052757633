// attune bench mixers: the attention mechanisms beside exact attention, over the length of a sequence: time forward and
// backward, memory, the power of n that the time grows like, and from which length on each is faster.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/cli/bench.h"
#include "attune/cli/bench_lengths.h"
#include "attune/cli/bench_mechanisms.h"
#include "attune/cli/console.h"
#include "attune/cli/line_plot.h"
#include "attune/cli/option_table.h"
#include "attune/tensor/atomic_file.h"

namespace attune::cli {

namespace {

const About about{
    "bench mixers", "[flags]",
    "Measures each attention mechanism on one sequence of n tokens, 8 heads of 64, float32, nothing causal: median "
    "time "
    "of a forward and a backward, and the most memory that tensors hold at once beside inputs, outputs and gradients "
    "(the lists that a sparse pattern is worked on by are none: one number a query and block that it sees in part). "
    "Then how many times as fast as exact attention it is, and per pair of a query and a key that the pattern leaves "
    "visible; the power of n that its time grows like; and from which n on it is faster than exact attention. Exact "
    "attention is measured in any case.",
    "  attune bench mixers --threads 2\n"
    "  attune bench mixers --mechanism performer linear --length 4096 --format json\n"};

constexpr int fitted_from = 2048;  // shorter sequences tell of what a call costs

struct Row {
  const Mechanism* mechanism = nullptr;
  int length = 0;
  MixerFigures figures = {};
  std::optional<MixerFigures> exact = {};  // of the same length
  std::string skipped = {};                // why; then there are no figures

  std::optional<double> ratio() const { return exact ? std::optional(exact->both() / figures.both()) : std::nullopt; }
  std::optional<double> ratio_per_pair() const {
    if (!exact || !exact->pairs || !figures.pairs) return std::nullopt;
    return *ratio() * *figures.pairs / *exact->pairs;
  }
};

struct Limits {
  double seconds = 0.3;       // that a row is measured for
  double most_seconds = 240;  // of a forward and a backward
};

// Measures a mechanism at rising lengths, as far as they fit.
class Climb {
 public:
  Climb(const Mechanism& mechanism, const Limits& limits) : mechanism_(mechanism), limits_(limits) {}

  Row at(int length) {
    show_progress(fmt::format("{}, n = {}", mechanism_.name(), with_separators(length)));
    Row row{&mechanism_, length};
    if (length > base_length && !last_) remember(base_length, measure(mechanism_, base_length, 0));
    row.skipped = too_much(length);
    if (row.skipped.empty()) {
      row.figures = measure(mechanism_, length, limits_.seconds);
      remember(length, row.figures);
    }
    return row;
  }

 private:
  static constexpr int base_length = 1024;  // takes no time, and tells of what the first length would take

  void remember(int length, const MixerFigures& figures) { length_ = length, last_ = figures; }

  // Why not to try; empty where it fits.
  std::string too_much(int length) const {
    if (!last_) return {};
    const double growth = std::pow(static_cast<double>(length) / length_, mechanism_.power);
    const double time = growth * last_->both();
    if (time > limits_.most_seconds) {
      return fmt::format("would take about {} (--max-seconds)", duration(time));
    }
    const auto bytes = operand_bytes(length) + static_cast<int64_t>(growth * static_cast<double>(last_->extra_bytes));
    const int64_t there = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
    if (bytes > there) {
      return fmt::format("would need about {}, this machine has {}", bytes_text(bytes), bytes_text(there));
    }
    return {};
  }

  const Mechanism& mechanism_;
  Limits limits_;
  int length_ = 0;
  std::optional<MixerFigures> last_ = {};
};

double megabytes(int64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

std::string shown(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}

void print_head(const std::vector<const Mechanism*>& chosen, double products) {
  print("one sequence of n tokens, {} heads of {}, float32, {} threads; float32 products: {:.0f} GFLOP/s\n\n",
        mixer_heads, mixer_depth, threads(), products);
  for (const Mechanism* each : chosen) print("{:<16} {}\n", each->name(), each->setting);
  print("\nratio: exact attention's time divided by this one's; per pair: the same for a visible pair\n");
  print("{:>7} {:<16} {:>11} {:>12} {:>10} {:>8} {:>9}\n", "n", "mechanism", "forward ms", "backward ms", "extra MB",
        "ratio", "per pair");
}

void print_text(const Row& row) {
  print("{:>7} {:<16} ", row.length, row.mechanism->name());
  if (row.skipped.empty()) {
    const MixerFigures& figures = row.figures;
    print("{:>11.3f} {:>12.3f} {:>10.2f} {:>8} {:>9}\n", 1e3 * figures.forward, 1e3 * figures.backward,
          megabytes(figures.extra_bytes), shown(row.ratio()), shown(row.ratio_per_pair()));
  } else {
    print("skipped: {}\n", row.skipped);
  }
}

void print_json(const Row& row) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  const Mechanism& mechanism = *row.mechanism;
  Json json{{"mechanism", mechanism.word}, {"form", mechanism.form}, {"length", row.length}};
  if (row.skipped.empty()) {
    json.update({{"forward_seconds", row.figures.forward},
                 {"backward_seconds", row.figures.backward},
                 {"extra_bytes", row.figures.extra_bytes},
                 {"ratio_to_exact", number(row.ratio())},
                 {"visible_pairs", number(row.figures.pairs)},
                 {"ratio_to_exact_per_pair", number(row.ratio_per_pair())},
                 {"rounds", row.figures.rounds}});
  } else {
    json["skipped"] = row.skipped;
  }
  json.update({{"setting", mechanism.setting}, {"threads", threads()}});
  print("{}\n", json.dump());
}

// The measured rows of a mechanism, by length.
std::vector<Row> rows_of(const Mechanism& mechanism, const std::vector<Row>& all) {
  std::vector<Row> rows;
  for (const Row& row : all) {
    if (row.mechanism == &mechanism && row.skipped.empty()) rows.push_back(row);
  }
  return rows;
}

std::optional<double> slope_of(const std::vector<Row>& rows) {
  std::vector<int> lengths;
  std::vector<double> times;
  for (const Row& row : rows) {
    if (row.length < fitted_from) continue;
    lengths.push_back(row.length), times.push_back(row.figures.both());
  }
  return fitted_power(lengths, times);
}

std::string faster_from(const std::vector<Row>& all) {
  std::vector<Row> rows;
  std::vector<int> lengths;
  for (const Row& row : all) {
    if (!row.exact) continue;
    rows.push_back(row), lengths.push_back(row.length);
  }
  if (rows.empty()) return "-";
  if (*rows.front().ratio() >= 1) return fmt::format("{} or before", lengths.front());
  const auto time = [&](size_t i) { return rows[i].figures.both(); };
  const auto n = crossing(lengths, time, [&](size_t i) { return rows[i].exact->both(); });
  return n ? fmt::format("{:.0f}", *n) : "-";
}

// Wang et al. 2020, table 3: how much faster the inference of a whole model got.
struct Published {
  int length;
  double ratio;
};
constexpr Published linformer_inference[] = {{2048, 2.4}, {16'384, 7.8}};

void print_summary(const std::vector<const Mechanism*>& chosen, const std::vector<Row>& rows) {
  print("\n{:<16} {:>24} {:>24}\n", "mechanism", fmt::format("power of n (from {})", fitted_from),
        "faster than exact from n");
  for (const Mechanism* each : chosen) {
    const auto own = rows_of(*each, rows);
    const bool exact = each == &mechanisms().front();
    print("{:<16} {:>24} {:>24}\n", each->name(), shown(slope_of(own)), exact ? "" : faster_from(own));
  }
  for (const Row& row : rows) {
    if (row.mechanism->word != "linformer" || !row.skipped.empty() || !row.exact) continue;
    for (const Published& each : linformer_inference) {
      if (each.length != row.length) continue;
      print(
          "linformer's forward alone, n = {}: {:.1f} times as fast as exact attention; published, of a whole model: "
          "{:.1f}\n",
          row.length, row.exact->forward / row.figures.forward, each.ratio);
    }
  }
}

struct Axes {
  std::string title, y;
  std::function<double(const MixerFigures&)> value;
};

void draw_lines(const std::string& file, const Axes& axes, const std::vector<const Mechanism*>& chosen,
                const std::vector<Row>& rows) {
  constexpr size_t colours = 8;  // of a plot
  LinePlot plot{
      .title = axes.title, .x = {"n, tokens of a sequence", Scale::logarithmic}, .y = {axes.y, Scale::logarithmic}};
  for (const Mechanism* each : chosen) {
    LinePlot::Line line{.name = each->name(), .dashed = plot.lines.size() >= colours};
    for (const Row& row : rows_of(*each, rows)) {
      const double value = axes.value(row.figures);
      if (value > 0) line.points.push_back({static_cast<double>(row.length), value});
    }
    if (!line.points.empty()) plot.lines.push_back(line);
  }
  write_file_atomically(file, draw(plot));
  note("plot: {}", file);
}

std::vector<const Mechanism*> chosen_of(const std::vector<std::string>& words) {
  std::set<std::string> wanted;
  for (const std::string& word : words) {
    wanted.insert(entry_of_word("--mechanism", word, mechanisms(), &Mechanism::word).word);
  }
  std::vector<const Mechanism*> chosen;
  for (const Mechanism& each : mechanisms()) {
    if (words.empty() || wanted.count(each.word) == 1) chosen.push_back(&each);
  }
  return chosen;
}

// Length by length, exact attention first, so that what is compared was measured at about the same time.
template <class Each>
std::vector<Row> climb(const std::vector<const Mechanism*>& chosen, const std::vector<int>& lengths,
                       const Limits& limits, const Each& each_row) {
  const Mechanism* const exact = &mechanisms().front();
  Climb exact_climb(*exact, limits);
  std::vector<Climb> climbs;
  for (const Mechanism* each : chosen) climbs.emplace_back(*each, limits);
  std::vector<Row> rows;
  for (const int length : lengths) {
    const Row compared = exact_climb.at(length);
    for (size_t i = 0; i < chosen.size(); ++i) {
      Row row = chosen[i] == exact ? compared : climbs[i].at(length);
      if (compared.skipped.empty()) row.exact = compared.figures;
      show_progress("");
      each_row(row);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace

int bench_mixers(const Arguments& arguments) {
  std::vector<std::string> words, lengths{"256", "512", "1024", "2048", "4096", "8192", "16384", "32768", "65536"};
  std::string format = "text", plot, memory_plot;
  Limits limits;
  int thread_count = 0;
  OptionTable table(about);
  table.add("mechanism", &words, "which ones, by the config's words; none: all", {1, 100, "NAME"});
  table.add("length", &lengths, "n: tokens of the sequence, rising", {1, 100, "N"});
  table.add("seconds", &limits.seconds, "that are measured, for each row");
  table.add("max-seconds", &limits.most_seconds, "a forward and a backward that would take longer are skipped");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("plot", &plot, "draw time against n as an SVG", {1, 1, "FILE"});
  table.add("memory-plot", &memory_plot, "draw extra memory against n as an SVG", {1, 1, "FILE"});
  table.add("format", &format, "text, or json: an object a row", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(format);
  check_number("--seconds", limits.seconds, {0, 600});
  check_number("--max-seconds", limits.most_seconds, {0, 1e6});
  const auto chosen = chosen_of(words);
  const auto numbers = read_lengths("--length", lengths, 1'000'000);
  use_threads(thread_count);
  if (!json) print_head(chosen, product_rate(1024, 20));
  const auto rows = climb(chosen, numbers, limits, [json](const Row& row) {
    json ? print_json(row) : print_text(row);
    flush_output();
  });
  if (!json) print_summary(chosen, rows);
  if (!plot.empty()) {
    const Axes axes{"Attention forward and backward, 8 heads of 64", "milliseconds",
                    [](const MixerFigures& figures) { return 1e3 * figures.both(); }};
    draw_lines(plot, axes, chosen, rows);
  }
  if (!memory_plot.empty()) {
    const Axes axes{"Memory beside inputs, outputs and gradients, 8 heads of 64", "MB",
                    [](const MixerFigures& figures) { return megabytes(figures.extra_bytes); }};
    draw_lines(memory_plot, axes, chosen, rows);
  }
  return success;
}

}  // namespace attune::cli
