#include "attune/decode/options.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "attune/base/check.h"

namespace attune {

void check_options(const SearchOptions& options) {
  // Generous bounds that keep products of sizes far from overflow.
  constexpr int widest_beam = 10'000, longest_limit = 1'000'000;
  check_usage(options.beam_size >= 1 && options.beam_size <= widest_beam, "--beam-size: expected 1 ... ", widest_beam,
              ", found ", options.beam_size);
  check_usage(options.n_best >= 1 && options.n_best <= options.beam_size, "--n-best: expected 1 ... beam-size (",
              options.beam_size, "), found ", options.n_best, "; raise --beam-size for more translations");
  const std::string& penalty = options.length_penalty;
  check_usage(penalty == "none" || penalty == "gnmt" || penalty == "power",
              "--length-penalty: expected none, gnmt or power, found '", penalty, "'");
  check_usage(std::isfinite(options.length_penalty_alpha) && options.length_penalty_alpha >= 0,
              "--length-penalty-alpha: expected 0 or more, found ", options.length_penalty_alpha);
  check_usage(options.max_decoding_length >= 0 && options.max_decoding_length <= longest_limit,
              "--max-decoding-length: expected 0 ... ", longest_limit, ", found ", options.max_decoding_length);
  check_usage(options.min_decoding_length >= 0 && options.min_decoding_length <= longest_limit &&
                  (options.max_decoding_length == 0 || options.min_decoding_length <= options.max_decoding_length),
              "--min-decoding-length: expected 0 ... ",
              options.max_decoding_length == 0 ? longest_limit : options.max_decoding_length, ", found ",
              options.min_decoding_length);
  const std::string& rule = options.stopping_rule;
  check_usage(rule == "first" || rule == "bound" || rule == "none",
              "--stopping-rule: expected first, bound or none, found '", rule, "'");
  const std::string& compute = options.compute_type;
  check_usage(compute == "float32" || compute == "bfloat16", "--compute-type: expected float32 or bfloat16, found '",
              compute, "'");
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
