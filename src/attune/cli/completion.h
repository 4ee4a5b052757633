#pragma once

#include <string>

namespace attune::cli {

// A script for bash that completes commands and flags (attune --completion bash); `make install` puts it where bash
// looks for it.
std::string bash_completion();

}  // namespace attune::cli
