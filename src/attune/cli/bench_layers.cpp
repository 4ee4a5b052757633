// attune bench layers: the time of one layer, forward and backward, against the length of its sequences, beside the
// operation counts of table 1 of Vaswani et al. 2017.
#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/cli/bench.h"
#include "attune/cli/bench_attention.h"
#include "attune/cli/bench_lengths.h"
#include "attune/cli/console.h"
#include "attune/cli/line_plot.h"
#include "attune/cli/option_table.h"
#include "attune/nn/initialise.h"
#include "attune/nn/mixer.h"
#include "attune/tensor/atomic_file.h"

namespace attune::cli {

namespace {

const About about{
    "bench layers", "[flags]",
    "Measures one layer of each kind on sequences of n tokens, as many of them as --tokens holds, and prints "
    "microseconds a token, forward and backward, beside the multiply-adds that table 1 of the Transformer's paper "
    "counts (which leaves out attention's four projections of d^2 a token; they are in the measured time), and where "
    "the lines cross, measured and counted. With --tokens 2048 the longest length is one sequence: what a recurrence "
    "cannot do in parallel shows there.",
    "  attune bench layers --threads 2\n  attune bench layers --width 512 --heads 8 --plot layers.svg\n"};

struct Setting {
  int width = 256, heads = 4, neighbourhood = 64, tokens = 2048;
  std::vector<int> lengths = {};
  double seconds = 0.1;
};

// A kind of layer: a mixer of the table (nn/mixer.h), and what the paper counts, a token.
struct Kind {
  std::string name, mixer, formula;  // of a sequence
  std::function<double(double n)> multiply_adds;
  std::optional<int> reach = {};
};

std::vector<Kind> kinds(const Setting& setting) {
  const double kernel = MixerOptions{}.kernel_width;
  const double d = setting.width, r = setting.neighbourhood;
  const auto recurrent = [d](double) { return d * d; };
  return {
      {"rnn", "rnn", "n d^2", recurrent},
      {"gru", "gru", "n d^2", recurrent},
      {"lstm", "lstm", "n d^2", recurrent},
      {"convolution", "convolution", "k n d^2", [d, kernel](double) { return kernel * d * d; }},
      {"attention", "scaled_dot", "n^2 d", [d](double n) { return n * d; }},
      {"restricted", "scaled_dot", "r n d", [d, r](double) { return r * d; }, setting.neighbourhood / 2},
  };
}

struct Figures {
  double forward = 0, backward = 0;  // microseconds a token
  double both() const { return forward + backward; }
};

Figures measure(const Kind& kind, int length, const Setting& setting) {
  const auto mixer = make_mixer(kind.mixer, {.width = setting.width, .heads = setting.heads, .reach = kind.reach});
  Parameters parameters;
  mixer->collect(parameters, "layer");
  parameters.allocate();
  initialise(parameters, Rng(1));
  const Segments segments = Segments::equal(setting.tokens / length, length);
  const Shape shape{segments.rows(), setting.width};
  const Tensor x = random_values(shape, 2, DType::float32), dy = random_values(shape, 3, DType::float32);
  const auto forward = [&] { return (*mixer)(x, segments, x, segments, {}); };
  struct Recorded {
    std::unique_ptr<Tape> tape;
    Tensor y;
  };
  const auto record = [&] {
    Recorded recorded{std::make_unique<Tape>(parameters), {}};
    recorded.tape->watch(x);
    recorded.y = forward();
    return recorded;
  };
  const auto backward = [&](const Recorded& recorded) {
    recorded.tape->backward(std::span(&recorded.y, 1), std::span(&dy, 1));
  };
  const double scale = 1e6 / static_cast<double>(segments.rows());
  Figures figures;
  figures.forward = scale * best_time(
                                setting.seconds, [] { return 0; }, [&](int) { forward(); });
  figures.backward = scale * best_time(setting.seconds, record, backward);
  return figures;
}

struct Line {
  Kind kind;
  std::vector<Figures> figures = {};  // of each length
};

struct Crossing {
  std::string one, other;
  std::optional<double> measured = {}, counted = {};
};

std::vector<Crossing> crossings(const std::vector<Line>& lines, const std::vector<int>& lengths) {
  std::vector<int> powers;  // the counts are known everywhere
  for (int n = 1; n <= 1 << 20; n *= 2) powers.push_back(n);
  std::vector<Crossing> all;
  for (size_t a = 0; a < lines.size(); ++a) {
    for (size_t b = a + 1; b < lines.size(); ++b) {
      const auto time = [&](size_t line) { return [&, line](size_t i) { return lines[line].figures[i].both(); }; };
      const auto count = [&](size_t line) {
        return [&, line](size_t i) { return lines[line].kind.multiply_adds(powers[i]); };
      };
      Crossing found{lines[a].kind.name, lines[b].kind.name, crossing(lengths, time(a), time(b)), {}};
      const bool alike = lines[a].kind.formula == lines[b].kind.formula;
      found.counted = alike ? std::nullopt : crossing(powers, count(a), count(b));
      if (found.measured || found.counted) all.push_back(found);
    }
  }
  return all;
}

using Cell = std::function<std::string(const Line&, size_t)>;

void print_table(const std::string& title, const std::vector<Line>& lines, const std::vector<int>& lengths,
                 const Cell& cell) {
  print("{}\n{:>6}", title, "n");
  for (const Line& line : lines) print(" {:>12}", line.kind.name);
  print("\n");
  for (size_t i = 0; i < lengths.size(); ++i) {
    print("{:>6}", lengths[i]);
    for (const Line& line : lines) print(" {:>12}", cell(line, i));
    print("\n");
  }
  print("\n");
}

void print_text(const std::vector<Line>& lines, const Setting& setting) {
  const auto& lengths = setting.lengths;
  print("one layer, width d = {}, {} heads, float32, {} threads; as many sequences of n tokens as {} tokens hold\n\n",
        setting.width, setting.heads, threads(), with_separators(setting.tokens));
  print_table("forward, microseconds a token", lines, lengths,
              [](const Line& line, size_t i) { return fmt::format("{:.3f}", line.figures[i].forward); });
  print_table("backward, microseconds a token", lines, lengths,
              [](const Line& line, size_t i) { return fmt::format("{:.3f}", line.figures[i].backward); });
  std::string formulas;
  for (const Line& line : lines) {
    formulas += fmt::format("{}{} {}", formulas.empty() ? "" : ", ", line.kind.name, line.kind.formula);
  }
  print_table(
      "table 1 of the paper, a sequence: " + formulas + "; thousand multiply-adds a token", lines, lengths,
      [&](const Line& line, size_t i) { return fmt::format("{:.1f}", line.kind.multiply_adds(lengths[i]) / 1000); });
  print("where the lines cross (forward and backward together): n measured, n by table 1\n");
  const auto shown = [](const std::optional<double>& n) { return n ? fmt::format("{:.0f}", *n) : "-"; };
  for (const Crossing& each : crossings(lines, lengths)) {
    print("  {:<28} {:>8} {:>8}\n", each.one + ", " + each.other, shown(each.measured), shown(each.counted));
  }
}

std::string json_of(const std::vector<Line>& lines, const Setting& setting) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array(), crossed = Json::array();
  for (const Line& line : lines) {
    for (size_t i = 0; i < setting.lengths.size(); ++i) {
      const int n = setting.lengths[i];
      rows.push_back({{"layer", line.kind.name},
                      {"mixer", line.kind.mixer},
                      {"n", n},
                      {"forward_microseconds_per_token", line.figures[i].forward},
                      {"backward_microseconds_per_token", line.figures[i].backward},
                      {"table_1", line.kind.formula},
                      {"multiply_adds_per_token", line.kind.multiply_adds(n)}});
    }
  }
  const auto number = [](const std::optional<double>& n) { return n ? Json(*n) : Json(); };
  for (const Crossing& each : crossings(lines, setting.lengths)) {
    crossed.push_back(
        {{"layers", {each.one, each.other}}, {"measured", number(each.measured)}, {"table_1", number(each.counted)}});
  }
  return Json{{"width", setting.width},   {"heads", setting.heads}, {"neighbourhood", setting.neighbourhood},
              {"tokens", setting.tokens}, {"threads", threads()},   {"layers", rows},
              {"crossings", crossed}}
             .dump() +
         "\n";
}

LinePlot plot_of(const std::vector<Line>& lines, const Setting& setting) {
  LinePlot plot{.title = fmt::format("A layer's time, forward and backward (width {})", setting.width),
                .x = {"n, tokens of a sequence", Scale::logarithmic},
                .y = {"microseconds a token", Scale::logarithmic}};
  for (const Line& line : lines) {
    plot.lines.push_back({.name = line.kind.name});
    for (size_t i = 0; i < setting.lengths.size(); ++i) {
      plot.lines.back().points.push_back({static_cast<double>(setting.lengths[i]), line.figures[i].both()});
    }
  }
  return plot;
}

void check_setting(const Setting& setting) {
  check_whole("--width", setting.width, {1, 16'384});
  check_whole("--heads", setting.heads, {1, 1'024});
  check_whole("--neighbourhood", setting.neighbourhood, {1, 1'000'000});
  check_whole("--tokens", setting.tokens, {1, 1'000'000});
  check_usage(setting.seconds >= 0 && setting.seconds <= 600, "--seconds: expected 0 to 600, got ", setting.seconds);
}

}  // namespace

int bench_layers(const Arguments& arguments) {
  Setting setting;
  std::vector<std::string> lengths{"16", "32", "64", "128", "256", "512", "1024", "2048"};
  std::string format = "text", plot;
  int thread_count = 0;
  OptionTable table(about);
  table.add("width", &setting.width, "d: of the layer");
  table.add("heads", &setting.heads, "attention heads; must divide the width");
  table.add("neighbourhood", &setting.neighbourhood, "r: tokens that restricted attention sees, half to either side");
  table.add("tokens", &setting.tokens, "in a call; divided into sequences of n");
  table.add("lengths", &lengths, "n: tokens of a sequence, rising", {1, 100, "N"});
  table.add("seconds", &setting.seconds, "that are measured, for each figure");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("plot", &plot, "draw the lines as an SVG", {1, 1, "FILE"});
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(format);
  check_setting(setting);
  setting.lengths = read_lengths("--lengths", lengths, setting.tokens);
  use_threads(thread_count);
  std::vector<Line> lines;
  for (const Kind& kind : kinds(setting)) {
    lines.push_back({kind});
    for (const int length : setting.lengths) {
      show_progress(fmt::format("{}, n = {}", kind.name, length));
      lines.back().figures.push_back(measure(kind, length, setting));
    }
  }
  show_progress("");
  json ? print(json_of(lines, setting)) : print_text(lines, setting);
  if (!plot.empty()) {
    write_file_atomically(plot, draw(plot_of(lines, setting)));
    note("plot: {}", plot);
  }
  return success;
}

}  // namespace attune::cli
