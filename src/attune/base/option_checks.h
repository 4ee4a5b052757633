// Checks of option values, whose messages all read "key: expected ..., got ...". They throw a UsageError.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace attune {

void check_word(std::string_view key, std::string_view value, std::initializer_list<std::string_view> known);
// Where a search among the known words found none.
[[noreturn]] void refuse_word(std::string_view key, std::string_view value, std::span<const std::string_view> known);

// The entry of a table that outlives the call whose word is `name`; word_of: member or function that gives an entry's.
template <class Table, class WordOf>
const auto& entry_of_word(std::string_view key, std::string_view name, const Table& table, WordOf word_of) {
  std::vector<std::string_view> known;
  for (const auto& entry : table) {
    if (std::invoke(word_of, entry) == name) {
      return entry;
    }
    known.push_back(std::invoke(word_of, entry));
  }
  refuse_word(key, name, known);
}

struct WholeRange {
  int64_t least = 0, most = std::numeric_limits<int64_t>::max();
};
void check_whole(std::string_view key, int64_t value, const WholeRange& range);

// "3,4,4" -> 3, 4, 4; "" -> none.
std::vector<int> listed_numbers(std::string_view key, std::string_view value, const WholeRange& range);

struct NumberRange {
  double low = 0, high = 0;
  bool low_open = false, high_open = false;
};
void check_number(std::string_view key, double value, const NumberRange& range);

}  // namespace attune
