#include "attune/data/batches.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/base/rng.h"
#include "attune/text/tokenizer.h"

namespace attune {
namespace {

void check_options(const BatchOptions& options, size_t examples) {
  check(options.batch_tokens >= 1, "batches: batch tokens must be at least 1, got ", options.batch_tokens);
  check(options.max_length >= 0, "batches: the maximal length must be 0 (no limit) or more, got ", options.max_length);
  check(options.window >= 1, "batches: the window must hold at least 1 example, got ", options.window);
  check(examples <= static_cast<size_t>(std::numeric_limits<int>::max()), "batches: at most ",
        std::numeric_limits<int>::max(), " examples, got ", examples);
}

// (length that counts, the other one): batches of similar length in both, the first one before all.
std::pair<size_t, size_t> lengths_of(const Example& example, const BatchOptions& options) {
  return options.needs_target ? std::pair(example.target.size(), example.source.size())
                              : std::pair(example.source.size(), example.target.size());
}

std::vector<std::vector<int>> cut(std::span<const Example> examples, std::span<const int> order,
                                  const BatchOptions& options) {
  std::vector<std::vector<int>> batches;
  int64_t tokens = 0;
  for (int index : order) {
    const auto cost = static_cast<int64_t>(lengths_of(examples[static_cast<size_t>(index)], options).first) + 1;
    if (batches.empty() || tokens + cost > options.batch_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(index);
    tokens += cost;
  }
  return batches;
}

void sort_by_length(std::span<const Example> examples, std::span<int> order, const BatchOptions& options) {
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return lengths_of(examples[static_cast<size_t>(a)], options) <
           lengths_of(examples[static_cast<size_t>(b)], options);
  });
}

}  // namespace

Batch make_batch(std::span<const Example> examples, std::span<const int> indices) {
  const ProfileScope scope("make_batch");
  Batch batch;
  std::vector<int> source_lengths, target_lengths;
  for (int index : indices) {
    check(index >= 0 && static_cast<size_t>(index) < examples.size(), "make_batch: example ", index, " of ",
          examples.size());
    const Example& example = examples[static_cast<size_t>(index)];
    batch.source.insert(batch.source.end(), example.source.begin(), example.source.end());
    batch.source.push_back(eos_id);
    batch.target_input.push_back(bos_id);
    batch.target_input.insert(batch.target_input.end(), example.target.begin(), example.target.end());
    batch.target_output.insert(batch.target_output.end(), example.target.begin(), example.target.end());
    batch.target_output.push_back(eos_id);
    source_lengths.push_back(static_cast<int>(example.source.size()) + 1);
    target_lengths.push_back(static_cast<int>(example.target.size()) + 1);
  }
  batch.sources = Segments::of_lengths(source_lengths);
  batch.targets = Segments::of_lengths(target_lengths);
  batch.indices.assign(indices.begin(), indices.end());
  return batch;
}

Batcher::Batcher(std::vector<Example> examples, const BatchOptions& options)
    : examples_(std::move(examples)), options_(options) {
  check_options(options, examples_.size());
  const auto longest =
      options.max_length == 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(options.max_length);
  for (size_t i = 0; i < examples_.size(); ++i) {
    const Example& example = examples_[i];
    if ((options.needs_source && example.source.empty()) || (options.needs_target && example.target.empty())) {
      ++dropped_.empty;
    } else if (std::max(example.source.size(), example.target.size()) > longest) {
      ++dropped_.too_long;
    } else {
      kept_.push_back(static_cast<int>(i));
    }
  }
  check(!kept_.empty(), "batches: no example is left of ", examples_.size(), ": ", dropped_.empty, " are empty and ",
        dropped_.too_long, " are longer than the maximal length of ", options.max_length,
        " pieces; raise it or look at the corpus");
}

const std::vector<std::vector<int>>& Batcher::plan(int64_t epoch) {
  check(epoch >= 0, "batches: epochs count from 0, got ", epoch);
  if (epoch == planned_) {
    return plan_;
  }
  const ProfileScope scope("plan_epoch");
  const Rng rng = Rng(options_.seed).stream("batches").stream(static_cast<uint64_t>(epoch));
  std::vector<int> order = kept_;
  shuffle(std::span(order), rng.stream("examples"));
  const auto window = static_cast<size_t>(options_.window);
  for (size_t begin = 0, number = 0; begin < order.size(); begin += window, ++number) {
    const std::span<int> part = std::span(order).subspan(begin, std::min(window, order.size() - begin));
    sort_by_length(examples_, part, options_);
    if (number % 2 == 1) {
      std::reverse(part.begin(), part.end());
    }
  }
  plan_ = cut(examples_, order, options_);
  shuffle(std::span(plan_), rng.stream("order"));
  planned_ = epoch;
  return plan_;
}

int Batcher::batches(int64_t epoch) {
  return static_cast<int>(plan(epoch).size());
}

Batch Batcher::batch(int64_t epoch, int index) {
  const auto& batches_of_epoch = plan(epoch);
  check(index >= 0 && static_cast<size_t>(index) < batches_of_epoch.size(), "batches: epoch ", epoch, " has ",
        batches_of_epoch.size(), " batches, asked for number ", index);
  return make_batch(examples_, batches_of_epoch[static_cast<size_t>(index)]);
}

std::vector<std::vector<int>> batches_by_length(std::span<const Example> examples, const BatchOptions& options) {
  check_options(options, examples.size());
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  sort_by_length(examples, order, options);
  return cut(examples, order, options);
}

}  // namespace attune
