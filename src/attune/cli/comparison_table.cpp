#include "attune/cli/comparison_table.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "attune/cli/console.h"
#include "attune/cli/length_buckets.h"
#include "attune/models/task.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string shown(double value, const ComparisonColumn& column) {
  return column.decimals == 0 ? with_separators(std::llround(value)) : fmt::format("{:.{}f}", value, column.decimals);
}

// On one line: what is refused may be a list.
std::string on_one_line(const std::string& message) {
  std::string line;
  for (const std::string_view word : split_whitespace(message)) {
    line.append(line.empty() ? "" : " ").append(word);
  }
  return line;
}

struct Mean {
  double mean = 0;
  std::optional<double> deviation = {};  // sample standard deviation, of two or more
};

std::optional<Mean> mean_of(const std::vector<double>& values) {
  if (values.empty()) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(values.size());
  Mean result;
  for (const double value : values) {
    result.mean += value / count;
  }
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) {
      squares += (value - result.mean) * (value - result.mean);
    }
    result.deviation = std::sqrt(squares / (count - 1));
  }
  return result;
}

// The rows of one config that have figures.
struct Summary {
  std::string config;
  int rows = 0, done = 0;
  std::map<std::string, Mean> figures = {};
};

using Columns = std::vector<ComparisonColumn>;

std::vector<Summary> summaries(const std::vector<ComparedRow>& rows) {
  const Columns shown_columns = comparison_columns(rows);
  std::vector<Summary> list;
  for (const ComparedRow& row : rows) {
    const auto known = [&](const Summary& summary) { return summary.config == row.row.config; };
    auto found = std::find_if(list.begin(), list.end(), known);
    if (found == list.end()) {
      found = list.insert(list.end(), {.config = row.row.config});
    }
    ++found->rows;
    found->done += row.failure.empty() ? 1 : 0;
  }
  list.erase(std::remove_if(list.begin(), list.end(), [](const Summary& s) { return s.rows < 2; }), list.end());
  for (Summary& summary : list) {
    for (const ComparisonColumn& column : shown_columns) {
      std::vector<double> values;
      for (const ComparedRow& row : rows) {
        const auto figure = row.result.figures.find(column.key);
        if (row.row.config == summary.config && figure != row.result.figures.end()) {
          values.push_back(figure->second);
        }
      }
      if (const auto mean = mean_of(values)) {
        summary.figures[column.key] = *mean;
      }
    }
  }
  return list;
}

using Cells = std::vector<std::string>;

Cells cells_of(const ComparedRow& row, const Columns& shown_columns) {
  if (!row.failure.empty()) {
    return {row.row.name, "failed: " + on_one_line(row.failure)};
  }
  Cells cells{row.row.name};
  for (const ComparisonColumn& column : shown_columns) {
    const auto figure = row.result.figures.find(column.key);
    cells.push_back(figure == row.result.figures.end() ? "-" : shown(figure->second, column));
  }
  return cells;
}

Cells cells_of(const Summary& summary, const Columns& shown_columns) {
  Cells cells{fmt::format("{}, {} of {} rows", summary.config, summary.done, summary.rows)};
  for (const ComparisonColumn& column : shown_columns) {
    const auto figure = summary.figures.find(column.key);
    if (figure == summary.figures.end()) {
      cells.emplace_back("-");
      continue;
    }
    const auto& [mean, deviation] = figure->second;
    cells.push_back(shown(mean, column) + (deviation ? " ± " + shown(*deviation, column) : ""));
  }
  return cells;
}

// The first column to the left, figures to the right. A line with fewer cells than the first one ends in free text.
std::string laid_out(const std::vector<Cells>& lines) {
  std::vector<int> widths(lines.front().size());
  for (const Cells& line : lines) {
    const size_t figures = line.size() == widths.size() ? line.size() : std::min<size_t>(line.size(), 1);
    for (size_t i = 0; i < figures; ++i) {
      widths[i] = std::max(widths[i], columns(line[i]));
    }
  }
  std::string text;
  for (const Cells& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string& cell = line[i];
      text += i == 0                        ? padded(cell, widths[0])
              : line.size() < widths.size() ? "  " + cell
                                            : "  " + right_aligned(cell, widths[i]);
    }
    text += '\n';
  }
  return text;
}

