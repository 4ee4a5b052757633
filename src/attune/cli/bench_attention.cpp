// attune bench attention: useful operations a second of the fused attention, forward and backward, and its memory.
#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "attune/attention/scaled_dot.h"
#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/cli/bench.h"
#include "attune/cli/bench_attention.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/tensor/storage.h"

namespace attune::cli {

namespace {

const About about{
    "bench attention", "[flags]",
    "Measures softmax attention in GFLOP/s: 4 operations a visible pair, head and element of depth forward, 2.5 times "
    "that backward; what a causal mask hides does not count. Extra bytes are what the first call needs besides its "
    "inputs and results. Without a shape: a table of usual ones; how time grows with the length under three masks; and "
    "one query a sequence against long caches, beside the rate at which the same bytes are only read.",
    "  attune bench attention --threads 2\n"
    "  attune bench attention --batch 8 --heads 8 --length 512 --head-dim 64 --causal --threads 2 --format json\n"};

struct Setting {
  int batch = 8, heads = 8, kv_heads = 0, length = 512, head_dim = 64;  // kv_heads 0: as many as heads
  bool causal = false;
  std::string dtype = "float32";
  std::vector<int> lengths = {};  // of packed sequences, instead of batch times length
  std::optional<int> left = {};   // reach of a causal band

