#include "attune/cli/option_value.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "attune/base/check.h"

namespace attune::cli {

namespace {

std::string shown(const std::string& text) {
  constexpr size_t most = 60;
  return "\"" + (text.size() > most ? text.substr(0, most) + "..." : text) + "\"";
}

void read(int64_t low, uint64_t high, const char* what, const std::string& origin, const std::string& text,
          auto& number) {
  const char* begin = text.data() + (text.size() > 1 && text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  const bool whole = stop == end && begin != end;
  check_usage(error != std::errc::result_out_of_range, origin, ": expected a whole number from ", low, " to ", high,
              ", got ", shown(text));
  check_usage(whole && error == std::errc(), origin, ": expected ", what, ", got ", shown(text));
}

template <class Number>
void read_whole(Number& number, const std::string& text, const std::string& origin) {
  constexpr auto low = static_cast<int64_t>(std::numeric_limits<Number>::min());
  constexpr auto high = static_cast<uint64_t>(std::numeric_limits<Number>::max());
  read(low, high, std::is_unsigned_v<Number> ? "a whole number of 0 or more" : "a whole number", origin, text, number);
}

void read_real(double& number, const std::string& text, const std::string& origin) {
  const char* begin = text.data() + (text.size() > 1 && text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  check_usage(error == std::errc() && stop == end && begin != end && std::isfinite(number), origin,
              ": expected a number, got ", shown(text));
}

void read_switch(bool& value, const std::string& text, const std::string& origin) {
  check_usage(text == "true" || text == "false", origin, ": expected true or false, got ", shown(text));
  value = text == "true";
}

}  // namespace

void read_value(const OptionTable::Field& field, const std::vector<std::string>& values, const std::string& origin) {
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          *target = values;
        } else {
          check_usage(values.size() == 1, origin, ": expected one value, got ", values.size());
          const std::string& text = values.front();
          if constexpr (std::is_same_v<T, std::string>) {
            *target = text;
          } else if constexpr (std::is_same_v<T, bool>) {
            read_switch(*target, text, origin);
          } else if constexpr (std::is_same_v<T, double>) {
            read_real(*target, text, origin);
          } else {
            T number{};
            read_whole(number, text, origin);
            *target = number;
          }
        }
      },
      field);
}

std::string text_of(const OptionTable::Field& field) {
  return std::visit(
      [](const auto* value) -> std::string {
        using T = std::remove_cv_t<std::remove_pointer_t<decltype(value)>>;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return fmt::format("{}", fmt::join(*value, " "));
        } else {
          return fmt::format("{}", *value);
        }
      },
      field);
}

std::string placeholder_of(const OptionTable::Field& field, const ListOptions& list) {
  if (std::holds_alternative<std::vector<std::string>*>(field)) {
    return list.least == 1 && list.most > 1 ? list.placeholder + "..." : list.placeholder;
  }
  if (std::holds_alternative<bool*>(field)) {
    return "";
  }
  if (std::holds_alternative<std::string*>(field)) {
    return list.placeholder.empty() ? "TEXT" : list.placeholder;
  }
  return std::holds_alternative<double*>(field) ? "X" : "N";
}

}  // namespace attune::cli
