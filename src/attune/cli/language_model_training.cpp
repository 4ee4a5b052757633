// Language modelling as train reads it: one tokenizer, and plain text as one stream cut into sequences, or lines of
// prompt and completion.
#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/training_task.h"
#include "attune/data/corpus.h"
#include "attune/train/language_objective.h"

namespace attune::cli {

namespace {

// One of the two.
struct Text {
  PlainText plain;
  Completions completions;

  Text(const TrainingRun& run, const std::vector<std::string>& files) {
    if (run.options.completions) {
      completions = read_completions(files);
    } else {
      plain = read_text(files);
    }
  }
  std::vector<std::string> lines() const { return plain.lines.empty() ? completions.lines() : plain.lines; }
  TextStream stream(const TrainingRun& run, const Tokenizer& tokenizer) const {
    show_progress("encoding the text ...");
    return run.options.completions ? TextStream::of(completions, tokenizer, run.options.sequence_length)
                                   : TextStream(plain, tokenizer);
  }
};

void say_of(const char* what, const TextStream& stream, const Text& text, const std::vector<std::string>& files) {
  if (!stream.of_completions()) {
    note("{}: {} pieces in {} lines from {}", what, with_separators(stream.predicted()),
         with_separators(std::ssize(text.plain.lines)), listed(files));
    return;
  }
  note("{}: {} of {} pieces in {} completions from {}", what, with_separators(stream.predicted()),
       with_separators(std::ssize(stream.pieces()) - 1), with_separators(std::ssize(stream.lines())), listed(files));
  if (stream.left_out() > 0) {
    note("  left out: {} lines of more pieces than --sequence-length", with_separators(stream.left_out()));
  }
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
      : text_(run, run.train),
        tokenizers_(prepare_tokenizers(run, text_.lines(), {})),
        stream_(text_.stream(run, *tokenizers_.source)),
        model_(sized(run.config, tokenizers_)),
        run_(run) {
    if (!run.valid.empty()) {
      valid_.emplace(run, run.valid);
      valid_stream_.emplace(valid_->stream(run, *tokenizers_.source));
    }
    objective_.emplace(model_, stream_, valid_stream_ ? &*valid_stream_ : nullptr, run.options);
  }

  Objective& objective() override { return *objective_; }
  void say_what_was_read() const override {
    say_of("training data", stream_, text_, run_.train);
    if (valid_stream_) {
      say_of("validation data", *valid_stream_, *valid_, run_.valid);
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
    start_model_directory(directory, model_.config(), tokenizers_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"valid", valid_ ? fingerprint(valid_->lines()) : "none"}};
  }

 private:
  Text text_;
  std::optional<Text> valid_;
  Tokenizers tokenizers_;
  TextStream stream_;
  std::optional<TextStream> valid_stream_;
  LanguageModel model_;
  std::optional<LanguageObjective> objective_;
  const TrainingRun& run_;
};

}  // namespace

void check_language_model_run(const TrainingRun& run) {
  check_usage(!run.train.empty(), "--train is missing: files of ",
              run.options.completions ? "prompt<TAB>completion" : "text");
  check_sequence_length(run);
}

std::unique_ptr<PreparedTraining> prepare_language_model(const TrainingRun& run) {
  return std::make_unique<LanguageTraining>(run);
}

}  // namespace attune::cli
