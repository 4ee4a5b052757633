// What every op's test asks for at once: gradients against finite differences, float32 against float64, the same bits
// for one and two threads, and the same results for strided inputs.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/base/parallel.h"

namespace attune::testing {

// A view with the values of x whose rows lie two elements further apart than they are long.
inline Tensor strided(const Tensor& x) {
  if (x.rank() < 2) {
    return x;
  }
  std::vector<int64_t> sizes(x.shape().sizes().begin(), x.shape().sizes().end());
  sizes.back() += 2;
  Tensor view = Tensor::full(Shape(sizes), NAN, x.dtype()).columns_view(1, x.columns());
  if (x.elements() > 0) {
    view.copy_from(x);
  }
  return view;
}

// y, then the gradient of every input (not given when y does not depend on it) for a fixed random seed of y.
inline std::vector<Tensor> run(const Function& function, std::vector<Tensor> inputs) {
  Tape tape;
  for (const Tensor& input : inputs) {
    tape.watch(input);
  }
  const Tensor y = function(inputs);
  std::vector<Tensor> results{detach(y)};
  const Tensor seed = random_tensor(y.shape(), Rng(77), y.dtype());
  const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
  for (const Tensor& input : inputs) {
    results.push_back(gradients.of(input));
  }
  return results;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a || !b) {
    return !a && !b;
  }
  const Tensor x = a.compact(), y = b.compact();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.storage()->data() + x.offset() * bytes_of(x.dtype()),
                     y.storage()->data() + y.offset() * bytes_of(y.dtype()),
                     static_cast<size_t>(x.elements() * bytes_of(x.dtype()))) == 0;
}

// max |a - b| / max(1, max |b|)
inline double relative_difference(const Tensor& a, const Tensor& b) {
  if (!a && !b) {
    return 0;
  }
  if (!a || !b || a.shape() != b.shape()) {
    return INFINITY;
  }
  double largest = 1, difference = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    largest = std::max(largest, std::fabs(b.at(i)));
    const double d = std::fabs(a.at(i) - b.at(i));
    difference = d <= difference ? difference : d;  // NaN stays
  }
  return difference / largest;
}

// Leaves the number of threads as it was.
class Threads {
 public:
  explicit Threads(int count) : before_(threads()) { set_threads(count); }
  ~Threads() { set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

struct OpCheck {
  double single_tolerance = 1e-5;  // float32 against float64
  bool gradients = true;           // finite differences: small inputs only
};

inline void check_op(const Function& function, const std::vector<Tensor>& inputs, const OpCheck& expected = {}) {
  if (expected.gradients) {
    const GradientError worst = gradient_error(function, inputs);
    EXPECT_LT(worst.error, 1e-7) << worst.where;
  }
  std::vector<Tensor> single, single_strided;
  for (const Tensor& input : inputs) {
    single.push_back(input.to(DType::float32));
    single_strided.push_back(strided(single.back()));
  }
  const auto exact = run(function, inputs);
  std::vector<Tensor> one, two, from_strided;
  {
    const Threads limit(1);
    one = run(function, single);
  }
  {
    const Threads limit(2);
    two = run(function, single);
    from_strided = run(function, single_strided);
  }
  for (size_t i = 0; i < exact.size(); ++i) {
    const std::string what = i == 0 ? "the result" : "the gradient of input " + std::to_string(i - 1);
    EXPECT_LT(relative_difference(one[i], exact[i]), expected.single_tolerance) << what << " in float32";
    EXPECT_TRUE(same_bits(one[i], two[i])) << what << " with one and two threads";
    EXPECT_LT(relative_difference(from_strided[i], exact[i]), expected.single_tolerance)
        << what << " of strided inputs";
  }
}

}  // namespace attune::testing
