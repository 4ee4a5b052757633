// What holds for every architecture and every form of it.
#include <gtest/gtest.h>

#include <cstring>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/models/form_gradients_test.h"
#include "attune/ops/cross_entropy.h"

namespace attune {
namespace {

using testing::examples;
using testing::Form;
using testing::forms;
using testing::ready;

// Rows of the hidden states of one sequence.
std::span<const float> rows_of(const Tensor& hidden, const Segments& targets, int sequence, int count) {
  const int64_t width = hidden.size(1);
  return hidden.data<float>().subspan(static_cast<size_t>(targets.begin(sequence) * width),
                                      static_cast<size_t>(count * width));
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST(Architectures, a_sentence_does_not_depend_on_its_batch) {
  for (const Form& form : forms()) {
    const auto model = ready(form.config);
    const auto all = examples();
    const Batch together = make_batch(all, std::vector<int>{0, 1, 2, 3});
    const Tensor hidden = model->hidden(together, {});
    for (int i = 0; i < 4; ++i) {
      const Batch alone = make_batch(all, std::vector<int>{i});
      const Tensor single = model->hidden(alone, {});
      EXPECT_TRUE(same_bits(single.data<float>(), rows_of(hidden, together.targets, i, together.targets.length(i))))
          << form.name << ", sentence " << i;
    }
  }
}

TEST(Architectures, a_later_target_token_changes_no_earlier_output) {
  for (const Form& form : forms()) {
    const auto model = ready(form.config);
    auto all = examples();
    const std::vector<int> chosen{1};
    const Batch before = make_batch(all, chosen);
    const Tensor hidden = model->hidden(before, {});
    for (int changed = 0; changed < 5; ++changed) {
      auto other = all;
      other[1].target[static_cast<size_t>(changed)] = 13;
      const Tensor now = model->hidden(make_batch(other, chosen), {});
      // Piece i is read at row i + 1.
      EXPECT_TRUE(
          same_bits(rows_of(hidden, before.targets, 0, changed + 1), rows_of(now, before.targets, 0, changed + 1)))
          << form.name << ", piece " << changed;
      EXPECT_FALSE(same_bits(hidden.data<float>(), now.data<float>())) << form.name << ", piece " << changed;
    }
  }
}

TEST(Architectures, threads_change_no_bit_of_outputs_and_gradients) {
  const auto run = [](const Form& form, int threads) {
    set_threads(threads);
    const auto model = ready(form.config);
    const auto all = examples();
    const Batch batch = make_batch(all, std::vector<int>{3, 1, 0, 2});
    Tape tape(model->parameters());
    const OutputLayer output = model->output();
    const Tensor hidden = model->hidden(batch, {.dropout = Rng(2)});
    const Gradients gradients =
        tape.backward(linear_cross_entropy(hidden, output.weight, output.bias, batch.target_output, {}).loss);
    set_threads(0);
    return std::pair(hidden, gradients.flat());
  };
  for (const Form& form : forms()) {
    const auto [one, one_gradient] = run(form, 1);
    const auto [three, three_gradient] = run(form, 3);
    EXPECT_TRUE(same_bits(one.data<float>(), three.data<float>())) << form.name;
    EXPECT_TRUE(same_bits(one_gradient.data<float>(), three_gradient.data<float>())) << form.name;
  }
}

TEST(Architectures, looking_at_a_training_pass_changes_no_bit) {
  const Probe probe([](const std::string&, const Tensor&) {});
  for (const Form& form : forms()) {
    const auto model = ready(form.config);
    const auto all = examples();
    const Batch batch = make_batch(all, std::vector<int>{3, 1, 0, 2});
    const Tensor trained = model->hidden(batch, {.dropout = Rng(2)});
    const Tensor looked = model->hidden(batch, {.dropout = Rng(2), .probe = &probe});
    EXPECT_TRUE(same_bits(trained.data<float>(), looked.data<float>())) << form.name;
    EXPECT_FALSE(same_bits(trained.data<float>(), model->hidden(batch, {}).data<float>())) << form.name;
  }
}

// Rows are repeated, dropped and swapped on the way, as a beam does it.
TEST(Architectures, decoding_step_by_step_equals_the_whole_pass) {
  for (const Form& form : forms()) {
    const auto model = ready(form.config);
    const auto all = examples();
    const Batch batch = make_batch(all, std::vector<int>{1, 3, 0});
    const Tensor hidden = model->hidden(batch, {});
    std::vector<int> sequence{2, 0, 0, 1};  // of each row
    const auto state = model->start(batch.source, batch.sources, sequence, {});
    for (int t = 0; t < 3; ++t) {
      if (t == 1) {
        const std::vector<int> from{1, 0, 1};  // sequence 1 is over
        state->reorder(from);
        sequence = {0, 2, 0};
      }
      ASSERT_EQ(state->rows(), static_cast<int>(sequence.size()));
      std::vector<int32_t> tokens;
      for (const int s : sequence) {
        const int64_t at = batch.targets.begin(s) + std::min(t, batch.targets.length(s) - 1);
        tokens.push_back(batch.target_input[static_cast<size_t>(at)]);
      }
      const Tensor y = model->step(*state, tokens, {});
      for (size_t row = 0; row < sequence.size(); ++row) {
        const int s = sequence[row];
        for (int64_t c = 0; c < y.size(1) && t < batch.targets.length(s); ++c) {
          ASSERT_NEAR(y.at(static_cast<int64_t>(row) * y.size(1) + c),
                      hidden.at((batch.targets.begin(s) + t) * y.size(1) + c), 1e-5)
              << form.name << ", step " << t;
        }
      }
    }
  }
}

TEST(Architectures, every_form_has_right_parameter_gradients_in_float64) {
  const std::vector<Example> all{{{5, 6}, {8, 9}}, {{4}, {3, 5}}};
  const Batch batch = make_batch(all, std::vector<int>{0, 1});
  testing::expect_right_gradients(forms(), ready, [&](const Model& model, const Pass& pass) {
    const OutputLayer output = model.output();
    return linear_cross_entropy(model.hidden(batch, pass), output.weight, output.bias, batch.target_output,
                                {.label_smoothing = 0.1})
        .loss;
  });
}

}  // namespace
}  // namespace attune
