#include "attune/decode/options.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"

namespace attune {

void check_options(const SearchOptions& options) {
  // Generous bounds that keep products of sizes far from overflow.
  check_whole("beam-size", options.beam_size, {1, 10'000});
  check_usage(options.n_best >= 1 && options.n_best <= options.beam_size, "n-best: expected 1 to beam-size (",
              options.beam_size, "), got ", options.n_best, "; raise beam-size for more translations");
  check_word("length-penalty", options.length_penalty, {"none", "gnmt", "power"});
  check_number("length-penalty-alpha", options.length_penalty_alpha, {0, 1e9});
  constexpr int longest_limit = 1'000'000;
  check_whole("max-decoding-length", options.max_decoding_length, {0, longest_limit});
  check_whole("min-decoding-length", options.min_decoding_length,
              {0, options.max_decoding_length == 0 ? longest_limit : options.max_decoding_length});
  check_word("stopping-rule", options.stopping_rule, {"first", "bound", "none"});
  check_word("compute-type", options.compute_type, {"float32", "bfloat16"});
}

double length_penalty(const SearchOptions& options, int pieces) {
  if (options.length_penalty == "none") {
    return 1;
  }
  const double base = options.length_penalty == "gnmt" ? (5.0 + pieces) / 6.0 : static_cast<double>(pieces);
  return std::pow(base, options.length_penalty_alpha);
}

int longest_output(const SearchOptions& options, int source_pieces) {
  return options.max_decoding_length > 0 ? options.max_decoding_length
                                         : std::max(2 * source_pieces + 50, options.min_decoding_length);
}

namespace {

std::string score_formula(const SearchOptions& options) {
  std::ostringstream text;
  if (options.length_penalty == "none") {
    text << "score = log p";
  } else if (options.length_penalty == "gnmt") {
    text << "score = log p / ((5 + n) / 6)^" << options.length_penalty_alpha << ", n pieces with </s>";
  } else {
    text << "score = log p / n^" << options.length_penalty_alpha << ", n pieces with </s>";
  }
  return text.str();
}

std::string stopping(const SearchOptions& options) {
  if (options.beam_size == 1) {
    return "stops at </s>";
  }
  if (options.stopping_rule == "first") {
    return "stops when " + std::to_string(options.beam_size) + " hypotheses are finished (first)";
  }
  if (options.stopping_rule == "bound") {
    return options.n_best == 1 ? "stops when no live hypothesis can still beat the best finished one (bound)"
                               : "stops when no live hypothesis can still beat the worst of the " +
                                     std::to_string(options.n_best) + " best finished (bound)";
  }
  return "goes on to the longest output (none)";
}

}  // namespace

std::string describe(const SearchOptions& options) {
  std::ostringstream text;
  text << (options.beam_size == 1 ? "greedy" : "beam " + std::to_string(options.beam_size)) << "; "
       << score_formula(options) << "; " << stopping(options) << "; ";
  if (options.min_decoding_length > 0) {
    text << "at least " << options.min_decoding_length << ", ";
  }
  text << "at most ";
  if (options.max_decoding_length > 0) {
    text << options.max_decoding_length << " pieces";
  } else {
    text << "2 x source + 50 pieces";
  }
  if (options.compute_type != "float32") {
    text << "; products in " << options.compute_type;
  }
  return text.str();
}

}  // namespace attune
