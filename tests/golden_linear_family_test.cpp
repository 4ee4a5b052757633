// Attention in linear time against PyTorch: output and all gradients (tests/goldens/make_linear_family_golden.py).
#include "attune/attention/linear_attention.h"
#include "attune/attention/linformer.h"
#include "attune/attention/lsh.h"
#include "attune/attention/nystrom.h"
#include "attune/attention/performer.h"
#include "attune/autograd/tape.h"
#include "golden_values.h"

namespace attune::attention {
namespace {

using attune::testing::expect_near;

constexpr int64_t heads = 2, depth = 3, values = 2;

const Segments& sentences() {
  static const Segments segments = Segments::of_lengths(std::vector<int>{3, 1, 5, 2});
  return segments;
}

Tensor start_value(int k, const Shape& shape, DType dtype) {
  return attune::testing::wave(k, shape, 1).to(dtype);
}

// What a run's mechanism learns.
std::vector<Tensor> parameters_of(const nlohmann::json& run, DType dtype) {
  if (run["mechanism"] == "linformer") {
    const Shape shape{run["projections"].get<int64_t>(), 4, 6};
    return {start_value(4, shape, dtype), start_value(5, shape, dtype)};
  }
  const int64_t taps = run.value("convolution", 0);
  return taps > 0 ? std::vector{start_value(6, {heads, taps}, dtype)} : std::vector<Tensor>();
}

Tensor attend_linearly(const nlohmann::json& run, const std::vector<Tensor>& x) {
  const bool causal = run["causal"];
  if (run["mechanism"] == "linear") {
    return linear_attention(x[0], x[1], x[2], sentences(), sentences(), {.causal = causal});
  }
  const bool relu = run["kernel"] == "relu";
  return performer(x[0], x[1], x[2], start_value(3, {5, depth}, x[0].dtype()), sentences(), sentences(),
                   {.causal = causal,
                    .kernel = relu ? PerformerKernel::relu : PerformerKernel::exponential,
                    .epsilon = run["epsilon"].get<double>()});
}

Tensor attend_by_hashing(const nlohmann::json& run, const std::vector<Tensor>& x) {
  const LshOptions options{run["causal"], run["rounds"], run["chunk"], run["count-once"]};
  Tensor buckets = Tensor::zeros({sentences().rows(), heads, options.rounds}, DType::int32);
  for (int s = 0; s < sentences().count(); ++s) {
    for (int64_t e = 0; e < sentences().length(s) * heads * options.rounds; ++e) {
      const int64_t i = e / options.rounds / heads, head = e / options.rounds % heads, round = e % options.rounds;
      buckets.data<int32_t>()[static_cast<size_t>(sentences().begin(s) * heads * options.rounds + e)] =
          static_cast<int32_t>((3 * i + 5 * head + 7 * round + i * i * (round + 1)) %
                               lsh_bucket_count(sentences().length(s), options));
    }
  }
  return lsh(x[0], x[1], buckets, sentences(), options);
}

Tensor attend(const nlohmann::json& run, const std::vector<Tensor>& x) {
  if (run["mechanism"] == "lsh") return attend_by_hashing(run, x);
  if (run["mechanism"] == "linformer") {
    return linformer({x[0], x[1], x[2], x[3], x[4]}, sentences(), sentences());
  }
  if (run["mechanism"] == "nystrom") {
    return nystrom(
        x[0], x[1], x[2], sentences(),
        {.landmarks = run["landmarks"], .rounds = run["rounds"], .convolution = x.size() > 3 ? x[3] : Tensor()});
  }
  return attend_linearly(run, x);
}

TEST(GoldenLinearFamily, output_and_every_gradient_equal_pytorch) {
  const nlohmann::json runs = attune::testing::golden_file("linear_family_golden.json");
  ASSERT_EQ(runs.size(), 18U);
  for (const auto& run : runs) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      nlohmann::json form = run;
      form.erase("output"), form.erase("gradients");
      SCOPED_TRACE(form.dump() + (dtype == DType::float64 ? ", float64" : ", float32"));
      const double tolerance = dtype == DType::float64 ? 1e-10 : 1e-5;
      const int64_t rows = sentences().rows();
      std::vector<Tensor> x{start_value(0, {rows, heads, depth}, dtype), start_value(1, {rows, heads, depth}, dtype),
                            start_value(2, {rows, heads, values}, dtype)};
      if (run["mechanism"] == "lsh") x.erase(x.begin() + 1);  // queries are keys
      for (const Tensor& parameter : parameters_of(run, dtype)) x.push_back(parameter);
      Tape tape;
      for (const Tensor& each : x) tape.watch(each);
      const Tensor y = attend(run, x), seed = start_value(8, y.shape(), dtype);
      expect_near(y, run["output"], tolerance, "output");
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      ASSERT_EQ(x.size(), run["gradients"].size());
      for (size_t i = 0; i < x.size(); ++i) {
        expect_near(gradients.of(x[i]), run["gradients"][i], tolerance, "gradient " + std::to_string(i));
      }
    }
  }
}

}  // namespace
}  // namespace attune::attention
