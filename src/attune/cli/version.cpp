#include "attune/cli/version.h"

#include <fmt/core.h>

#include "attune/kernels/product.h"

namespace attune::cli {

namespace {

const char* instruction_set() {
  if (__builtin_cpu_supports("avx512f") != 0) {
    return "AVX-512";
  }
  return __builtin_cpu_supports("avx2") != 0 ? "AVX2" : "below AVX2";
}

}  // namespace

std::string version_line() {
#ifdef __clang__
  const std::string compiler = fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  const std::string compiler = fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  return fmt::format("attune {} ({}; {}; {})", ATTUNE_VERSION, compiler, kernels::product_library(), instruction_set());
}

}  // namespace attune::cli
