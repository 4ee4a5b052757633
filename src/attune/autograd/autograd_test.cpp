// The tape's semantics, on ops made here so that this room's tests need no room below it.
#include <gtest/gtest.h>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

using Values = std::vector<double>;

Values values_of(const Tensor& x) {
  Values values;
  for (int64_t i = 0; i < x.elements(); ++i) values.push_back(x.at(i));
  return values;
}

Tensor vector_of(std::initializer_list<double> values) {
  return Tensor::of<double>({static_cast<int64_t>(values.size())}, values);
}

Tensor product_of(const Tensor& x, const Tensor& y) {
  Tensor z = Tensor::empty(x.shape(), x.dtype());
  for (size_t i = 0; i < z.data<double>().size(); ++i) z.data<double>()[i] = x.data<double>()[i] * y.data<double>()[i];
  return z;
}

int backward_calls = 0;

Tensor times(const Tensor& x, const Tensor& y) {
  return differentiable("times", product_of(x, y), {x, y},
                        [x = detach(x), y = detach(y)](const Tensor& dz, Adjoints& into) {
                          ++backward_calls;
                          into.add(0, product_of(dz, y));
                          if (into.wants(1)) into.add(1, product_of(dz, x));
                        });
}

// Hands its dy on as it is, as add and reshape do: nobody may write into it.
Tensor same(const Tensor& x) {
  return differentiable("same", x.clone(), {x}, [](const Tensor& dy, Adjoints& into) { into.add(0, dy); });
}

Tensor plus(const Tensor& x, const Tensor& y) {
  Tensor z = x.clone();
  for (size_t i = 0; i < z.data<double>().size(); ++i) z.data<double>()[i] += y.data<double>()[i];
  return differentiable("plus", detach(z), {x, y}, [](const Tensor& dz, Adjoints& into) {
    into.add(0, dz);
    into.add(1, dz);
  });
}

// Writes the second input's gradient where it belongs.
Tensor times_in_place(const Tensor& x, const Tensor& weight, std::vector<bool>* accumulated) {
  return differentiable("times_in_place", product_of(x, weight), {x, weight},
                        [x = detach(x), weight = detach(weight), accumulated](const Tensor& dz, Adjoints& into) {
                          into.add(0, product_of(dz, weight));
                          if (!into.wants(1)) return;
                          auto [to, accumulate] = into.destination(1);
                          accumulated->push_back(accumulate);
                          const Tensor dw = product_of(dz, x);
                          for (size_t i = 0; i < to.data<double>().size(); ++i) {
                            to.data<double>()[i] = (accumulate ? to.data<double>()[i] : 0) + dw.data<double>()[i];
                          }
                        });
}

Tensor total(const Tensor& x) {
  double sum = 0;
  for (double value : values_of(x)) sum += value;
  return differentiable("total", Tensor::scalar(sum, x.dtype()), {x},
                        [shape = x.shape()](const Tensor& dy, Adjoints& into) {
                          into.add(0, Tensor::full(shape, dy.item(), dy.dtype()));
                        });
}

// (x, 2 x), to test ops with several results
std::vector<Tensor> once_and_twice(const Tensor& x) {
  return differentiable("once_and_twice", std::vector{x.clone(), product_of(x, Tensor::full(x.shape(), 2, x.dtype()))},
                        {x}, [shape = x.shape()](std::span<const Tensor> dys, Adjoints& into) {
                          Tensor dx = Tensor::zeros(shape, DType::float64);
                          for (size_t k = 0; k < 2; ++k) {
                            for (size_t i = 0; dys[k] && i < dx.data<double>().size(); ++i) {
                              dx.data<double>()[i] += static_cast<double>(k + 1) * dys[k].data<double>()[i];
                            }
                          }
                          into.add(0, dx);
                        });
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

struct Stack {
  std::vector<Model> layers;
  std::unique_ptr<Model> top;
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("layers", self.layers);
    each("top", self.top);
  }
};

TEST(Tape, records_nothing_while_none_lives) {
  const Tensor x = vector_of({1, 2});
  EXPECT_EQ(Tape::current(), nullptr);
  EXPECT_FALSE(recording({&x}));
  EXPECT_EQ(times(x, x).node(), 0u);
}

