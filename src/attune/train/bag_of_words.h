// The yardstick of every text classifier: logistic regression on which words occur,
//   p(c | text) = softmax_c(b_c + sum of W_wc over the words w of the text),
//   minimising  sum over the texts of -log p(label | text)  +  l2/2 |W|^2
// (multinomial; the biases b are free). A word counts once, however often it occurs, which tells sentiment better
// (Pang, Lee and Vaithyanathan 2002). Words are what stands between white space; one that the training texts do not
// have says nothing. The minimum is unique up to a constant, so the result depends on the data alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

struct BagOfWordsOptions {
  bool lowercase = false;
  double l2 = 1;
};

class BagOfWords {
 public:
  // labels: 0 ... classes-1, one for each text. Minimised by L-BFGS (Liu and Nocedal 1989) in float64.
  BagOfWords(std::span<const std::string> texts, std::span<const int> labels, int classes,
             const BagOfWordsOptions& options = {});

  std::vector<double> log_probabilities(std::string_view text) const;  // natural, [classes]
  int64_t words() const { return static_cast<int64_t>(words_.size()); }

 private:
  // The numbers of the known words, each once.
  std::vector<int> ids(std::string_view text) const;

  BagOfWordsOptions options_;
  size_t classes_;
  std::unordered_map<std::string, int> words_;
  std::vector<double> weights_;  // [words, classes], then the biases [classes]
};

}  // namespace attune
