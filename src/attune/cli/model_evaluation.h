// What a trained model makes of a test file: the figures that validations read in training, with settings of the model
// that change none of its parameters set otherwise if wished.
#pragma once

#include <string>
#include <vector>

namespace attune::cli {

struct ModelEvaluation {
  std::string model = {};                        // the directory
  std::vector<std::string> test = {}, set = {};  // files; KEY=VALUE
  bool completions = false;
  int batch_tokens = 4096, sequence_length = 128;
  std::string compute_type = "float32";
  int threads = 0;
};

// Of a language model or a classifier of texts; the text or one JSON object, with a line's end.
std::string evaluate_model(const ModelEvaluation& evaluation, bool json);

}  // namespace attune::cli
