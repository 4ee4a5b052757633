// For tests: what an Error said.
#pragma once

#include <string>

#include "attune/base/check.h"

namespace attune::testing {

// The message of the Error that `call` throws, or "no error".
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace attune::testing
