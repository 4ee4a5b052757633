#pragma once

#include <string>

namespace attune::cli {

// "attune 0.1.0 (gcc 12.2.0; oneDNN 2.6.0; AVX-512)"
std::string version_line();

}  // namespace attune::cli
