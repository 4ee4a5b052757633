#include "attune/data/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/rng.h"
#include "attune/text/tokenizer.h"

namespace attune {
namespace {

// Lengths 1 ... 41, the target near the source; ids name the example, so that contents can be recognised.
std::vector<Example> some_examples(int count) {
  const Rng rng(7);
  std::vector<Example> examples;
  for (int i = 0; i < count; ++i) {
    const auto element = static_cast<uint64_t>(i);
    const size_t source = 1 + rng.stream("s").below(element, 38);
    const size_t target = source + rng.stream("t").below(element, 4);
    examples.push_back({std::vector<int>(source, 3 + i), std::vector<int>(target, 3 + i)});
  }
  return examples;
}

using Plan = std::vector<std::vector<int>>;

std::vector<int> sorted_indices(const Plan& plan) {
  std::vector<int> all;
  for (const auto& indices : plan) {
    all.insert(all.end(), indices.begin(), indices.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<int> zero_to(int count) {
  std::vector<int> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST(Batches, pack_pieces_and_special_ids_without_padding) {
  const std::vector<Example> examples = {{{7, 3, 9}, {5}}, {{4}, {}}, {{3, 3}, {8, 6}}};
  const Batch batch = make_batch(examples, std::vector<int>{2, 0, 1});
  EXPECT_EQ(batch.source, (std::vector<int32_t>{3, 3, eos_id, 7, 3, 9, eos_id, 4, eos_id}));
  EXPECT_EQ(batch.target_input, (std::vector<int32_t>{bos_id, 8, 6, bos_id, 5, bos_id}));
  EXPECT_EQ(batch.target_output, (std::vector<int32_t>{8, 6, eos_id, 5, eos_id, eos_id}));
  EXPECT_EQ(batch.indices, (std::vector<int>{2, 0, 1}));
  ASSERT_EQ(batch.sources.count(), 3);
  EXPECT_EQ(batch.sources.length(1), 4);
  EXPECT_EQ(batch.sources.begin(1), 3);
  EXPECT_EQ(batch.targets.length(2), 1);
  EXPECT_EQ(batch.targets.rows(), batch.target_tokens());
  EXPECT_EQ(batch.sources.rows(), batch.source_tokens());
  EXPECT_EQ(make_batch(examples, {}).count(), 0);
  EXPECT_THROW(make_batch(examples, std::vector<int>{3}), Error);
}

TEST(Batches, hold_every_example_exactly_once_an_epoch) {
  for (int count : {1, 2, 3, 999}) {
    for (int window : {1, 7, 100, 16384}) {
      Batcher batcher(some_examples(count), {.batch_tokens = 200, .window = window});
      for (int64_t epoch = 0; epoch < 3; ++epoch) {
        EXPECT_EQ(sorted_indices(batcher.plan(epoch)), zero_to(count)) << count << " " << window;
      }
    }
  }
}

TEST(Batches, carry_all_tokens_within_the_limit_of_a_batch) {
  const std::vector<Example> examples = some_examples(500);
  int64_t source = 0, target = 0;
  for (const Example& example : examples) {
    source += static_cast<int64_t>(example.source.size()) + 1;
    target += static_cast<int64_t>(example.target.size()) + 1;
  }
  for (int batch_tokens : {1, 30, 128, 1000000}) {  // some examples alone are larger than 1 and 30
    Batcher batcher(examples, {.batch_tokens = batch_tokens, .window = 64});
    int64_t source_seen = 0, target_seen = 0;
    for (int i = 0; i < batcher.batches(0); ++i) {
      const Batch batch = batcher.batch(0, i);
      EXPECT_TRUE(batch.target_tokens() <= batch_tokens || batch.count() == 1);
      source_seen += batch.source_tokens();
      target_seen += batch.target_tokens();
    }
    EXPECT_EQ(source_seen, source);
    EXPECT_EQ(target_seen, target);
  }
}

TEST(Batches, leave_little_room_unused) {
  Batcher batcher(some_examples(5000), {.batch_tokens = 512, .window = 500});
  double used = 0;
  for (int i = 0; i < batcher.batches(0); ++i) {
    used += static_cast<double>(batcher.batch(0, i).target_tokens());
  }
  EXPECT_GT(used / (512.0 * batcher.batches(0)), 0.95);
}

TEST(Batches, depend_on_seed_and_epoch_alone) {
  const BatchOptions options = {.batch_tokens = 100, .window = 50, .seed = 3};
  Batcher batcher(some_examples(300), options);
  const Plan first = batcher.plan(0);
  const Plan third = batcher.plan(2);
  Batcher resumed(some_examples(300), options);
  EXPECT_EQ(resumed.plan(2), third);  // without going through the epochs before
  EXPECT_EQ(resumed.batch(2, 5).source, make_batch(batcher.examples(), third[5]).source);
  EXPECT_EQ(resumed.plan(0), first);
  EXPECT_NE(first, third);
  EXPECT_EQ(sorted_indices(first), sorted_indices(third));
  BatchOptions other = options;
  other.seed = 4;
  EXPECT_NE(Batcher(some_examples(300), other).plan(0), first);
}

TEST(Batches, hold_different_company_in_different_epochs) {
  // With more examples of a length than fit a batch, who shares a batch must change although lengths do not.
  std::vector<Example> examples(200, Example{{5, 5}, {6, 6}});
  Batcher batcher(examples, {.batch_tokens = 30});
  Plan plans[2];
  for (int epoch : {0, 1}) {
    plans[epoch] = batcher.plan(epoch);
    for (auto& indices : plans[epoch]) {
      std::sort(indices.begin(), indices.end());
    }
    std::sort(plans[epoch].begin(), plans[epoch].end());
  }
  EXPECT_NE(plans[0], plans[1]);
}

TEST(Batches, gather_similar_lengths_in_a_shuffled_order) {
  for (int window : {500, 4000}) {
    Batcher batcher(some_examples(4000), {.batch_tokens = 400, .window = window});
    int widest = 0;
    double spread = 0, falls = 0, previous = 0;
    const int count = batcher.batches(0);
    for (int i = 0; i < count; ++i) {
      const Batch batch = batcher.batch(0, i);
      int shortest = batch.targets.longest();
      for (int j = 0; j < batch.targets.count(); ++j) {
        shortest = std::min(shortest, batch.targets.length(j));
      }
      widest = std::max(widest, batch.targets.longest() - shortest);
      spread += batch.targets.longest() - shortest;
      falls += batch.targets.longest() < previous ? 1 : 0;
      previous = batch.targets.longest();
    }
    EXPECT_LT(spread / count, 2.0) << window;  // of lengths 2 ... 42
    EXPECT_LT(widest, 20) << window;           // no batch joins one window's longest to the next one's shortest
    EXPECT_GT(falls / count, 0.25) << window;  // sorted batches would never fall in a single window
  }
}

TEST(Batches, count_what_they_drop) {
  std::vector<Example> examples = {{{3}, {4}},       {{}, {4}},        {{3}, {}},
                                   {{3, 3, 3}, {4}}, {{3}, {4, 4, 4}}, {{3, 3}, {4, 4}}};
  Batcher batcher(examples, {.max_length = 2});
  EXPECT_EQ(batcher.dropped().empty, 2);
  EXPECT_EQ(batcher.dropped().too_long, 2);
  EXPECT_EQ(batcher.size(), 2);
  EXPECT_EQ(sorted_indices(batcher.plan(0)), (std::vector<int>{0, 5}));  // numbers of the original examples
  EXPECT_EQ(Batcher(examples, {}).size(), 4);
  EXPECT_EQ(Batcher(examples, {.needs_source = false}).size(), 5);
  EXPECT_EQ(Batcher(examples, {.needs_target = false}).size(), 5);
}

TEST(Batches, refuse_to_be_empty_or_badly_set) {
  EXPECT_THROW(Batcher({}, {}), Error);
  EXPECT_THROW(Batcher({{{3, 3}, {3}}}, {.max_length = 1}), Error);
  EXPECT_THROW(Batcher(some_examples(3), {.batch_tokens = 0}), Error);
  EXPECT_THROW(Batcher(some_examples(3), {.max_length = -1}), Error);
  EXPECT_THROW(Batcher(some_examples(3), {.window = 0}), Error);
  Batcher batcher(some_examples(3), {});
  EXPECT_THROW(batcher.batch(0, batcher.batches(0)), Error);
  EXPECT_THROW(batcher.batch(0, -1), Error);
  EXPECT_THROW(batcher.batches(-1), Error);
}

TEST(Batches, by_length_keep_everything_and_tell_the_order) {
  std::vector<Example> examples = some_examples(300);
  examples[17] = {{}, {}};
  const Plan plan = batches_by_length(examples, {.batch_tokens = 150, .max_length = 5});
  EXPECT_EQ(sorted_indices(plan), zero_to(300));
  size_t previous = 0;
  for (const auto& indices : plan) {
    EXPECT_TRUE(make_batch(examples, indices).target_tokens() <= 150 || indices.size() == 1);
    for (int index : indices) {
      EXPECT_GE(examples[static_cast<size_t>(index)].target.size(), previous);
      previous = examples[static_cast<size_t>(index)].target.size();
    }
  }
  for (const auto& indices : batches_by_length(examples, {.batch_tokens = 150, .needs_target = false})) {
    EXPECT_TRUE(make_batch(examples, indices).source_tokens() <= 150 || indices.size() == 1);
  }
  EXPECT_TRUE(batches_by_length({}, {}).empty());
}

}  // namespace
}  // namespace attune
