// The decoding rows of `attune bench attention`: one query a sequence reads its whole cache once, so memory is the
// limit.
#include <atomic>

#include "attune/attention/scaled_dot.h"
#include "attune/base/parallel.h"
#include "attune/base/rng.h"
#include "attune/cli/bench_attention.h"

namespace attune::cli {

namespace {

struct Caches {
  int batch, kv_heads;
};

// Reads all of `x`, in as many streams as there are threads; what it adds up is of no use but to be computed.
uint64_t read_all(const Tensor& x) {
  constexpr int64_t chunk = 1 << 14;  // words
  const auto* const words = reinterpret_cast<const uint64_t*>(x.pointer<float>());
  std::atomic<uint64_t> total = 0;
  parallel_for(x.elements() / 2 / chunk, 1, [&](int64_t begin, int64_t end) {
    constexpr int lanes = 16;
    uint64_t sums[lanes] = {};
    for (int64_t i = begin * chunk; i < end * chunk; i += lanes) {
      for (int lane = 0; lane < lanes; ++lane) sums[lane] += words[i + lane];
    }
    for (const uint64_t sum : sums) total += sum;
  });
  return total;
}

}  // namespace

Tensor random_values(const Shape& shape, uint64_t seed, DType dtype) {
  Tensor x = Tensor::empty(shape);
  const Rng rng(seed);
  auto values = x.data<float>();
  parallel_for(x.elements(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      values[i] = static_cast<float>(2 * rng.uniform(i) - 1);
    }
  });
  return x.to(dtype);
}

void print_attention_decoding(double seconds) {
  constexpr int heads = 8, depth = 64;
  constexpr int64_t cache_bytes = 256'000'000;
  print("\none query a sequence against its cache, 8 heads of 64; GB/s, and those of only reading the caches\n");
  print("{:>6} {:>8} {:>7} {:>9} {:>7} {:>5}\n", "batch", "kv heads", "keys", "attention", "reading", "");
  volatile uint64_t unused = 0;
  for (const Caches& each : {Caches{1, 1}, Caches{16, 1}, Caches{8, 2}, Caches{1, 8}, Caches{8, 8}}) {
    const int64_t token = int64_t{2} * each.kv_heads * depth * int64_t{sizeof(float)};
    const auto length = static_cast<int>(cache_bytes / token / each.batch + 1);
    const Segments queries = Segments::equal(each.batch, 1), keys = Segments::equal(each.batch, length);
    const Tensor q = random_values({queries.rows(), heads, depth}, 1, DType::float32);
    const Tensor k = random_values({keys.rows(), each.kv_heads, depth}, 2, DType::float32);
    const Tensor v = random_values({keys.rows(), each.kv_heads, depth}, 3, DType::float32);
    const auto nothing = [] { return 0; };
    const double reading = best_time(seconds, nothing, [&](int) { unused = read_all(k) + read_all(v); });
    const double attending = best_time(seconds, nothing, [&](int) { attention::scaled_dot(q, k, v, queries, keys); });
    const double gigabytes = static_cast<double>(token) * static_cast<double>(keys.rows()) / 1e9;
    print("{:>6} {:>8} {:>7} {:>9.1f} {:>7.1f} {:>4.0f}%\n", each.batch, each.kv_heads, length, gigabytes / attending,
          gigabytes / reading, 100 * reading / attending);
  }
}

}  // namespace attune::cli
