#include "attune/nn/initialise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace attune {
namespace {

// One parameter, drawn.
Tensor drawn(const Shape& shape, Initialiser start, DType dtype = DType::float64, const std::string& name = "weight",
             uint64_t seed = 1) {
  Parameter parameter(shape, start);
  Parameters list;
  list.add(name, parameter);
  list.allocate(dtype);
  initialise(list, Rng(seed));
  return parameter.clone();
}

struct Moments {
  double mean = 0, variance = 0, largest = 0;
};

Moments moments_of(const Tensor& x) {
  Moments result;
  const auto count = static_cast<double>(x.elements());
  for (double value : x.data<double>()) {
    result.mean += value / count;
    result.variance += value * value / count;
    result.largest = std::max(result.largest, std::fabs(value));
  }
  result.variance -= result.mean * result.mean;
  return result;
}

TEST(Initialise, every_family_has_the_variance_of_its_formula) {
  using Kind = Initialiser::Kind;
  struct Case {
    Initialiser start;
    Shape shape;
    double variance;
    double bound;  // 0: none
  };
  const Shape matrix{300, 500}, convolution{100, 200, 5};
  for (const Case& c : {
           Case{{Kind::normal, 0.02}, matrix, 0.0004, 0},
           Case{{Kind::uniform, 0.3}, matrix, 0.03, 0.3},
           Case{{Kind::xavier_normal, 0}, matrix, 2.0 / 800, 0},
           Case{{Kind::xavier_uniform, 0}, matrix, 2.0 / 800, std::sqrt(6.0 / 800)},
           Case{{Kind::xavier_uniform, 0.5}, matrix, 0.5 / 800, std::sqrt(1.5 / 800)},
           Case{{Kind::he_normal, 0}, matrix, 2.0 / 500, 0},
           Case{{Kind::he_uniform, 0}, matrix, 2.0 / 500, std::sqrt(6.0 / 500)},
           Case{{Kind::lecun_normal, 2}, matrix, 4.0 / 500, 0},
           Case{{Kind::lecun_uniform, 0}, matrix, 1.0 / 500, std::sqrt(3.0 / 500)},
           Case{{Kind::xavier_normal, 0}, convolution, 2.0 / 1500, 0},
           Case{{Kind::he_uniform, 0}, convolution, 2.0 / 1000, std::sqrt(6.0 / 1000)},
           Case{{Kind::xavier_normal, 0}, {100000}, 1.0 / 100000, 0},
           Case{{Kind::small_init, 0}, matrix, 2.0 / 2500, 0},
           Case{{Kind::truncated_normal, 0.1}, matrix, 0.01 * 0.87962566 * 0.87962566, 0.2},
       }) {
    const Tensor x = drawn(c.shape, c.start);
    const Moments found = moments_of(x);
    const auto count = static_cast<double>(x.elements());
    EXPECT_NEAR(found.mean, 0, 4.5 * std::sqrt(c.variance / count)) << text_of(c.start);
    EXPECT_NEAR(found.variance / c.variance, 1, 4.5 * std::sqrt(2 / count)) << text_of(c.start) << c.shape.text();
    if (c.bound > 0) {
      EXPECT_LE(found.largest, c.bound) << text_of(c.start);
      EXPECT_GT(found.largest, 0.999 * c.bound) << text_of(c.start);
    }
  }
}

TEST(Initialise, a_constant_is_everywhere) {
  const Tensor x = drawn({3, 5}, {Initialiser::Kind::constant, -1.5}, DType::float32);
  for (int64_t i = 0; i < 15; ++i) EXPECT_EQ(x.at(i), -1.5);
}

TEST(Initialise, a_forget_gate_is_the_second_quarter_of_its_biases) {
  const Tensor bias = drawn({8}, {Initialiser::Kind::forget_gate, 1.5});
  for (int64_t i = 0; i < 8; ++i) EXPECT_EQ(bias.at(i), i == 2 || i == 3 ? 1.5 : 0);
}

TEST(Initialise, orthogonal_rows_or_columns_are_orthonormal_times_the_gain) {
  for (const Shape& shape : {Shape{1, 1}, Shape{7, 7}, Shape{40, 64}, Shape{64, 40}, Shape{8, 3, 5}, Shape{9}}) {
    for (double gain : {0.0, 1.7}) {
      for (DType dtype : {DType::float32, DType::float64}) {
        const Tensor x = drawn(shape, {Initialiser::Kind::orthogonal, gain}, dtype);
        const int64_t rows = shape[0], columns = shape.elements() / rows;
        const bool wide = rows <= columns;
        const double square = gain == 0 ? 1 : gain * gain;
        for (int64_t i = 0; i < std::min(rows, columns); ++i) {
          for (int64_t j = 0; j <= i; ++j) {
            double sum = 0;
            for (int64_t k = 0; k < std::max(rows, columns); ++k) {
              sum +=
                  wide ? x.at(i * columns + k) * x.at(j * columns + k) : x.at(k * columns + i) * x.at(k * columns + j);
            }
            ASSERT_NEAR(sum, i == j ? square : 0, dtype == DType::float64 ? 1e-12 : 1e-6)
                << shape.text() << i << ' ' << j;
          }
        }
      }
    }
  }
}

struct Two {
  Parameter weight{{3, 4}, {Initialiser::Kind::xavier_normal, 0}};
  Parameter other{{2, 4}, {Initialiser::Kind::normal, 1}};
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("other", self.other);
    each("weight", self.weight);
  }
};

