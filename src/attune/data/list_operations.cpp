#include "attune/data/list_operations.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

namespace attune {

namespace {

constexpr int deepest = 10;
constexpr double share_of_digits = 0.75;
constexpr uint64_t fewest = 2, most = 10;  // nodes of a list

int minimum(std::vector<int>& digits) {
  return *std::min_element(digits.begin(), digits.end());
}
int maximum(std::vector<int>& digits) {
  return *std::max_element(digits.begin(), digits.end());
}
int median(std::vector<int>& digits) {
  std::sort(digits.begin(), digits.end());
  return (digits[(digits.size() - 1) / 2] + digits[digits.size() / 2]) / 2;
}
int sum_modulo_ten(std::vector<int>& digits) {
  return std::accumulate(digits.begin(), digits.end(), 0) % 10;
}

struct Operation {
  const char* token;
  int (*value)(std::vector<int>& digits);  // may reorder them
};
constexpr std::array operations{Operation{"[MIN", minimum}, Operation{"[MAX", maximum}, Operation{"[MED", median},
                                Operation{"[SM", sum_modulo_ten}};

class Expression {
 public:
  Expression(const Rng& rng, int longest) : rng_(rng), longest_(longest), value_(node(1)) {}

  bool complete() const { return tokens_ <= longest_; }
  int tokens() const { return tokens_; }
  const std::string& text() const { return text_; }
  int value() const { return value_; }

 private:
  // Its value. Beyond the longest length nothing more is drawn.
  int node(int depth) {
    if (depth == deepest || rng_.uniform(draws_++) < share_of_digits) {
      const int digit = static_cast<int>(rng_.below(draws_++, 10));
      write(std::to_string(digit));
      return digit;
    }
    const Operation& operation = operations[rng_.below(draws_++, operations.size())];
    const uint64_t count = fewest + rng_.below(draws_++, most - fewest + 1);
    write(operation.token);
    std::vector<int> digits;
    for (uint64_t i = 0; i < count && complete(); ++i) {
      digits.push_back(node(depth + 1));
    }
    write("]");
    return complete() ? operation.value(digits) : 0;
  }

  void write(const std::string& token) {
    text_.append(text_.empty() ? "" : " ").append(token);
    ++tokens_;
  }

  Rng rng_;
  uint64_t draws_ = 0;
  int longest_, tokens_ = 0;
  std::string text_;
  int value_;
};

}  // namespace

std::optional<GeneratedPair> draw_list_operations(const Rng& rng, const ListLengths& lengths) {
  const Expression expression(rng, lengths.most);
  if (!expression.complete() || expression.tokens() < lengths.least) {
    return std::nullopt;
  }
  return GeneratedPair{expression.text(), std::to_string(expression.value()), {}};
}

}  // namespace attune