TEST(Tape, records_nothing_that_depends_on_constants_only) {
  Tape tape;
  const Tensor x = vector_of({1, 2});
  EXPECT_FALSE(recording({&x}));
  EXPECT_EQ(times(x, x).node(), 0u);
  EXPECT_EQ(tape.nodes(), 0u);
  EXPECT_EQ(error_of([&] { tape.backward(total(times(x, x))); }),
            "backward: output 0 depends on no parameter and on no watched tensor");
}

TEST(Tape, gives_the_gradients_of_watched_inputs_and_intermediates) {
  const Tensor x = vector_of({2, 3}), c = vector_of({5, 7});
  Tape tape;
  tape.watch(x);
  EXPECT_TRUE(recording({&c, &x}));
  const Tensor y = times(x, c), z = total(times(y, y));
  tape.watch(y);
  const Gradients gradients = tape.backward(z);
  EXPECT_EQ(values_of(gradients.of(y)), (Values{20, 42}));    // 2 y
  EXPECT_EQ(values_of(gradients.of(x)), (Values{100, 294}));  // 2 c y
  EXPECT_EQ(tape.nodes(), 3u);
}

TEST(Tape, gives_no_gradient_of_what_the_loss_does_not_depend_on) {
  const Tensor x = vector_of({2}), y = vector_of({3}), other = vector_of({4});
  Tape tape;
  tape.watch(x);
  tape.watch(y);
  const Gradients gradients = tape.backward(total(times(x, x)));
  EXPECT_FALSE(gradients.of(y));
  EXPECT_EQ(error_of([&] { gradients.of(other); }), "a gradient was asked for of a tensor [1] that was not watched");
}

TEST(Tape, sums_over_all_uses_of_a_tensor_without_touching_shared_gradients) {
  const Tensor x = vector_of({2, 3});
  Tape tape;
  tape.watch(x);
  const Tensor a = same(x), b = plus(a, a), c = plus(b, x);  // 3 x; dz is handed on by reference all the way
  tape.watch(a);
  tape.watch(b);
  tape.watch(c);
  const Tensor seed = vector_of({1, 10});
  const Gradients gradients = tape.backward(std::span(&c, 1), std::span(&seed, 1));
  EXPECT_EQ(values_of(gradients.of(x)), (Values{3, 30}));
  EXPECT_EQ(values_of(gradients.of(a)), (Values{2, 20}));
  EXPECT_EQ(values_of(gradients.of(b)), (Values{1, 10}));
  EXPECT_EQ(values_of(gradients.of(c)), (Values{1, 10}));
  EXPECT_EQ(values_of(seed), (Values{1, 10}));
}

TEST(Tape, adds_a_second_gradient_without_a_copy_when_nobody_else_holds_one) {
  const Tensor x = Tensor::full({100000}, 2, DType::float64);
  Tape tape;
  tape.watch(x);
  const Tensor y = plus(times(x, x), same(x));  // the gradient handed on is dz itself, the other is new
  const Tensor seed = Tensor::full(x.shape(), 1, DType::float64);
  release_cached_memory();
  reset_peak_memory();
  const int64_t before = memory_use().in_use, one = int64_t{8} * 100000;
  const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
  EXPECT_EQ(gradients.of(x).at(7), 5);
  EXPECT_EQ(gradients.of(x).at(99999), 5);
  EXPECT_EQ(seed.at(7), 1);
  EXPECT_LE(memory_use().peak - before, 2 * one);  // the two products of times()
}

TEST(Tape, goes_backward_from_several_seeded_outputs_and_as_often_as_asked) {
  const Tensor x = vector_of({2, 3});
  Tape tape;
  tape.watch(x);
  const std::vector<Tensor> ys{times(x, x), same(x)};
  std::vector<Tensor> seeds{vector_of({1, 0}), vector_of({10, 100})};
  EXPECT_EQ(values_of(tape.backward(ys, seeds).of(x)), (Values{14, 100}));
  seeds[0] = vector_of({0, 1});
  EXPECT_EQ(values_of(tape.backward(ys, seeds).of(x)), (Values{10, 106}));
  EXPECT_EQ(values_of(tape.backward(std::span(ys).first(1), std::span(seeds).first(1)).of(x)), (Values{0, 6}));
}

