// The most probable next pieces of each row of logits [rows, vocabulary] and their log-probabilities under the softmax
// over the whole vocabulary. A row's result depends on that row alone, in a fixed order of summation.
#pragma once

#include <span>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

struct NextPiece {
  int id = -1;  // -1: the row has no further piece of probability above 0
  double log_probability = 0;
};

struct NextPieces {
  int per_row = 0;
  std::vector<NextPiece> best;  // [rows, per_row], the most probable first, of equal ones the lower id
  std::vector<double> end;      // [rows]: log p of </s>

  std::span<const NextPiece> row(int i) const {
    return {best.data() + static_cast<size_t>(i) * static_cast<size_t>(per_row), static_cast<size_t>(per_row)};
  }
};

// `never`: ids left out of `best`; they still count in the softmax. Throws when a row holds NaN or infinity.
NextPieces next_pieces(const Tensor& logits, int per_row, std::span<const int> never);

}  // namespace attune
