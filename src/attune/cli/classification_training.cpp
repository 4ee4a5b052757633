// Classification of texts as train reads it: text<TAB>label, one tokenizer.
#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/label_training.h"
#include "attune/data/label_examples.h"
#include "attune/train/bag_of_words.h"
#include "attune/train/label_objectives.h"

namespace attune::cli {

namespace {

class ClassificationTraining : public LabelTraining<ClassificationModel, ClassificationObjective> {
 public:
  explicit ClassificationTraining(const TrainingRun& run)
      : LabelTraining(run),
        text_(read_labelled_text(run.train.front())),
        valid_text_(run.valid.empty() ? LabelledText{} : read_labelled_text(run.valid.front())) {
    labels_ = Labels::of(text_.labels);
    tokenizers_ = prepare_tokenizers(run, text_.texts, {});
    model_.emplace(sized(run.config, tokenizers_, labels_));
    show_progress("encoding the texts ...");
    LabelledExamples train{encoded(text_, run), label_ids(text_, labels_, run.train.front())};
    LabelledExamples valid = run.valid.empty() ? LabelledExamples{} : validation(run);
    used_ = std::ssize(valid.examples);
    objective_.emplace(*model_, std::move(train), std::move(valid), run.options, [this] { return bag_of_words(); });
  }

  void say_what_was_read() const override {
    say_what_was_read_of({"texts", objective_->data(), used_, std::ssize(valid_text_.texts)}, run_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"valid (texts)", fingerprint(valid_text_.texts)}, {"valid (labels)", fingerprint(valid_text_.labels)}};
  }

 private:
  std::vector<Example> encoded(const LabelledText& text, const TrainingRun& run) const {
    return encode_texts(text.texts, *tokenizers_.source, text_options(run.config));
  }
  LabelledExamples validation(const TrainingRun& run) const {
    const std::vector<int> labels = label_ids(valid_text_, labels_, run.valid.front());
    std::vector<Example> examples = encoded(valid_text_, run);
    LabelledExamples kept;
    for (const size_t i : short_enough(examples, run.options.max_train_length)) {
      kept.examples.push_back(std::move(examples[i]));
      kept.labels.push_back(labels[i]);
    }
    return kept;
  }
  // A logistic regression on which words occur, of all texts, long ones too.
  Baseline bag_of_words() const {
    show_progress("a logistic regression on the words, to compare with ...");
    const BagOfWords model(text_.texts, label_ids(text_, labels_, "training data"), labels_.count(),
                           {.lowercase = model_->config().lowercase});
    std::vector<LogProbabilities> predicted;
    for (const std::string& text : valid_text_.texts) {
      predicted.push_back(model.log_probabilities(text));
    }
    const ValidationFigures figures =
        validation_figures(label_score(predicted, label_ids(valid_text_, labels_, "validation data"), labels_.count()));
    show_progress("");
    return {"bag of words", figures.nll, figures.score};
  }

  LabelledText text_, valid_text_;
  int64_t used_ = 0;  // of the validation texts
};

}  // namespace

void check_classification_run(const TrainingRun& run) {
  check_one_file(run, "text<TAB>label");
  check_positions(run);
}

std::unique_ptr<PreparedTraining> prepare_classification(const TrainingRun& run) {
  return std::make_unique<ClassificationTraining>(run);
}

}  // namespace attune::cli
