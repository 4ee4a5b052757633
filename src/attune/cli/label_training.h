// What training on labels has in common, whatever is labelled.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attune/cli/training_task.h"
#include "attune/data/batches.h"
#include "attune/data/labels.h"
#include "attune/models/encoder_model.h"
#include "attune/train/label_scores.h"

namespace attune::cli {

// Throws unless --train and, where given, --valid are one file each; form: "text<TAB>label".
void check_one_file(const TrainingRun& run, const char* form);
// The number of labels becomes the config's; one that says otherwise is for other data.
void set_labels(ModelConfig& config, const Labels& labels);
// The config of a model of texts with these labels.
ModelConfig sized(const ModelConfig& config, const Tokenizers& tokenizers, const Labels& labels);
// The examples that are not longer than so many pieces (0: all). Throws when none is.
std::vector<size_t> short_enough(const std::vector<Example>& examples, int longest);

struct ReadTexts {
  const char* things;  // "texts"
  const Batcher& train;
  int64_t valid_used, valid;  // of all that were read for validation
};
void say_what_was_read_of(const ReadTexts& texts, const TrainingRun& run);
void say_labels_and_model(const EncoderModel& model, const Labels& labels, int batches);
void say_report(const LabelScore& score, const Labels& labels);

// A class that derives from this one reads the files and makes the rest of them: the labels, for texts the tokenizer,
// the model, the objective.
template <class LabelModel, class LabelObjective>
class LabelTraining : public PreparedTraining {
 public:
  Objective& objective() override { return *objective_; }
  void say_what_is_trained() override { say_labels_and_model(*model_, labels_, objective_->batches(0)); }
  void start_directory(const std::string& directory) const override {
    if (tokenizers_.source) {
      save_tokenizers(directory, model_->config(), tokenizers_);
    }
    save_labels(labels_path(directory), labels_);
    save_config(directory, model_->config());
  }
  void say_how_good() override {
    if (objective_->has_validation()) {
      say_report(objective_->score(), labels_);
    }
  }

 protected:
  explicit LabelTraining(const TrainingRun& run) : run_(run) {}

  const TrainingRun& run_;
  Labels labels_;
  Tokenizers tokenizers_;
  std::optional<LabelModel> model_;
  std::optional<LabelObjective> objective_;
};

}  // namespace attune::cli
