// Errors: every mistake a user can make ends in attune::Error with one message saying where, what was expected, what
// came and what to do. Own invariants use assert instead.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace attune {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A mistake in how the program was called (flags, config keys): the command line ends with exit code 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

template <class... Part>
[[noreturn]] void fail(const Part&... message) {
  std::ostringstream text;
  (text << ... << message);
  throw Error(text.str());
}

// Throws Error with the concatenated message unless `ok`.
template <class... Part>
void check(bool ok, const Part&... message) {
  if (!ok) [[unlikely]] {
    fail(message...);
  }
}

template <class... Part>
void check_usage(bool ok, const Part&... message) {
  if (!ok) [[unlikely]] {
    std::ostringstream text;
    (text << ... << message);
    throw UsageError(text.str());
  }
}

}  // namespace attune
