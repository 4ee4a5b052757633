// What every fuzz target does: hand libFuzzer's bytes to a reader and let nothing but attune::Error come out of it.
// Any other exception, a crash, a sanitizer's report, a broken `must`, an allocation or a time above the limits of
// tools/fuzz.sh is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "attune/base/check.h"

namespace attune::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// False when the reader refused the input.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    if (error.what()[0] == '\0') {
      std::abort();  // a refusal says why
    }
    return false;
  }
}

// A property of what was accepted.
inline void must(bool holds, const char* property) {
  if (!holds) {
    std::fprintf(stderr, "broken property: %s\n", property);
    std::abort();
  }
}

}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
