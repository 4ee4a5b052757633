// The classes of a task, numbered: the distinct labels of the training data in order, whole numbers by their value and
// anything else by its bytes. In a model directory they are labels.txt, one a line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

class Labels {
 public:
  Labels() = default;
  // In this order; a name that is empty, occurs twice or holds a line break is an error that begins with `where`.
  Labels(std::vector<std::string> names, const std::string& where);
  static Labels of(std::span<const std::string> used);

  int count() const { return static_cast<int>(names_.size()); }
  const std::string& name(int id) const { return names_[static_cast<size_t>(id)]; }
  const std::vector<std::string>& names() const { return names_; }
  // -1 when it is not among them.
  int find(std::string_view name) const;
  // Throws when it is not among them: it was not seen in training. where: "dev.tsv:17".
  int find(std::string_view name, const std::string& where) const;

 private:
  std::vector<std::string> names_;
  std::vector<int> by_name_;  // ids, sorted by name
};

void save_labels(const std::string& path, const Labels& labels);
Labels load_labels(const std::string& path);

}  // namespace attune