  attention::Mask mask() const { return {.causal = causal, .left = left}; }
};

struct Figures {
  double forward = 0, backward = 0;  // seconds
  int64_t extra_forward = 0, extra_backward = 0;
  double pairs = 0;  // visible ones, of one head
};

int64_t bytes_of(std::initializer_list<const Tensor*> tensors) {
  int64_t bytes = 0;
  for (const Tensor* x : tensors) bytes += x->elements() * attune::bytes_of(x->dtype());
  return bytes;
}

// What is recorded of one forward, whose backward is timed.
struct Recorded {
  std::unique_ptr<Tape> tape;
  Tensor out;
};

Figures measure(const Setting& setting, double seconds) {
  const Segments segments =
      setting.lengths.empty() ? Segments::equal(setting.batch, setting.length) : Segments::of_lengths(setting.lengths);
  const DType dtype = dtype_of_name(setting.dtype);
  const int64_t rows = segments.rows();
  const Tensor q = random_values({rows, setting.heads, setting.head_dim}, 1, dtype);
  const Tensor k = random_values({rows, setting.kv_heads, setting.head_dim}, 2, dtype);
  const Tensor v = random_values({rows, setting.kv_heads, setting.head_dim}, 3, dtype);
  const Tensor dout = random_values({rows, setting.heads, setting.head_dim}, 4, DType::float32);  // as every gradient
  const attention::Options options{.mask = setting.mask()};
  Figures figures;
  for (int s = 0; s < segments.count(); ++s) {
    const double n = segments.length(s), reach = setting.left ? std::min<double>(*setting.left + 1, n) : n;
    figures.pairs += setting.causal ? reach * n - reach * (reach - 1) / 2 : n * n;
  }
  const auto forward = [&] { return attention::scaled_dot(q, k, v, segments, segments, options); };
  const auto record = [&] {
    Recorded recorded{std::make_unique<Tape>(), {}};
    for (const Tensor* x : {&q, &k, &v}) recorded.tape->watch(*x);
    recorded.out = forward().out;
    return recorded;
  };
  const auto backward = [&](const Recorded& recorded) {
    return recorded.tape->backward(std::span(&recorded.out, 1), std::span(&dout, 1));
  };
  const auto extra = [](int64_t results, const auto& run) {
    release_cached_memory();
    const int64_t before = memory_use().in_use;
    reset_peak_memory();
    run();
    return std::max<int64_t>(0, memory_use().peak - before - results);
  };
  figures.extra_forward = extra(bytes_of({&q}), forward);
  {  // gone before the forward is timed: while a tape lives, it keeps all that it sees
    const Recorded first = record();
    figures.extra_backward = extra(bytes_of({&q, &k, &v}), [&] { backward(first); });
  }
  figures.forward = best_time(
      seconds, [] { return 0; }, [&](int) { forward(); });
  figures.backward = best_time(seconds, record, backward);
  return figures;
}

std::vector<int> lengths_of(const std::string& path, int count) {
  std::ifstream file(path);
  check(file.good(), "bench attention: cannot read ", path);
  std::vector<int> lengths;
  for (int length = 0; static_cast<int>(lengths.size()) < count && file >> length;) {
    check(length >= 0 && length <= 1'000'000, path, ": expected lengths of 0 to 1000000, found ", length);
    lengths.push_back(length);
  }
  check(static_cast<int>(lengths.size()) == count, path, ": expected ", count, " lengths (--batch), one a line, found ",
        lengths.size());
  return lengths;
}

void check_setting(const Setting& setting) {
  check_whole("--batch", setting.batch, {1, 100'000});
  check_whole("--heads", setting.heads, {1, 1'024});
  check_whole("--kv-heads", setting.kv_heads, {1, 1'024});
  check_whole("--length", setting.length, {1, 1'000'000});
  check_whole("--head-dim", setting.head_dim, {1, 1'024});
  check_usage(setting.heads % setting.kv_heads == 0, "--kv-heads: expected a divisor of ", setting.heads,
              " heads, got ", setting.kv_heads);
  check_usage(setting.dtype == "float32" || setting.dtype == "bfloat16", "--dtype: expected float32 or bfloat16, got ",
              setting.dtype);
}

struct Rate {
  double forward, backward;  // GFLOP/s
};

Rate rate_of(const Setting& setting, const Figures& figures) {
  const double operations = 4 * figures.pairs * setting.heads * setting.head_dim / 1e9;
  return {operations / figures.forward, 2.5 * operations / figures.backward};
}

void print_json(const Setting& setting, const Figures& figures, double sgemm) {
  const Rate rate = rate_of(setting, figures);
  const nlohmann::ordered_json result{{"batch", setting.batch},
                                      {"heads", setting.heads},
                                      {"kv_heads", setting.kv_heads},
                                      {"length", setting.length},
                                      {"head_dim", setting.head_dim},
                                      {"causal", setting.causal},
                                      {"dtype", setting.dtype},
                                      {"packed", !setting.lengths.empty()},
                                      {"threads", threads()},
                                      {"forward_gflops", rate.forward},
                                      {"backward_gflops", rate.backward},
                                      {"sgemm_gflops", sgemm},
                                      {"forward_seconds", figures.forward},
                                      {"backward_seconds", figures.backward},
                                      {"extra_bytes_forward", figures.extra_forward},
                                      {"extra_bytes_backward", figures.extra_backward}};
  print("{}\n", result.dump());
}

void print_text(const Setting& setting, const Figures& figures, double sgemm) {
  const Rate rate = rate_of(setting, figures);
  print("{:>6} {:>6} {:>7} {:>4} {:<7} {:<9} {:>8.1f} {:>4.0f}% {:>8.1f} {:>4.0f}% {:>10.2f} {:>10.2f}\n",
        setting.batch, setting.heads, setting.length, setting.head_dim, setting.causal ? "causal" : "full",
        setting.dtype, rate.forward, 100 * rate.forward / sgemm, rate.backward, 100 * rate.backward / sgemm,
        static_cast<double>(figures.extra_forward) / 1e6, static_cast<double>(figures.extra_backward) / 1e6);
}

void print_head(double sgemm) {
  print("float32 products: {:.1f} GFLOP/s with {} threads; GFLOP/s of attention and their share of that\n", sgemm,
        threads());
  print("{:>6} {:>6} {:>7} {:>4} {:<7} {:<9} {:>8} {:>5} {:>8} {:>5} {:>10} {:>10}\n", "batch", "heads", "length",
        "dim", "mask", "dtype", "forward", "", "backward", "", "fwd MB", "bwd MB");
}

std::vector<Setting> usual_settings() {
  return {{64, 4, 4, 24, 64},  {32, 8, 8, 128, 64},       {8, 8, 8, 512, 64},   {8, 8, 8, 512, 64, true},
          {1, 8, 8, 2048, 64}, {1, 8, 8, 2048, 64, true}, {1, 8, 8, 2048, 128}, {1, 8, 8, 2048, 64, false, "bfloat16"}};
}

// Blocks that a mask rules out cost nothing: the time of a visible pair stays.
void print_growth(double seconds) {
  constexpr int reach = 256;
  print("\n1 sequence, 8 heads of 64, nanoseconds per visible pair of all heads; memory besides inputs and results\n");
  print("{:>7} {:<9} {:>12} {:>9} {:>9} {:>10} {:>10}\n", "length", "mask", "pairs", "forward", "backward", "fwd MB",
        "bwd MB");
  for (const int length : {256, 1024, 4096, 16'384}) {
    for (const char* mask : {"full", "causal", "band 256"}) {
      const bool full = mask == std::string_view("full"), band = mask == std::string_view("band 256");
      Setting setting{1, 8, 8, length, 64, !full};
      if (band) setting.left = reach - 1;
      const Figures figures = measure(setting, seconds / 2);
      print("{:>7} {:<9} {:>12.0f} {:>9.3f} {:>9.3f} {:>10.2f} {:>10.2f}\n", length, mask, figures.pairs,
            1e9 * figures.forward / figures.pairs, 1e9 * figures.backward / figures.pairs,
            static_cast<double>(figures.extra_forward) / 1e6, static_cast<double>(figures.extra_backward) / 1e6);
    }
  }
}

}  // namespace

int bench_attention(const Arguments& arguments) {
  std::string format = "text", lengths;
  Setting setting;
  int thread_count = 0;
  double seconds = 0.5;
  OptionTable table(about);
  table.add("batch", &setting.batch, "sequences");
  table.add("heads", &setting.heads, "query heads");
  table.add("kv-heads", &setting.kv_heads, "key and value heads; 0: as many as query heads");
  table.add("length", &setting.length, "tokens of every sequence");
  table.add("head-dim", &setting.head_dim, "depth of queries, keys and values");
  table.add("causal", &setting.causal, "a query sees no later key");
  table.add("dtype", &setting.dtype, "float32 or bfloat16", {1, 1, "NAME"});
  table.add("lengths", &lengths, "a length a line: the sequences' own lengths, packed, instead of --length",
            {1, 1, "FILE"});
  table.add("seconds", &seconds, "that are measured, for each figure");
  table.add("threads", &thread_count, "0: all cores this process may use");
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(format), given = !table.given_besides({"seconds", "threads", "format"}).empty();
  check_usage(seconds >= 0 && seconds <= 600, "--seconds: expected 0 to 600, got ", seconds);
  if (setting.kv_heads == 0) setting.kv_heads = setting.heads;
  check_setting(setting);
  if (!lengths.empty()) setting.lengths = lengths_of(lengths, setting.batch);
  use_threads(thread_count);
  const double sgemm = product_rate(1024, 20);
  if (!json) print_head(sgemm);
  for (const Setting& each : given ? std::vector{setting} : usual_settings()) {
    const Figures figures = measure(each, seconds);
    json ? print_json(each, figures, sgemm) : print_text(each, figures, sgemm);
  }
  if (!given && !json) {
    print_growth(seconds);
    print_attention_decoding(seconds);
  }
  return success;
}

}  // namespace attune::cli