// A line that holds for all rows, or each such line with the rows that it holds for.
std::string remark(const std::vector<ComparedRow>& rows, std::string (*of)(const ComparedRow&)) {
  std::vector<std::pair<std::string, std::string>> remarks;  // and the names
  for (const ComparedRow& row : rows) {
    if (row.failure.empty()) {
      const std::string said = of(row);
      auto found = std::find_if(remarks.begin(), remarks.end(), [&](const auto& entry) { return entry.first == said; });
      found = found == remarks.end() ? remarks.insert(found, {said, ""}) : found;
      found->second += (found->second.empty() ? "" : ", ") + row.row.name;
    }
  }
  std::string text;
  for (const auto& [said, names] : remarks) {
    text += (remarks.size() == 1 ? "" : names + ": ") + said + "\n";
  }
  return text;
}

// Of all tasks but translation, where a row has them.
std::vector<ComparisonColumn> validation_columns() {
  return {{"accuracy", "valid_accuracy", 4},
          {"span F1", "valid_f1", 4},
          {"next sentence", "valid_next_sentence_accuracy", 4},
          {"baseline", "baseline_nll", 4},
          {"baseline's accuracy", "baseline_accuracy", 4}};
}

std::string validation_remarks(const std::vector<ComparedRow>& rows) {
  return "minutes, tokens/s: spent in updates, without validation and saving; special pieces included\n" +
         remark(rows, [](const ComparedRow& row) {
           const std::string& task = row.row.run.config.task;
           return "loss: nll of what is to be told on " + listed(row.row.run.valid) + "; baseline: the same by " +
                  (task == "classification" ? "a logistic regression on which words occur (bag of words)"
                   : task == language_model_task
                       ? "the training data's n-grams (characters, bytes) or how frequent it is in them"
                       : "how frequent it is in the training data alone");
         });
}

// What the columns mean.
std::string remarks(const std::vector<ComparedRow>& rows) {
  if (!rows.empty() && !translates(rows.front().row.run.config)) {
    return validation_remarks(rows);
  }
  std::string text =
      "minutes, tokens/s: spent in updates, without validation and saving; source and target tokens, no padding\n";
  text +=
      remark(rows, [](const ComparedRow& row) { return "loss: nll per target token on " + listed(row.row.run.valid); });
  text += remark(rows, [](const ComparedRow& row) {
    return fmt::format("BLEU: {} on {}; beam: {}", row.result.signature, listed(row.row.test),
                       describe(row.row.search));
  });
  if (!rows.empty() && !rows.front().row.length_bounds.empty()) {
    std::string names;
    for (const LengthBucket& bucket : length_buckets(rows.front().row.length_bounds)) {
      names += (names.empty() ? "" : ", ") + bucket.name();
    }
    text += names + ": BLEU of the beam over the sentences with so many source words alone\n";
  }
  return text +
         "entropy: of the weights with which the decoder looks at the source on the validation data, heads averaged, "
         "in nats;\n  even: the same, were all source pieces looked at alike; - without such weights\n";
}

Json number(double value) {
  return std::abs(value) < 0x1p53 && value == std::floor(value) ? Json(static_cast<int64_t>(value)) : Json(value);
}

Json json_of(const ComparedRow& compared, const Columns& shown_columns) {
  const auto& [row, result, failure] = compared;
  Json json = {
      {"name", row.name}, {"config", row.config}, {"seed", row.run.options.seed}, {"directory", row.run.directory}};
  if (!failure.empty()) {
    json["error"] = failure;
    return json;
  }
  for (const ComparisonColumn& column : shown_columns) {
    const auto figure = result.figures.find(column.key);
    json[column.key] = figure == result.figures.end() ? Json() : number(figure->second);
  }
  const bool translation = translates(row.run.config);
  if (translation) {
    json["length_bounds"] = row.length_bounds;
  }
  json["valid"] = row.run.valid;
  if (translation) {
    json["test"] = row.test;
    json["signature"] = result.signature;
    json["search"] = describe(row.search);
  }
  json["measured_on"] = result.measured_on;
  return json;
}

