// Examples (piece ids) to packed batches, without padding, by number of tokens. The batches of an epoch depend on
// (examples, options, epoch) alone, so that (epoch, index) is all a checkpoint needs to go on exactly where it stopped.
// An epoch: shuffle; sort windows of many examples by length, ties in shuffled order, every other window descending, so
// that neighbours have similar lengths across windows too; cut by token count; shuffle the batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/tensor/segments.h"

namespace attune {

struct Example {
  std::vector<int> source, target;  // piece ids without <s> and </s>
};

// Sequence i of `sources` and of `targets` is example indices[i].
struct Batch {
  std::vector<int32_t> source;  // pieces, </s>
  Segments sources;
  std::vector<int32_t> target_input;   // <s>, pieces
  std::vector<int32_t> target_output;  // pieces, </s>
  Segments targets;                    // of target_input and target_output alike
  std::vector<int> indices;

  int count() const { return static_cast<int>(indices.size()); }
  int64_t source_tokens() const { return static_cast<int64_t>(source.size()); }         // </s> included
  int64_t target_tokens() const { return static_cast<int64_t>(target_output.size()); }  // </s> included
};

// The chosen examples, in the order of `indices`.
Batch make_batch(std::span<const Example> examples, std::span<const int> indices);

struct BatchOptions {
  int batch_tokens = 4096;  // target pieces and </s> in a batch at most (source ones without needs_target)
  int max_length = 0;       // pieces without </s>, source and target each; longer examples are dropped. 0: no limit
  int window = 16384;       // examples sorted together
  uint64_t seed = 1;
  bool needs_source = true;  // an example without source pieces counts as empty; a language model has none
  bool needs_target = true;
};

struct Dropped {
  int64_t empty = 0, too_long = 0;
};

class Batcher {
 public:
  // Throws when no example is left.
  Batcher(std::vector<Example> examples, const BatchOptions& options);

  // What is left out of every epoch; whoever trains should say so.
  const Dropped& dropped() const { return dropped_; }
  int64_t size() const { return static_cast<int64_t>(kept_.size()); }  // examples in an epoch
  const std::vector<Example>& examples() const { return examples_; }   // the dropped ones too

  // Both plan the epoch when it is not the one asked for last: not for several threads at once.
  int batches(int64_t epoch);
  Batch batch(int64_t epoch, int index);
  const std::vector<std::vector<int>>& plan(int64_t epoch);  // the indices of each batch

 private:
  std::vector<Example> examples_;
  BatchOptions options_;
  std::vector<int> kept_;
  Dropped dropped_;
  int64_t planned_ = -1;
  std::vector<std::vector<int>> plan_;
};

// For validation and decoding: every example exactly once, empty and long ones too, sorted by length and cut by
// batch_tokens; the indices tell how to put results back in order. Of the options, max_length, window, seed and
// needs_source have no effect.
std::vector<std::vector<int>> batches_by_length(std::span<const Example> examples, const BatchOptions& options);

}  // namespace attune