TEST(Initialise, a_parameter_depends_on_seed_and_name_but_on_no_other_parameter) {
  const Initialiser start{Initialiser::Kind::xavier_normal, 0};
  const Tensor alone = drawn({3, 4}, start, DType::float32), again = drawn({3, 4}, start, DType::float32);
  const Tensor renamed = drawn({3, 4}, start, DType::float32, "bias"),
               reseeded = drawn({3, 4}, start, DType::float32, "weight", 2);
  Two two;
  Parameters list = parameters_of(two);
  list.allocate();
  initialise(list, Rng(1));
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(again.at(i), alone.at(i));
    EXPECT_EQ(two.weight.at(i), alone.at(i));
    EXPECT_NE(renamed.at(i), alone.at(i));
    EXPECT_NE(reseeded.at(i), alone.at(i));
  }
}

TEST(Initialise, refuses_parameters_without_memory) {
  Two two;
  EXPECT_THROW(initialise(parameters_of(two), Rng(1)), Error);
}

TEST(Initialiser, words_are_read_and_written_back) {
  for (const char* word :
       {"constant(0)", "constant(-1.5)", "normal(0.02)", "uniform(0.1)", "xavier_normal", "xavier_uniform",
        "xavier_uniform(0.5)", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform(2)", "truncated_normal(0.02)",
        "small_init", "orthogonal", "orthogonal(1.41)"}) {
    EXPECT_EQ(text_of(initialiser_of_name(word)), word);
  }
  EXPECT_EQ(initialiser_of_name("normal(2e-2)").argument, 0.02);
  EXPECT_EQ(initialiser_of_name("xavier_uniform").kind, Initialiser::Kind::xavier_uniform);
}

TEST(Initialiser, every_mistake_in_a_word_is_named) {
  const auto message = [](const char* word) -> std::string {
    try {
      initialiser_of_name(word);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(message("xavier").find("initialiser: expected constant(x), normal(x)"), std::string::npos);
  EXPECT_NE(message("").find("got \"\""), std::string::npos);
  EXPECT_EQ(message("normal"), "initialiser: \"normal\" needs a number, as in normal(0.02)");
  EXPECT_EQ(message("small_init(3)"), "initialiser: \"small_init(3)\": small_init takes no number");
  EXPECT_EQ(message("normal(0.02"), "initialiser: \"normal(0.02\" has no closing parenthesis");
  EXPECT_EQ(message("normal(a)"), "initialiser: \"normal(a)\": \"a\" is no number");
  EXPECT_EQ(message("normal()"), "initialiser: \"normal()\": \"\" is no number");
  EXPECT_EQ(message("normal("), "initialiser: \"normal(\" has no closing parenthesis");
  EXPECT_EQ(message("uniform(-1)"), "initialiser: \"uniform(-1)\": -1 is negative");
  EXPECT_EQ(message("orthogonal(0)"), "initialiser: \"orthogonal(0)\": a gain must be above 0");
  EXPECT_EQ(message("normal(inf)"), "initialiser: \"normal(inf)\": \"inf\" is no number");
}

}  // namespace
}  // namespace attune
