// attune bench NAME: measurements of this machine and of the program on it.
#include "attune/cli/bench.h"

#include <array>

#include "attune/base/check.h"
#include "attune/cli/console.h"

namespace attune::cli {

std::span<const Command> benches() {
  static constexpr std::array list{
      Command{"attention", "the fused attention, forward and backward: operations a second, memory", bench_attention},
      Command{"decode", "how fast a model writes: output tokens a second", bench_decode},
      Command{"generate", "a language model's time for the next piece, near and far in a text", bench_generate},
      Command{"layers", "a layer's time against the length: recurrence, convolution, attention", bench_layers},
      Command{"mixers", "the attention mechanisms beside exact attention: time, memory, growth with the length",
              bench_mixers},
      Command{"products", "rate of matrix products: what everything else is measured against", bench_products},
  };
  return list;
}

namespace {

std::string overview() {
  std::string text =
      "Measures this machine and the program on it. Other work on the machine spoils the figures.\n\n"
      "Usage: attune bench NAME [flags]\n\nMeasurements:\n";
  for (const Command& bench : benches()) {
    text += fmt::format("  {:<10} {}\n", bench.name, bench.purpose);
  }
  return text + "\nattune bench NAME --help explains one.\n\nExample:\n  attune bench products\n";
}

}  // namespace

int bench(const Arguments& arguments) {
  if (!arguments.empty() && (arguments.front() == "--help" || arguments.front() == "-h")) {
    print(overview());
    return success;
  }
  check_usage(!arguments.empty(), "bench: expected the name of a measurement; attune bench --help lists them");
  return run_named(benches(), arguments, {"bench: unknown measurement", "attune bench "});
}

}  // namespace attune::cli
