// Reads what attune --profile prints and writes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "program.h"

namespace attune::testing {

struct Shown {
  int64_t calls = 0;
  double share = 0;
};

// The scopes of the printed tree by their paths: "update/backward/linear".
inline std::map<std::string, Shown> shown_tree(const std::string& text) {
  std::map<std::string, Shown> shown;
  std::vector<std::string> path;
  bool inside = false;
  for (const std::string& line : lines_of(text)) {
    EXPECT_TRUE(!inside || line.size() <= 100) << line;
    if (inside && line.find(" %") != std::string::npos) {
      const size_t indent = line.find_first_not_of(' '), end = line.find("  ", indent);
      path.resize(indent / 2);
      path.push_back(line.substr(indent, end - indent));
      std::string whole, calls;
      for (const std::string& name : path) whole += (whole.empty() ? "" : "/") + name;
      std::istringstream numbers(line.substr(end));
      double seconds = 0;
      Shown entry;
      if (path.back() != "(self)") {
        numbers >> calls;
        calls.erase(std::remove(calls.begin(), calls.end(), ','), calls.end());
        entry.calls = std::stoll(calls);
      }
      numbers >> seconds >> entry.share;
      shown.emplace(whole, entry);
    }
    inside = inside || line.starts_with("scope ");
  }
  return shown;
}

// Every scope of the file that is large enough is printed with its calls; no children take longer than their parent.
inline void expect_shown(const nlohmann::json& node, const std::string& path, double whole,
                         const std::map<std::string, Shown>& shown) {
  double sum = 0;
  for (const auto& child : node["children"]) {
    const std::string below = (path.empty() ? "" : path + "/") + child["name"].get<std::string>();
    const double seconds = child["seconds"];
    sum += seconds;
    EXPECT_GT(child["calls"].get<int64_t>(), 0) << below;
    EXPECT_EQ(shown.count(below), seconds >= 0.005 * whole ? 1U : 0U) << below;
    if (shown.count(below) == 1) {
      EXPECT_EQ(shown.at(below).calls, child["calls"].get<int64_t>()) << below;
      EXPECT_NEAR(shown.at(below).share, 100 * seconds / whole, 0.051) << below;
    }
    expect_shown(child, below, whole, shown);
  }
  EXPECT_LE(sum, node["seconds"].get<double>() * (1 + 1e-9)) << path;
}

// "update/backward" below the node; a failure and calls of -1 when it is not there.
inline const nlohmann::json& scope_at(const nlohmann::json& node, std::string_view path) {
  if (path.empty()) {
    return node;
  }
  const std::string_view name = path.substr(0, path.find('/'));
  for (const auto& child : node["children"]) {
    if (child["name"] == name) {
      return scope_at(child, path.substr(std::min(path.size(), name.size() + 1)));
    }
  }
  static const nlohmann::json missing = {{"calls", -1}, {"flops", -1}};
  ADD_FAILURE() << "no scope " << name << " below " << node["name"];
  return missing;
}

}  // namespace attune::testing