TEST(Tape, runs_only_the_backwards_that_the_output_depends_on) {
  const Tensor x = vector_of({2});
  Tape tape;
  tape.watch(x);
  const Tensor needed = times(x, x), aside = times(x, x);
  backward_calls = 0;
  tape.backward(needed);
  EXPECT_EQ(backward_calls, 1);
  EXPECT_TRUE(aside);
}

TEST(Tape, hands_a_missing_gradient_to_an_op_with_an_unused_result) {
  const Tensor x = vector_of({2, 3});
  Tape tape;
  tape.watch(x);
  const auto ys = once_and_twice(x);
  EXPECT_EQ(values_of(tape.backward(total(ys[1])).of(x)), (Values{2, 2}));
  EXPECT_EQ(values_of(tape.backward(total(plus(ys[0], ys[1]))).of(x)), (Values{3, 3}));
}

TEST(Tape, of_an_inner_scope_treats_tensors_of_the_outer_one_as_constants) {
  const Tensor x = vector_of({2, 3});
  Tape outer;
  outer.watch(x);
  const Tensor y = times(x, x);
  {
    Tape inner;
    EXPECT_EQ(Tape::current(), &inner);
    EXPECT_FALSE(recording({&y}));
    inner.watch(y);
    EXPECT_EQ(values_of(inner.backward(total(times(y, y))).of(y)), (Values{8, 18}));
  }
  EXPECT_EQ(Tape::current(), &outer);
  EXPECT_EQ(values_of(outer.backward(total(y)).of(x)), (Values{4, 6}));
}

TEST(Tape, pauses_while_a_NoTape_lives_even_nested) {
  const Tensor x = vector_of({2});
  Tape tape;
  tape.watch(x);
  {
    const NoTape outside;
    {
      const NoTape inside;
      EXPECT_FALSE(recording({&x}));
    }
    EXPECT_FALSE(recording({&x}));
    EXPECT_EQ(times(x, x).node(), 0u);
    {
      Tape fresh;
      fresh.watch(x);
      EXPECT_TRUE(recording({&x}));
    }
    EXPECT_EQ(Tape::current(), nullptr);
  }
  EXPECT_TRUE(recording({&x}));
  EXPECT_EQ(tape.nodes(), 0u);
}

TEST(Tape, does_not_follow_a_detached_tensor) {
  const Tensor x = vector_of({2});
  Tape tape;
  tape.watch(x);
  const Tensor y = times(x, detach(x));
  EXPECT_EQ(values_of(tape.backward(y).of(x)), (Values{2}));
  const Tensor alone = detach(x);
  EXPECT_FALSE(recording({&alone}));
}

TEST(Tape, asks_for_a_scalar_loss_and_checks_the_shapes_of_gradients) {
  const Tensor x = vector_of({2, 3});
  Tape tape;
  tape.watch(x);
  EXPECT_EQ(error_of([&] { tape.backward(times(x, x)); }), "backward: the loss has shape [2], expected one element");
  const Tensor wrong = differentiable("wrong", Tensor::scalar(1, DType::float64), {x},
                                      [](const Tensor& dy, Adjoints& into) { into.add(0, dy); });
  EXPECT_EQ(error_of([&] { tape.backward(wrong); }), "wrong: the backward gave shape [] for input 0 of shape [2]");
}

TEST(Gradients, of_parameters_lie_in_one_flat_buffer_with_zeros_where_nothing_was_written) {
  Model model;
  Parameters parameters = parameters_of(model);
  parameters.allocate(DType::float64);
  model.first.fill(3);
  model.last.fill(5);
  // Memory that was used before must not show through.
  { Tensor::full({parameters.flat_elements()}, 99, DType::float64); }
  Tape tape(parameters);
  const Gradients gradients = tape.backward(total(times(model.first, model.last)));
  EXPECT_EQ(gradients.flat().elements(), parameters.flat_elements());
  EXPECT_EQ(values_of(gradients["first"]), (Values{5, 5}));
  EXPECT_EQ(values_of(gradients["unused"]), (Values{0, 0, 0}));
  EXPECT_EQ(values_of(gradients["last"]), (Values{3, 3}));
  double sum = 0;
  for (double value : gradients.flat().data<double>()) sum += value;
  EXPECT_EQ(sum, 16);  // so the padding is zero
  EXPECT_EQ(error_of([&] { gradients["bias"]; }), "no parameter is named bias");
}

