// How well predicted classes fit the gold ones: for each class c over the confusion matrix n[gold, predicted]
//   precision = n[c, c] / sum_g n[g, c],  recall = n[c, c] / sum_p n[c, p],  F1 = 2 n[c, c] / (both sums)
// each 0 where nothing is to be divided by, and macro F1 the mean of F1 over the classes that occur as gold or as
// prediction: as scikit-learn has it with zero_division=0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune {

struct ClassScore {
  double precision = 0, recall = 0, f1 = 0;  // 0 ... 1
  int64_t gold = 0, predicted = 0;           // how often it occurs
};

struct ClassificationScore {
  double accuracy = 0, macro_f1 = 0;    // 0 ... 1
  std::vector<ClassScore> classes;      // by class
  std::vector<int64_t> confusion = {};  // [classes, classes]: row gold, column predicted
};

// Classes are 0 ... classes-1; predicted and gold are of equal size, at least 1.
ClassificationScore classification_score(std::span<const int> predicted, std::span<const int> gold, int classes);

}  // namespace attune