Json json_of(const Summary& summary) {
  Json json = {{"config", summary.config}, {"rows", summary.rows}, {"done", summary.done}};
  for (const auto& [key, figure] : summary.figures) {
    json[key] = {{"mean", number(figure.mean)},
                 {"standard_deviation", figure.deviation ? number(*figure.deviation) : Json()}};
  }
  return json;
}

}  // namespace

std::vector<ComparisonColumn> comparison_columns(std::span<const ComparedRow> rows) {
  std::vector<ComparisonColumn> list{{"parameters", "parameters", 0},
                                     {"updates", "updates", 0},
                                     {"minutes", "minutes", 1},
                                     {"tokens/s", "tokens_per_second", 0},
                                     {"loss", "valid_nll", 4}};
  if (rows.empty() || task_of_name(rows.front().row.run.config.task).has_perplexity) {
    list.push_back({"perplexity", "valid_perplexity", 3});
  }
  if (!rows.empty() && !translates(rows.front().row.run.config)) {
    for (const ComparisonColumn& column : validation_columns()) {
      const bool there = std::any_of(rows.begin(), rows.end(),
                                     [&](const ComparedRow& row) { return row.result.figures.count(column.key) == 1; });
      if (there) {
        list.push_back(column);
      }
    }
    return list;
  }
  list.push_back({"BLEU greedy", "bleu_greedy", 2});
  list.push_back({"BLEU beam", "bleu_beam", 2});
  for (const LengthBucket& bucket :
       rows.empty() ? std::vector<LengthBucket>{} : length_buckets(rows.front().row.length_bounds)) {
    list.push_back({bucket.name(), "bleu_" + bucket.key(), 2});
  }
  list.push_back({"entropy", "attention_entropy", 3});
  list.push_back({"even", "even_entropy", 3});
  return list;
}

std::string row_line(const ComparedRow& compared) {
  if (!compared.failure.empty()) {
    return compared.row.name + " failed: " + on_one_line(compared.failure);
  }
  const Columns shown_columns = comparison_columns(std::span(&compared, 1));
  std::string line = compared.row.name;
  const Cells cells = cells_of(compared, shown_columns);
  for (size_t i = 1; i < cells.size(); ++i) {
    line += fmt::format("{} {} {}", i == 1 ? ":" : ",", shown_columns[i - 1].title, cells[i]);
  }
  return line;
}

std::string comparison_text(const std::vector<ComparedRow>& rows) {
  const Columns shown_columns = comparison_columns(rows);
  std::vector<Cells> lines{{"row"}};
  for (const ComparisonColumn& column : shown_columns) {
    lines.front().push_back(column.title);
  }
  for (const ComparedRow& row : rows) {
    lines.push_back(cells_of(row, shown_columns));
  }
  const std::vector<Summary> means = summaries(rows);
  if (!means.empty()) {
    lines.push_back({});
    lines.push_back({"mean ± sample standard deviation"});
  }
  for (const Summary& summary : means) {
    lines.push_back(cells_of(summary, shown_columns));
  }
  return laid_out(lines) + "\n" + remarks(rows);
}

std::string comparison_json(const std::vector<ComparedRow>& rows) {
  const Columns shown_columns = comparison_columns(rows);
  Json json = {{"rows", Json::array()}, {"summary", Json::array()}};
  for (const ComparedRow& row : rows) {
    json["rows"].push_back(json_of(row, shown_columns));
  }
  for (const Summary& summary : summaries(rows)) {
    json["summary"].push_back(json_of(summary));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace attune::cli
