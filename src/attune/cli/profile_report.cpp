#include "attune/cli/profile_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "attune/cli/console.h"

namespace attune::cli {

namespace {

constexpr double least_share = 0.005;  // of the whole, to have a line of its own
constexpr double least_self_share = 0.01;

struct Line {
  std::string name;   // indented
  int64_t calls = 0;  // 0: not a scope
  double seconds = 0, flops = 0, bytes = 0;
};

// Lines of one level, to be sorted by time before what is below them follows.
struct Entry {
  Line line;
  const ProfileNode* node = nullptr;  // null: nothing is below
};

std::vector<Entry> entries_below(const ProfileNode& node, double whole) {
  std::vector<Entry> entries;
  Line others;
  int folded = 0;
  for (const ProfileNode& child : node.children) {
    Line line{std::string(child.name), child.calls, child.seconds, child.flops, child.bytes};
    if (child.seconds >= least_share * whole) {
      entries.push_back({std::move(line), &child});
      continue;
    }
    ++folded;
    others.calls += child.calls;
    others.seconds += child.seconds;
    others.flops += child.flops;
    others.bytes += child.bytes;
  }
  if (others.seconds >= least_share * whole) {
    others.name = fmt::format("({} {})", folded, folded == 1 ? "other" : "others");
    entries.push_back({others, nullptr});
  }
  if (!node.children.empty() && node.self_seconds() >= least_self_share * whole) {
    entries.push_back({{"(self)", 0, node.self_seconds(), 0, 0}, nullptr});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.line.seconds > b.line.seconds; });
  return entries;
}

void add_lines(std::vector<Line>& lines, const ProfileNode& node, double whole, int depth) {
  for (Entry& entry : entries_below(node, whole)) {
    entry.line.name.insert(0, static_cast<size_t>(2 * depth), ' ');
    lines.push_back(std::move(entry.line));
    if (entry.node != nullptr) {
      add_lines(lines, *entry.node, whole, depth + 1);
    }
  }
}

std::string rate(double count, double seconds) {
  return count > 0 && seconds > 0 ? fmt::format("{:.1f}", count * 1e-9 / seconds) : "";
}

nlohmann::ordered_json json_of(const ProfileNode& node) {
  nlohmann::ordered_json children = nlohmann::ordered_json::array();
  for (const ProfileNode& child : node.children) {
    children.push_back(json_of(child));
  }
  return {{"name", node.name},   {"calls", node.calls}, {"seconds", node.seconds},
          {"flops", node.flops}, {"bytes", node.bytes}, {"children", std::move(children)}};
}

}  // namespace

std::string profile_text(const ProfileTree& tree) {
  const ProfileNode& total = tree.total;
  std::vector<Line> lines;
  add_lines(lines, total, total.seconds, 0);
  lines.push_back({std::string(total.name), total.calls, total.seconds, total.flops, total.bytes});
  size_t width = 5;
  for (const Line& line : lines) {
    width = std::max(width, line.name.size());
  }
  std::string text = fmt::format("{:<{}} {:>11} {:>10} {:>8} {:>9} {:>9}\n", "scope", width, "calls", "seconds",
                                 "share", "GFLOP/s", "GB/s");
  for (const Line& line : lines) {
    std::string row =
        fmt::format("{:<{}} {:>11} {:>10.3f} {:>6.1f} % {:>9} {:>9}", line.name, width,
                    line.calls > 0 ? with_separators(line.calls) : "", line.seconds, 100 * line.seconds / total.seconds,
                    rate(line.flops, line.seconds), rate(line.bytes, line.seconds));
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text + fmt::format("{:.3f} s of processor time in {:.3f} s: {:.2f} processors at work", tree.processor_seconds,
                            total.seconds, tree.processor_seconds / total.seconds);
}

std::string profile_json(const ProfileTree& tree) {
  const nlohmann::ordered_json json{
      {"seconds", tree.total.seconds}, {"processor_seconds", tree.processor_seconds}, {"scopes", json_of(tree.total)}};
  return json.dump(1) + "\n";
}

}  // namespace attune::cli
