// attune bench decode: output tokens a second of a model, every output exactly as long as its input.
#include <nlohmann/json.hpp>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/base/rng.h"
#include "attune/cli/bench.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/decode/search.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{"bench decode", "--model DIR [flags]",
                  "Translates random sentences of one length, each output forced to the length of its input, so that "
                  "models of random weights and other programs can be compared. The best of several rounds.",
                  "  attune bench decode --model demo/model --batch-size 32 --beam-size 1 --format json\n"};

struct Work {
  int batch_size = 32, length = 24, sentences = 64, rounds = 3;
};

void check_work(const Work& work) {
  check_whole("--batch-size", work.batch_size, {1, 100'000});
  check_whole("--length", work.length, {1, 100'000});
  check_whole("--sentences", work.sentences, {1, 1'000'000});
  check_whole("--rounds", work.rounds, {1, 1'000});
}

std::vector<std::vector<int>> random_sentences(const Work& work, int vocabulary) {
  constexpr int first_piece = 4;  // behind <unk>, <s>, </s>
  const Rng rng(1);
  std::vector<std::vector<int>> sentences(static_cast<size_t>(work.sentences));
  uint64_t at = 0;
  for (std::vector<int>& sentence : sentences) {
    for (int i = 0; i < work.length; ++i) {
      sentence.push_back(first_piece +
                         static_cast<int>(rng.below(at++, static_cast<uint64_t>(vocabulary - first_piece))));
    }
  }
  return sentences;
}

// Seconds for all sentences, a batch after another.
double time_of(const Model& model, std::span<const std::vector<int>> sentences, const SearchOptions& options,
               const Work& work) {
  const Stopwatch watch;
  const auto batch = static_cast<size_t>(work.batch_size);
  for (size_t begin = 0; begin < sentences.size(); begin += batch) {
    const auto found = search(model, sentences.subspan(begin, std::min(batch, sentences.size() - begin)), options);
    check(static_cast<int>(found.front().front().ids.size()) == work.length, "bench decode: an output of ",
          found.front().front().ids.size(), " pieces, expected ", work.length);
  }
  return watch.seconds();
}

}  // namespace

int bench_decode(const Arguments& arguments) {
  std::string directory, format = "text";
  Work work;
  SearchOptions options;
  options.beam_size = 1;
  int thread_count = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory", {1, 1, "DIR"});
  table.add("batch-size", &work.batch_size, "sentences translated together");
  table.add("beam-size", &options.beam_size, "hypotheses kept a sentence; 1: greedy");
  table.add("compute-type", &options.compute_type, "of matrix products: float32, bfloat16");
  table.add("length", &work.length, "pieces of every input and output");
  table.add("sentences", &work.sentences, "translated in a round");
  table.add("rounds", &work.rounds, "the best counts; one more before them warms up");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_usage(!directory.empty(), "--model is missing: the directory of a model");
  check_work(work);
  options.min_decoding_length = options.max_decoding_length = work.length;
  check_options(options);
  const bool json = wants_json(format);
  use_threads(thread_count);
  const LoadedModel loaded = load_model(directory);
  const auto sentences = random_sentences(work, loaded.model->config().source_vocabulary);
  time_of(*loaded.model, sentences, options, work);
  double seconds = time_of(*loaded.model, sentences, options, work);
  for (int round = 1; round < work.rounds; ++round) {
    seconds = std::min(seconds, time_of(*loaded.model, sentences, options, work));
  }
  const double rate = static_cast<double>(work.sentences) * work.length / seconds;
  if (json) {
    const nlohmann::ordered_json result{
        {"batch_size", work.batch_size},   {"beam_size", options.beam_size},       {"length", work.length},
        {"sentences", work.sentences},     {"compute_type", options.compute_type}, {"threads", threads()},
        {"output_tokens_per_second", rate}};
    print("{}\n", result.dump());
  } else {
    print("{:.0f} output tokens a second (batch {}, beam {}, {} pieces a sentence, {}, {} threads)\n", rate,
          work.batch_size, options.beam_size, work.length, options.compute_type, threads());
  }
  return success;
}

}  // namespace attune::cli
