#include "attune/decode/next_pieces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/rng.h"
#include "attune/text/tokenizer.h"

namespace attune {
namespace {

template <class T>
void expect_the_definition(int64_t rows, int64_t vocabulary, int per_row, double levels, double tolerance) {
  Tensor logits = Tensor::empty({rows, vocabulary}, dtype_of<T>());
  const Rng rng(3);
  for (size_t i = 0; i < logits.data<T>().size(); ++i) {  // few levels make many ties
    logits.data<T>()[i] = static_cast<T>(std::floor(rng.uniform(i) * levels) / levels * 20);
  }
  const std::vector<int> never = {bos_id, unk_id};
  const NextPieces found = next_pieces(logits, per_row, never);
  for (int row = 0; row < rows; ++row) {
    const auto x = logits.data<T>().subspan(static_cast<size_t>(row * vocabulary), static_cast<size_t>(vocabulary));
    double sum = 0;
    for (const T value : x) sum += std::exp(static_cast<double>(value));
    std::vector<int> order(static_cast<size_t>(vocabulary) - 2);
    std::iota(order.begin(), order.end(), 2);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)]; });
    EXPECT_NEAR(found.end[static_cast<size_t>(row)], static_cast<double>(x[eos_id]) - std::log(sum), tolerance);
    for (size_t k = 0; k < static_cast<size_t>(per_row); ++k) {
      const NextPiece& piece = found.row(row)[k];
      if (k >= order.size()) {
        EXPECT_EQ(piece.id, -1);
        continue;
      }
      ASSERT_EQ(piece.id, order[k]) << "row " << row << " rank " << k << " of " << vocabulary;
      EXPECT_NEAR(piece.log_probability, static_cast<double>(x[static_cast<size_t>(order[k])]) - std::log(sum),
                  tolerance);
    }
  }
}

TEST(NextPieces, are_the_most_probable_of_equal_ones_the_lower_id) {
  for (const int64_t vocabulary : {3, 4, 15, 16, 17, 63, 1000, 8003}) {
    for (const int per_row : {1, 2, 6, 20}) {
      expect_the_definition<float>(3, vocabulary, per_row, 7, 2e-6);
      expect_the_definition<float>(2, vocabulary, per_row, 1e6, 2e-6);
      expect_the_definition<double>(2, vocabulary, per_row, 7, 1e-12);
    }
  }
  EXPECT_TRUE(next_pieces(Tensor::zeros({0, 5}), 2, {}).best.empty());
}

TEST(NextPieces, leave_out_the_impossible_and_refuse_what_is_no_number) {
  const float nothing = -std::numeric_limits<float>::infinity();
  const NextPieces found = next_pieces(Tensor::of<float>({1, 5}, {nothing, 1, nothing, 2, nothing}), 3, {});
  EXPECT_EQ(found.row(0)[0].id, 3);
  EXPECT_EQ(found.row(0)[1].id, 1);
  EXPECT_EQ(found.row(0)[2].id, -1);
  EXPECT_NEAR(found.row(0)[0].log_probability, -std::log1p(std::exp(-1.0)), 1e-6);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const int64_t at : {0, 20, 39}) {
      Tensor logits = Tensor::zeros({1, 40});
      logits.data<float>()[static_cast<size_t>(at)] = bad;
      EXPECT_THROW(next_pieces(logits, 2, {}), Error);
      EXPECT_THROW(next_pieces(logits.to(DType::float64), 2, {}), Error);
    }
  }
}

}  // namespace
}  // namespace attune
