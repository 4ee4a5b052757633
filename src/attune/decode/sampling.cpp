#include "attune/decode/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

struct Candidate {
  int id = 0;
  double value = 0;  // logit / temperature, then the weight exp(value - largest)
};

// Of equal ones the lower id first, so that the order is the same everywhere.
bool goes_before(const Candidate& a, const Candidate& b) {
  return a.value != b.value ? a.value > b.value : a.id < b.id;
}

std::vector<Candidate> candidates_of(const Tensor& logits, std::span<const int> never, double scale) {
  std::vector<Candidate> candidates;
  dispatch_floating(logits.dtype(), [&](auto zero) {
    const auto row = logits.data<decltype(zero)>();
    for (size_t i = 0; i < row.size(); ++i) {
      check(
          std::isfinite(row[i]),
          "sampling: the model gives NaN or infinity for a next piece; are its weights those of a finished training?");
      const int id = static_cast<int>(i);
      if (std::find(never.begin(), never.end(), id) == never.end()) {
        candidates.push_back({id, static_cast<double>(row[i]) * scale});
      }
    }
  });
  check(!candidates.empty(), "sampling: no piece is left to choose from");
  return candidates;
}

double sum_of(const std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.value;
  }
  return sum;
}

// The fewest of the first whose weights reach the share.
void cut_to_share(std::vector<Candidate>& candidates, double share) {
  const double wanted = share * sum_of(candidates);
  double reached = 0;
  size_t count = 0;
  while (count < candidates.size() && (count == 0 || reached < wanted)) {
    reached += candidates[count++].value;
  }
  candidates.resize(count);
}

}  // namespace

void check_options(const SamplingOptions& options) {
  check_number("temperature", options.temperature, {0, 100});
  check_whole("top-k", options.top_k, {0, 1'000'000});
  check_number("top-p", options.top_p, {0, 1, true, false});
}

int sample(const Tensor& logits, const SamplingOptions& options, std::span<const int> never, double draw) {
  const ProfileScope scope("sample");
  check(logits.rank() == 2 && logits.size(0) == 1, "sample: expected logits [1, vocabulary], found ",
        logits.shape().text());
  const double scale = options.temperature > 0 ? 1 / options.temperature : 1;
  std::vector<Candidate> candidates = candidates_of(logits, never, scale);
  if (options.temperature == 0) {
    return std::min_element(candidates.begin(), candidates.end(), goes_before)->id;
  }
  std::sort(candidates.begin(), candidates.end(), goes_before);
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < candidates.size()) {
    candidates.resize(static_cast<size_t>(options.top_k));
  }
  const double largest = candidates.front().value;
  for (Candidate& candidate : candidates) {
    candidate.value = std::exp(candidate.value - largest);
  }
  if (options.top_p < 1) {
    cut_to_share(candidates, options.top_p);
  }
  double left = draw * sum_of(candidates);
  for (const Candidate& candidate : candidates) {
    left -= candidate.value;
    if (left < 0) {
      return candidate.id;
    }
  }
  return candidates.back().id;  // rounding
}

}  // namespace attune
