// attune bench generate: how long a language model takes for the next piece, near the beginning of a text and far into
// it.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/cli/bench.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/cli/option_value.h"
#include "attune/decode/sampling.h"
#include "attune/models/language_model.h"
#include "attune/models/model_directory.h"
#include "attune/models/task.h"
#include "attune/ops/linear.h"

namespace attune::cli {

namespace {

const About about{
    "bench generate", "--model DIR [flags]",
    "Lets a language model write a text of its own, always the most probable piece, and measures how long "
    "a piece takes at some positions of it: all that generate does for it, as the median of several "
    "pieces from the position on.",
    "  attune bench generate --model my-shakespeare --positions 1 1024 16384 --format json\n"};

struct Work {
  std::vector<std::string> positions = {"1", "1024"};
  int pieces = 32;
};

std::vector<int> read_positions(const Work& work) {
  constexpr int furthest = 10'000'000;
  std::vector<int> positions;
  for (const std::string& word : work.positions) {
    int position = 0;
    read_value(&position, {word}, "--positions");
    const int64_t least = positions.empty() ? 1 : int64_t{positions.back()} + work.pieces;
    check_usage(position >= least && position <= furthest, "--positions: expected whole numbers up to ", furthest,
                " that rise by --pieces (", work.pieces, ") at least, the first one 1 or more, got ", position);
    positions.push_back(position);
  }
  return positions;
}

struct Timed {
  int position;
  double seconds;  // a piece
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Position 1 is the first piece, behind the line's end that begins a text.
std::vector<Timed> timed(const LanguageModel& model, const Tokenizer& tokenizer, const std::vector<int>& positions,
                         int pieces) {
  const OutputLayer output = model.output();
  const std::array<int, 2> never{unk_id, bos_id};
  const SamplingOptions greedy{.temperature = 0};
  const auto state = model.start(1);
  int32_t next = tokenizer.line_end();
  std::vector<Timed> result;
  std::vector<double> times;
  for (int64_t position = 1; result.size() < positions.size(); ++position) {
    const Stopwatch watch;
    const Tensor hidden = model.step(*state, std::span(&next, 1), {});
    next = sample(linear(hidden, output.weight, output.bias), greedy, never, 0);
    if (position >= positions[result.size()]) {
      times.push_back(watch.seconds());
    }
    if (std::ssize(times) == pieces) {
      result.push_back({positions[result.size()], median(std::exchange(times, {}))});
    }
    if (position % 256 == 0) {
      show_progress(fmt::format("position {}", with_separators(position)));
    }
  }
  show_progress("");
  return result;
}

void print_timed(const std::vector<Timed>& all, bool json) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  std::string text = "position  microseconds a piece  pieces a second\n";
  for (const auto& [position, seconds] : all) {
    rows.push_back({{"position", position}, {"seconds_per_piece", seconds}, {"pieces_per_second", 1 / seconds}});
    text += fmt::format("{:>8}  {:>20.1f}  {:>15.0f}\n", position, 1e6 * seconds, 1 / seconds);
  }
  print(json ? nlohmann::ordered_json{{"threads", threads()}, {"positions", rows}}.dump() + "\n" : text);
}

}  // namespace

int bench_generate(const Arguments& arguments) {
  std::string directory, format = "text";
  Work work;
  int thread_count = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train --task language_model", {1, 1, "DIR"});
  table.add("positions", &work.positions, "where in the text, from 1", {1, 100, "N"});
  table.add("pieces", &work.pieces, "measured at each position");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_whole("--pieces", work.pieces, {1, 1'000'000});
  const std::vector<int> positions = read_positions(work);
  const bool json = wants_json(format);
  use_threads(thread_count);
  check_usage(!directory.empty(), "--model is missing: the directory of a model");
  const ModelConfig config = load_config_for(language_model_task, directory);
  const int64_t last = int64_t{positions.back()} + work.pieces - 1;
  check_usage(!decoder_ends_at_max_positions(config) || last <= config.max_positions, "--positions: ", positions.back(),
              " and --pieces ", work.pieces, " reach beyond the ", config.max_positions,
              " positions that the model has (max-positions)");
  const auto tokenizer = load_tokenizers(directory, config).source;
  LanguageModel model(config);
  load_weights(model, directory);
  print_timed(timed(model, *tokenizer, positions, work.pieces), json);
  return success;
}

}  // namespace attune::cli
