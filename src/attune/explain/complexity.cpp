// Table 1 of the Transformer's paper (Vaswani 2017, section 4) with numbers, and the same for every mixer there is.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/explain/topics.h"
#include "attune/kernels/product.h"
#include "attune/nn/mixer.h"

namespace attune::explain {

namespace {

struct Layer {
  double multiply_adds, sequential, path;
};

// Steps that share their rows.
struct Table {
  Section section;
  Labels labels;

  void add(const char* name, const char* equation, const char* text, const std::vector<double>& values,
           const std::vector<std::string>& arguments = {}) {
    section.steps.push_back(
        {.name = name,
         .equation = equation,
         .text = text,
         .arguments = arguments,
         .value = Tensor::of<double>({static_cast<int64_t>(values.size()), 1}, std::span<const double>(values)),
         .labels = labels,
         .all_rows = true});
  }
};

// What the mixers' own costs say, with the sizes that a config has by default.
Section of_mixers(const ComplexityOptions& options, double multiply_adds_per_second) {
  const MixerOptions form{.width = options.width, .heads = options.heads, .kernel_width = options.kernel_width};
  Table table{{"section.complexity.mixers", {}}, {}};
  std::vector<double> work, milliseconds, ratios;
  for (const MixerKind& kind : mixers()) {
    const MixerCost cost = kind.cost(form, options.length);
    table.labels.rows.emplace_back(kind.word);
    work.push_back(options.length * static_cast<double>(cost.per_query + cost.per_key + cost.scores));
    milliseconds.push_back(1e3 * work.back() / multiply_adds_per_second);
    ratios.push_back(work.back() / work.front());
  }
  table.add("mixers", "n (q + k + s)", "complexity.mixers", work, {std::to_string(options.heads)});
  table.add("mixers.ratio", "operations / operations_1", "complexity.mixers.ratio", ratios);
  table.add("mixers.milliseconds", "1000 operations / rate", "complexity.mixers.milliseconds", milliseconds);
  return table.section;
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
  check_whole("heads", options.heads, {1, 1'000'000});
  check_usage(options.width % options.heads == 0, "heads: expected a divisor of the width (", options.width, "), got ",
              options.heads);
}

Explanation explain_complexity(const ComplexityOptions& options, double multiply_adds_per_second) {
  check_options(options);
  const double n = options.length, d = options.width, k = options.kernel_width, r = options.neighbourhood;
  const double hops = k > 1 ? std::ceil(std::log(n) / std::log(k) - 1e-9) : n;
  const std::vector<Layer> layers{{n * n * d, 1, 1},
                                  {n * d * d, n, n},
                                  {k * n * d * d, 1, std::max(hops, 1.0)},
                                  {std::min(r, n) * n * d, 1, std::ceil(n / r)}};
  std::vector<double> work, sequential, path, milliseconds;
  Table table{{"section.complexity", {}}, {}};
  table.labels.rows = {"self-attention", "recurrent", "convolution", "restricted"};
  for (const Layer& layer : layers) {
    work.push_back(layer.multiply_adds);
    sequential.push_back(layer.sequential);
    path.push_back(layer.path);
    milliseconds.push_back(1e3 * layer.multiply_adds / multiply_adds_per_second);
  }
  const auto whole = [](double x) { return std::to_string(static_cast<int64_t>(x)); };
  table.add("operations", "n² d,  n d²,  k n d²,  r n d", "complexity.operations", work);
  table.add("sequential", "1,  n,  1,  1", "complexity.sequential", sequential);
  table.add("path", "1,  n,  log_k(n),  n / r", "complexity.path", path);
  table.add("milliseconds", "1000 operations / rate", "complexity.milliseconds", milliseconds,
            {whole(multiply_adds_per_second / 1e9)});
  return {"title.complexity",
          "complexity.introduction",
          {whole(n), whole(d), whole(k), whole(r)},
          {table.section, of_mixers(options, multiply_adds_per_second)}};
}

}  // namespace attune::explain
