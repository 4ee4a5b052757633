// Tagging as train reads it: words with tags, one tokenizer.
#include <fmt/format.h>

#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/label_training.h"
#include "attune/data/label_examples.h"
#include "attune/train/label_objectives.h"

namespace attune::cli {

namespace {

using Sentences = std::vector<TaggedSentence>;

std::vector<std::vector<std::string>> words_of(const Sentences& sentences) {
  std::vector<std::vector<std::string>> words;
  for (const TaggedSentence& sentence : sentences) {
    words.push_back(sentence.words);
  }
  return words;
}

// As lines, between blanks; of the tags alike.
std::vector<std::string> lines_of(const Sentences& sentences, std::vector<std::string> TaggedSentence::*column) {
  std::vector<std::string> lines;
  for (const TaggedSentence& sentence : sentences) {
    lines.push_back(fmt::format("{}", fmt::join(sentence.*column, " ")));
  }
  return lines;
}

class TaggingTraining : public LabelTraining<TaggingModel, TaggingObjective> {
 public:
  explicit TaggingTraining(const TrainingRun& run)
      : LabelTraining(run),
        sentences_(read_tagged_text(run.train.front())),
        valid_sentences_(run.valid.empty() ? Sentences{} : read_tagged_text(run.valid.front())) {
    labels_ = labels_of(sentences_);
    tokenizers_ = prepare_tokenizers(run, lines_of(sentences_, &TaggedSentence::words), {});
    model_.emplace(sized(run.config, tokenizers_, labels_));
    show_progress("encoding the sentences ...");
    TaggedExamples train{encode_words(words_of(sentences_), *tokenizers_.source),
                         label_ids(sentences_, labels_, run.train.front())};
    TaggedExamples valid = run.valid.empty() ? TaggedExamples{} : validation(run);
    used_ = std::ssize(valid.tags);
    objective_.emplace(*model_, std::move(train), std::move(valid), labels_, run.options);
  }

  void say_what_was_read() const override {
    say_what_was_read_of({"sentences", objective_->data(), used_, std::ssize(valid_sentences_)}, run_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"valid (words)", fingerprint(lines_of(valid_sentences_, &TaggedSentence::words))},
            {"valid (tags)", fingerprint(lines_of(valid_sentences_, &TaggedSentence::tags))}};
  }

 private:
  TaggedExamples validation(const TrainingRun& run) const {
    auto tags = label_ids(valid_sentences_, labels_, run.valid.front());
    WordExamples all = encode_words(words_of(valid_sentences_), *tokenizers_.source);
    TaggedExamples kept;
    for (const size_t i : short_enough(all.examples, run.options.max_train_length)) {
      kept.sentences.examples.push_back(std::move(all.examples[i]));
      kept.sentences.first_pieces.push_back(std::move(all.first_pieces[i]));
      kept.tags.push_back(std::move(tags[i]));
    }
    return kept;
  }

  Sentences sentences_, valid_sentences_;
  int64_t used_ = 0;  // of the validation sentences
};

}  // namespace

void check_tagging_run(const TrainingRun& run) {
  check_one_file(run, "word<TAB>tag");
  check_positions(run);
}

std::unique_ptr<PreparedTraining> prepare_tagging(const TrainingRun& run) {
  return std::make_unique<TaggingTraining>(run);
}

}  // namespace attune::cli
