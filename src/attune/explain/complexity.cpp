// Table 1 of the Transformer's paper (Vaswani 2017, section 4) with numbers.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "attune/base/option_checks.h"
#include "attune/explain/topics.h"
#include "attune/kernels/product.h"

namespace attune::explain {

namespace {

struct Layer {
  const char* label;
  double multiply_adds, sequential, path;
};

Tensor column(const std::vector<double>& values) {
  return Tensor::of<double>({static_cast<int64_t>(values.size()), 1}, std::span<const double>(values));
}

}  // namespace

double measured_multiply_adds_per_second() {
  constexpr int64_t size = 256;
  const std::vector<float> a(size * size, 0.5F), b(size * size, 0.25F);
  std::vector<float> c(size * size);
  using Clock = std::chrono::steady_clock;
  double best = INFINITY;
  const auto begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < 0.1) {
    const auto before = Clock::now();
    kernels::product({a.data(), size, size, size}, {b.data(), size, size, size}, {c.data(), size, size, size}, nullptr,
                     {});
    best = std::min(best, std::chrono::duration<double>(Clock::now() - before).count());
  }
  return static_cast<double>(size * size * size) / best;
}

void check_options(const ComplexityOptions& options) {
  check_whole("length", options.length, {1, 10'000'000});
  check_whole("width", options.width, {1, 1'000'000});
  check_whole("kernel-width", options.kernel_width, {1, 1'000'000});
  check_whole("neighbourhood", options.neighbourhood, {1, 10'000'000});
}

Explanation explain_complexity(const ComplexityOptions& options, double multiply_adds_per_second) {
  check_options(options);
  const double n = options.length, d = options.width, k = options.kernel_width, r = options.neighbourhood;
  const double hops = k > 1 ? std::ceil(std::log(n) / std::log(k) - 1e-9) : n;
  const std::vector<Layer> layers{{"n² d", n * n * d, 1, 1},
                                  {"n d²", n * d * d, n, n},
                                  {"k n d²", k * n * d * d, 1, std::max(hops, 1.0)},
                                  {"r n d", std::min(r, n) * n * d, 1, std::ceil(n / r)}};
  std::vector<double> work, sequential, path, milliseconds;
  Labels labels;
  const char* const names[]{"self-attention", "recurrent", "convolution", "restricted"};
  for (size_t i = 0; i < layers.size(); ++i) {
    labels.rows.emplace_back(names[i]);
    work.push_back(layers[i].multiply_adds);
    sequential.push_back(layers[i].sequential);
    path.push_back(layers[i].path);
    milliseconds.push_back(1e3 * layers[i].multiply_adds / multiply_adds_per_second);
  }
  Section section{"section.complexity", {}};
  const auto add = [&](const char* name, const char* equation, const char* text, const std::vector<double>& values,
                       const std::vector<std::string>& arguments = {}) {
    section.steps.push_back({.name = name,
                             .equation = equation,
                             .text = text,
                             .arguments = arguments,
                             .value = column(values),
                             .labels = labels,
                             .all_rows = true});
  };
  const auto whole = [](double x) { return std::to_string(static_cast<int64_t>(x)); };
  add("operations", "n² d,  n d²,  k n d²,  r n d", "complexity.operations", work);
  add("sequential", "1,  n,  1,  1", "complexity.sequential", sequential);
  add("path", "1,  n,  log_k(n),  n / r", "complexity.path", path);
  add("milliseconds", "1000 operations / rate", "complexity.milliseconds", milliseconds,
      {whole(multiply_adds_per_second / 1e9)});
  return {"title.complexity", "complexity.introduction", {whole(n), whole(d), whole(k), whole(r)}, {section}};
}

}  // namespace attune::explain
