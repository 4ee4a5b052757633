// What the backward computes again, on an op made here so that this room's tests need no room below it.
#include "attune/autograd/replay.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

using Values = std::vector<double>;

Values values_of(const Tensor& x) {
  Values values;
  for (int64_t i = 0; i < x.elements(); ++i) values.push_back(x.at(i));
  return values;
}

struct Model {
  Parameter first = {{2}, {}}, unused = {{3}, {}}, last = {{2}, {}};
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("first", self.first);
    each("unused", self.unused);
    each("last", self.last);
  }
};

int runs = 0;

// y[i, j] = x[i, j] w[j]; adds to the weight's gradient where it lies.
Tensor weighted(const Tensor& x, const Tensor& w) {
  ++runs;
  Tensor y = Tensor::empty(x.shape(), DType::float64);
  for (int64_t i = 0; i < x.elements(); ++i) y.data<double>()[static_cast<size_t>(i)] = x.at(i) * w.at(i % 2);
  return differentiable("weighted", y, {x, w}, [x = detach(x), w = detach(w)](const Tensor& dy, Adjoints& into) {
    Tensor dx = Tensor::empty(x.shape(), DType::float64);
    for (int64_t i = 0; i < x.elements(); ++i) dx.data<double>()[static_cast<size_t>(i)] = dy.at(i) * w.at(i % 2);
    into.add(0, dx);
    if (!into.wants(1)) return;
    auto [to, accumulate] = into.destination(1);
    if (!accumulate) to.fill(0);
    for (int64_t i = 0; i < x.elements(); ++i) to.data<double>()[static_cast<size_t>(i % 2)] += dy.at(i) * x.at(i);
  });
}

struct Setting {
  Setting() {
    parameters.allocate(DType::float64);
    model.first.copy_from(Tensor::of<double>({2}, {2, 3}));
    model.last.copy_from(Tensor::of<double>({2}, {5, 7}));
  }
  Tensor both(const Tensor& rows) const { return weighted(weighted(rows, model.first), model.last); }

  Model model;
  Parameters parameters = parameters_of(model);
  Tensor x = Tensor::of<double>({5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  Tensor seed = Tensor::of<double>({5, 2}, {1, -1, 2, 0, 1, 3, -2, 1, 1, 1});
};

Values flat_of(const Gradients& gradients) {
  return values_of(gradients.flat());
}

TEST(Replay, by_chunks_gives_the_values_and_gradients_of_the_whole) {
  const Setting set;
  Values results[3][3];
  int which = 0;
  for (const int chunk : {0, 2, 5}) {
    Tape tape(set.parameters);
    tape.watch(set.x);
    const Tensor y =
        by_chunks("chunks", set.x, chunk, set.model.first, [&](const Tensor& rows, int64_t) { return set.both(rows); });
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&set.seed, 1));
    EXPECT_EQ(tape.nodes(), chunk == 2 ? 1U : 2U);
    Values* const result = results[which++];
    result[0] = values_of(y), result[1] = flat_of(gradients), result[2] = values_of(gradients.of(set.x));
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(results[1][i], results[0][i]) << i;
    EXPECT_EQ(results[2][i], results[0][i]) << i;
  }
  EXPECT_NE(results[0][1], Values(results[0][1].size(), 0));
}

TEST(Replay, chunks_begin_where_they_are_said_to_and_each_is_computed_again_once) {
  const Setting set;
  std::vector<int64_t> begins;
  runs = 0;
  Tape tape(set.parameters);
  const Tensor y = by_chunks("chunks", set.x, 2, set.model.first, [&](const Tensor& rows, int64_t first) {
    begins.push_back(first);
    EXPECT_EQ(rows.at(0), set.x.at(2 * first));
    EXPECT_EQ(rows.size(0), first == 4 ? 1 : 2);
    return weighted(rows, set.model.first);  // x is a constant here: the parameter alone needs the backward
  });
  tape.backward(std::span(&y, 1), std::span(&set.seed, 1));
  EXPECT_EQ(begins, (std::vector<int64_t>{0, 2, 4, 0, 2, 4}));
  EXPECT_EQ(runs, 6);
}

// A parameter is used outside, inside, and inside of what is inside: all add to one gradient, in any order, and what
// nobody used is zero; as often as the backward is asked for.
TEST(Replay, parameters_add_up_with_what_is_outside_at_any_depth) {
  const Setting set;
  const auto gradients_of = [&](int64_t outer, int64_t inner) {
    Tape tape(set.parameters);
    const auto inside = [&](const Tensor& rows, int64_t) {
      return weighted(by_chunks("inner", weighted(rows, set.model.last), inner, set.model.first,
                                [&](const Tensor& part, int64_t) { return set.both(part); }),
                      set.model.first);
    };
    const Tensor before = weighted(set.x, set.model.first);
    const Tensor y = weighted(by_chunks("outer", before, outer, set.model.first, inside), set.model.last);
    const Gradients once = tape.backward(std::span(&y, 1), std::span(&set.seed, 1));
    const Gradients again = tape.backward(std::span(&y, 1), std::span(&set.seed, 1));
    EXPECT_EQ(flat_of(once), flat_of(again));
    EXPECT_EQ(values_of(once["unused"]), (Values{0, 0, 0}));
    return flat_of(once);
  };
  const Values whole = gradients_of(0, 0);
  EXPECT_EQ(gradients_of(2, 0), whole);
  EXPECT_EQ(gradients_of(3, 2), whole);
  EXPECT_EQ(gradients_of(0, 4), whole);
}

TEST(Replay, gives_the_value_and_the_gradients_of_its_inputs_whatever_made_them) {
  const Setting set;
  Tape tape(set.parameters);
  tape.watch(set.x);
  const Tensor y = weighted(set.x, set.model.first);
  const Tensor out = differentiable("replayed", y.clone(), {y}, [&](const Tensor& dy, Adjoints& into) {
    const Tensor constant = detach(set.x), inputs[] = {y, Tensor(), constant};
    Replayed again =
        replay([&](std::span<const Tensor> in) { return weighted(in[0], set.model.last); }, inputs, dy, into);
    EXPECT_EQ(values_of(again.value), values_of(set.both(set.x)));
    EXPECT_FALSE(again.gradients[1]);
    EXPECT_FALSE(again.gradients[2]) << "the value does not depend on it";
    into.add(0, again.gradients[0]);
  });
  const Gradients gradients = tape.backward(std::span(&out, 1), std::span(&set.seed, 1));
  EXPECT_EQ(gradients.of(set.x).at(0), 1 * 5 * 2);
  EXPECT_EQ(gradients.of(set.x).at(1), -1 * 7 * 3);
  EXPECT_NE(values_of(gradients["last"]), (Values{0, 0}));
  EXPECT_EQ(Tape::current(), &tape);
}

}  // namespace
}  // namespace attune