TEST(Gradients, add_up_over_batches) {
  Model model;
  Parameters parameters = parameters_of(model);
  parameters.allocate(DType::float64);
  model.first.fill(3);
  const auto gradients_of = [&] {
    Tape tape(parameters);
    return tape.backward(total(times(model.first, model.first)));
  };
  Gradients sum = gradients_of();
  sum.add(gradients_of());
  EXPECT_EQ(values_of(sum["first"]), (Values{12, 12}));
  EXPECT_EQ(values_of(sum["last"]), (Values{0, 0}));
}

TEST(Adjoints, accumulate_in_the_destination_of_a_weight_used_twice) {
  Model model;
  Parameters parameters = parameters_of(model);
  parameters.allocate(DType::float64);
  model.first.fill(3);
  std::vector<bool> accumulated;
  Tape tape(parameters);
  tape.watch(model.first);
  const Tensor x = vector_of({2, 4});
  const Tensor y = times_in_place(times_in_place(x, model.first, &accumulated), model.first, &accumulated);
  const Gradients gradients = tape.backward(total(y));  // x w^2
  EXPECT_EQ(accumulated, (std::vector<bool>{false, true}));
  EXPECT_EQ(values_of(gradients["first"]), (Values{12, 24}));
  EXPECT_EQ(values_of(gradients.of(model.first)), (Values{12, 24}));
}

TEST(Adjoints, mix_added_gradients_and_destinations_for_one_tensor) {
  for (const bool destination_first : {true, false}) {
    const Tensor x = vector_of({2, 4}), seed = vector_of({1, 1});
    std::vector<bool> accumulated;
    Tape tape;
    tape.watch(x);
    const Tensor c = vector_of({10, 20});
    // Backwards run in the opposite order of the forward.
    Tensor y;
    if (destination_first) {
      const Tensor a = same(x);
      y = plus(a, times_in_place(c, x, &accumulated));
    } else {
      const Tensor b = times_in_place(c, x, &accumulated);
      y = plus(b, same(x));
    }
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
    EXPECT_EQ(values_of(gradients.of(x)), (Values{11, 21}));
    EXPECT_EQ(accumulated, (std::vector<bool>{!destination_first}));
    EXPECT_EQ(values_of(seed), (Values{1, 1}));
  }
}

TEST(Parameters, are_listed_by_their_paths_and_found_by_their_elements) {
  Stack stack{std::vector<Model>(2), std::make_unique<Model>()};
  Parameters parameters = parameters_of(stack, "net");
  ASSERT_EQ(parameters.entries().size(), 9u);
  EXPECT_EQ(parameters.entries()[5].name, "net.layers.1.last");
  EXPECT_EQ(parameters.entries()[6].name, "net.top.first");
  EXPECT_EQ(parameters.count(), 21);
  EXPECT_EQ(parameters.index_of(stack.layers[1].last), -1);  // declared only
  parameters.allocate();
  EXPECT_EQ(parameters.index_of(stack.layers[1].last), 5);
  EXPECT_EQ(parameters.index_of(stack.layers[1].last.rows_view(1, 1)), -1);
  EXPECT_EQ(parameters.find("net.top.first")->parameter, &stack.top->first);
  EXPECT_EQ(parameters.find("top.first"), nullptr);
  EXPECT_EQ(stack.top->first.storage(), parameters.flat().storage());
}

TEST(GradientCheck, finds_a_wrong_gradient_and_passes_a_right_one) {
  const Tensor x = random_tensor({3}, Rng(1));
  EXPECT_LT(gradient_error([](auto& v) { return times(v[0], times(v[0], v[0])); }, {x}).error, 1e-9);
  const auto wrong = [](std::vector<Tensor>& v) {
    return differentiable("wrong", product_of(v[0], v[0]), {v[0]},
                          [](const Tensor& dy, Adjoints& into) { into.add(0, dy); });
  };
  EXPECT_GT(gradient_error(wrong, {x}).error, 0.1);
  EXPECT_LT(gradient_error([](auto& v) { return v[0]; }, {x}).error, 1e-9);  // the output is the input itself
}

}  // namespace
}  // namespace attune
