// attune bench products: the rate of the matrix products that everything else is made of.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "attune/base/dtype.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/cli/bench.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/kernels/product.h"

namespace attune::cli {

namespace {

const About about{"bench products", "[flags]",
                  "Measures C = A B for square matrices in GFLOP/s (2 n^3 operations a product): the best of several "
                  "rounds, through the same door as every product of a model.",
                  "  attune bench products --threads 2 --format json\n"};

struct Rates {
  double float32 = 0, bfloat16 = 0;  // GFLOP/s
};

// Best of `rounds`, after one round that warms up.
template <class T>
double rate(int64_t n, int rounds) {
  const std::vector<T> a(static_cast<size_t>(n * n), T(0.5F)), b(a);
  std::vector<float> c(static_cast<size_t>(n * n));
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round <= rounds; ++round) {
    const Stopwatch watch;
    kernels::product(kernels::Matrix<const T>{a.data(), n, n, n}, kernels::Matrix<const T>{b.data(), n, n, n},
                     kernels::Matrix<float>{c.data(), n, n, n}, nullptr, {});
    best = round == 0 ? best : std::min(best, watch.seconds());
  }
  const double size = static_cast<double>(n);
  return 2 * size * size * size / best / 1e9;
}

}  // namespace

double product_rate(int64_t size, int rounds) {
  return rate<float>(size, rounds);
}

int bench_products(const Arguments& arguments) {
  std::string format = "text";
  int size = 1024, rounds = 200, thread_count = 0;
  OptionTable table(about);
  table.add("size", &size, "rows and columns of the matrices");
  table.add("rounds", &rounds, "products timed; the best counts");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(format);
  check_whole("--size", size, {1, 16384});
  check_whole("--rounds", rounds, {1, 100'000});
  use_threads(thread_count);
  const Rates rates{rate<float>(size, rounds), rate<BFloat16>(size, rounds)};
  if (json) {
    const nlohmann::ordered_json result{{"size", size},
                                        {"threads", threads()},
                                        {"library", kernels::product_library()},
                                        {"sgemm_gflops", rates.float32},
                                        {"bfloat16_gflops", rates.bfloat16}};
    print("{}\n", result.dump());
  } else {
    print("float32   {:8.1f} GFLOP/s\nbfloat16  {:8.1f} GFLOP/s  ({}, {} threads, {} x {})\n", rates.float32,
          rates.bfloat16, kernels::product_library(), threads(), size, size);
  }
  return success;
}

}  // namespace attune::cli
