#include "attune/cli/version.h"

#include <fmt/core.h>
#include <oneapi/dnnl/dnnl.h>

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
  const dnnl_version_t* dnnl = dnnl_version();
  return fmt::format("attune {} ({}; oneDNN {}.{}.{}; {})", ATTUNE_VERSION, compiler, dnnl->major, dnnl->minor,
                     dnnl->patch, instruction_set());
}

}  // namespace attune::cli
