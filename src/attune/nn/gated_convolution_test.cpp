#include "attune/nn/gated_convolution.h"

#include <gtest/gtest.h>

#include "attune/nn/convolution_mixer.h"
#include "attune/nn/initialise.h"
#include "attune/nn/module_gradients.h"
#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/convolution.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/weight_norm.h"

namespace attune {
namespace {

using testing::relative_difference;
using testing::same_bits;

Segments segments_of(std::vector<int> lengths) {
  return Segments::of_lengths(lengths);
}

std::vector<GatedConvolutionOptions> forms() {
  std::vector<GatedConvolutionOptions> list(6, {.in = 3, .out = 3});
  list[1].causal = true;
  list[2].weight_norm = true, list[2].dropout = 0.3;
  list[3].out = 2, list[3].weight_norm = true;
  list[4].in = 2, list[4].biases = false, list[4].kernel_width = 5;
  list[5].kernel_width = 1;
  return list;
}

TEST(GatedConvolution, has_right_gradients_in_every_form) {
  const Segments segments = segments_of({4, 0, 1, 2});
  for (const auto& options : forms()) {
    GatedConvolution block(options);
    const Parameters list = parameters_of(block);
    for (const Pass& pass : {Pass{}, Pass{.dropout = Rng(3)}}) {
      const auto worst = module_gradient_error(list, random_tensor({7, options.in}, Rng(1)), [&](const Tensor& x) {
        return block.with_residual(x, block(x, segments, pass), pass);
      });
      EXPECT_LT(worst.error, 1e-7) << worst.where << " kernel " << options.kernel_width;
    }
  }
}

TEST(GatedConvolution, is_the_gated_convolution_of_its_normalised_weight) {
  GatedConvolution block({.in = 3, .out = 3, .weight_norm = true});
  Parameters list = parameters_of(block);
  ASSERT_EQ(list.entries().size(), 3U);
  EXPECT_EQ(list.entries()[0].name, "weight_v");
  EXPECT_EQ(list.entries()[1].name, "weight_g");
  list.allocate(DType::float64);
  initialise(list, Rng(1));
  const Segments segments = segments_of({4, 3});
  const Tensor x = random_tensor({7, 3}, Rng(2));
  const Tensor direction = block.weight.direction, length = block.weight.length;
  const Tensor expected = glu(convolution_definition(x, segments, weight_norm(direction, length), block.bias));
  EXPECT_LT(relative_difference(block(x, segments, {}), expected), 1e-14);
  // The normalised weight that inference keeps is made again when a length or a direction has changed.
  for (Parameter* changed : {&block.weight.length, &block.weight.direction}) {
    const Tensor before = block(x, segments, {});
    changed->data<double>()[1] = 4;
    const Tensor after = block(x, segments, {});
    EXPECT_GT(relative_difference(after, before), 1e-3);
    EXPECT_LT(relative_difference(after,
                                  glu(convolution_definition(x, segments, weight_norm(direction, length), block.bias))),
              1e-14);
  }
}

TEST(GatedConvolution, begins_with_rows_of_the_length_that_the_initialiser_gives_them) {
  GatedConvolution block({.in = 256, .out = 256, .weight_norm = true});
  Parameters list = parameters_of(block);
  list.allocate();
  initialise(list, Rng(1));
  // N(0, 4 / n) over n inputs: a row is 2 long, give or take 1 / sqrt(2 n).
  double worst = 0;
  for (int64_t row = 0; row < 512; ++row) {
    double square = 0;
    for (int64_t i = 0; i < 768; ++i) square += std::pow(block.weight.direction.at(row * 768 + i), 2);
    worst = std::max(worst, std::fabs(std::sqrt(square) - 2));
    EXPECT_EQ(block.weight.length.at(row), 2);
  }
  EXPECT_LT(worst, 0.25);
}

TEST(GatedConvolution, step_by_step_gives_the_bits_of_the_whole_pass_whatever_becomes_of_its_rows) {
  for (const int kernel : {1, 2, 3, 5}) {
    const auto mixer = make_mixer("convolution", {.width = 32, .causal = true, .kernel_width = kernel});
    Parameters list;
    mixer->collect(list, "mixer");
    list.allocate();
    initialise(list, Rng(1));
    const int steps = 7, rows = 3;
    const Segments segments = Segments::equal(rows, steps);
    const Tensor x = random_tensor({rows * steps, 32}, Rng(2), DType::float32);
    const Tensor whole = (*mixer)(x, segments, x, segments, {});
    const auto state = mixer->begin(rows);
    std::vector<int> sequence{0, 1, 2};
    for (int t = 0; t < steps; ++t) {
      if (t == 3) {
        const std::vector<int> from{2, 0, 2, 1};  // dropped, repeated and reordered
        state->reorder(from);
        sequence = from;
      }
      Tensor tokens = Tensor::empty({static_cast<int64_t>(sequence.size()), 32});
      for (size_t row = 0; row < sequence.size(); ++row) {
        tokens.rows_view(static_cast<int64_t>(row), 1).copy_from(x.rows_view(sequence[row] * steps + t, 1));
      }
      const Tensor y = mixer->step(tokens, *state, {});
      for (size_t row = 0; row < sequence.size(); ++row) {
        ASSERT_TRUE(same_bits(y.rows_view(static_cast<int64_t>(row), 1), whole.rows_view(sequence[row] * steps + t, 1)))
            << "kernel " << kernel << " step " << t << " row " << row;
      }
    }
  }
}

TEST(GatedConvolution, as_a_mixer_reads_no_other_sequence) {
  const auto mixer = make_mixer("convolution", {.width = 4});
  const std::vector<int> sources{0};
  EXPECT_THROW(mixer->begin(Tensor::zeros({2, 4}), segments_of({2}), sources, {}), Error);
}

}  // namespace
}  // namespace attune
