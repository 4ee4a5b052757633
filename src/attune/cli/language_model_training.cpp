// Language modelling as train reads it: plain text, one tokenizer, one stream cut into sequences.
#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/training_task.h"
#include "attune/data/corpus.h"
#include "attune/train/language_objective.h"

namespace attune::cli {

namespace {

void say_of(const char* what, const TextStream& stream, const PlainText& text, const std::vector<std::string>& files) {
  note("{}: {} pieces in {} lines from {}", what, with_separators(stream.predicted()),
       with_separators(static_cast<int64_t>(text.lines.size())), listed(files));
}

std::string vocabulary_text(const ModelConfig& config) {
  const std::string size = with_separators(config.target_vocabulary);
  return config.tokenizer == "unigram" || config.tokenizer == "bpe"
             ? fmt::format("{} pieces ({})", size, config.tokenizer)
             : fmt::format("{} {}", size, config.tokenizer);
}

// "unigram 3.3473, bigram 2.4838"
std::string ngrams_text(const std::vector<Baseline>& ngrams) {
  std::string text;
  for (const Baseline& baseline : ngrams) {
    text += fmt::format("{}{} {:.4f}", text.empty() ? "" : ", ", baseline.title, baseline.nll);
  }
  return text;
}

class LanguageTraining : public PreparedTraining {
 public:
  explicit LanguageTraining(const TrainingRun& run)
      : text_(read_text(run.train)),
        tokenizers_(prepare_tokenizers(run, text_.lines, {})),
        stream_(streamed(text_)),
        model_(sized(run.config, tokenizers_)),
        run_(run) {
    if (!run.valid.empty()) {
      valid_ = read_text(run.valid);
      valid_stream_.emplace(streamed(valid_));
    }
    objective_.emplace(model_, stream_, valid_stream_ ? &*valid_stream_ : nullptr, run.options);
  }

  Objective& objective() override { return *objective_; }
  void say_what_was_read() const override {
    say_of("training data", stream_, text_, run_.train);
    if (valid_stream_) {
      say_of("validation data", *valid_stream_, valid_, run_.valid);
    }
  }
  void say_what_is_trained() override {
    const ModelConfig& config = model_.config();
    note("vocabulary: {}", vocabulary_text(config));
    note("model: language model, {} layers of width {}, {} parameters; {} batches an epoch", config.decoder_layers,
         config.width, with_separators(model_.parameters().count()), with_separators(objective_->batches(0)));
    if (objective_->ngrams().size() > 1) {
      note("n-grams on the validation data (counts plus 0.1), nll: {}", ngrams_text(objective_->ngrams()));
    }
  }
  void start_directory(const std::string& directory) const override {
    save_tokenizers(directory, model_.config(), tokenizers_);
    save_config(directory, model_.config());
  }
  std::map<std::string, std::string> identity() const override {
    return {{"valid", valid_stream_ ? fingerprint(valid_.lines) : "none"}};
  }

 private:
  TextStream streamed(const PlainText& text) const {
    show_progress("encoding the text ...");
    return {text, *tokenizers_.source};
  }

  PlainText text_, valid_;
  Tokenizers tokenizers_;
  TextStream stream_;
  std::optional<TextStream> valid_stream_;
  LanguageModel model_;
  std::optional<LanguageObjective> objective_;
  const TrainingRun& run_;
};

}  // namespace

void check_language_model_run(const TrainingRun& run) {
  check_usage(!run.train.empty(), "--train is missing: files of text");
  check_usage(!decoder_ends_at_max_positions(run.config) || run.options.sequence_length <= run.config.max_positions,
              "sequence-length is ", run.options.sequence_length, ", but ", what_ends_at_max_positions(run.config),
              " with max-positions = ", run.config.max_positions, " reaches no further than that");
}

std::unique_ptr<PreparedTraining> prepare_language_model(const TrainingRun& run) {
  return std::make_unique<LanguageTraining>(run);
}

}  // namespace attune::cli
