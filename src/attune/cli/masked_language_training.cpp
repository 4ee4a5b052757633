// Masked language modelling as train reads it: plain text, one tokenizer with [MASK], packed sequences.
#include <cmath>

#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/training_task.h"
#include "attune/data/corpus.h"
#include "attune/train/masked_language_objective.h"

namespace attune::cli {

namespace {

// The lines of all files, and the documents in each.
struct Texts {
  explicit Texts(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      const std::vector<std::string> read = read_lines(file);
      const std::vector<Document> of_file = documents_of(read);
      documents.insert(documents.end(), of_file.begin(), of_file.end());
      lines.insert(lines.end(), read.begin(), read.end());
    }
  }
  std::vector<std::string> lines;
  std::vector<Document> documents;
};

void say_of(const char* what, const PackedText& text, const std::vector<std::string>& files) {
  note("{}: {} pieces of {} documents in {} sequences from {}", what,
       with_separators(static_cast<int64_t>(text.all_pieces().size())), with_separators(text.documents()),
       with_separators(text.count()), listed(files));
  if (text.left_out() > 0) {
    note("  left out: {} pieces at the end of a document, too few for two parts", with_separators(text.left_out()));
  }
}

class MaskedLanguageTraining : public PreparedTraining {
 public:
  explicit MaskedLanguageTraining(const TrainingRun& run)
      : texts_(run.train),
        tokenizers_(prepare_tokenizers(run, texts_.lines, {})),
        text_(packed(texts_, run)),
        model_(sized(run.config, tokenizers_)),
        run_(run) {
    if (!run.valid.empty()) {
      const Texts valid(run.valid);
      valid_fingerprint_ = fingerprint(valid.lines);
      valid_.emplace(packed(valid, run));
    }
    objective_.emplace(model_, text_, valid_ ? &*valid_ : nullptr, run.options);
  }

  Objective& objective() override { return *objective_; }
  void say_what_was_read() const override {
    say_of("training data", text_, run_.train);
    if (valid_) {
      say_of("validation data", *valid_, run_.valid);
    }
  }
  void say_what_is_trained() override {
    const ModelConfig& config = model_.config();
    note("vocabulary: {} {}", with_separators(config.source_vocabulary),
         config.tokenizer == "words" ? "words" : "pieces (" + config.tokenizer + ")");
    note("model: masked language model, {} layers of width {}, {} parameters; {} batches an epoch",
         config.encoder_layers, config.width, with_separators(model_.parameters().count()),
         with_separators(objective_->batches(0)));
  }
  void start_directory(const std::string& directory) const override {
    start_model_directory(directory, model_.config(), tokenizers_);
  }
  std::map<std::string, std::string> identity() const override { return {{"valid", valid_fingerprint_}}; }

 private:
  PackedText packed(const Texts& texts, const TrainingRun& run) const {
    show_progress("encoding the text ...");
    return {texts.documents, *tokenizers_.source, {run.options.sequence_length, run.config.next_sentence}};
  }

  Texts texts_;
  Tokenizers tokenizers_;
  PackedText text_;
  std::optional<PackedText> valid_;
  std::string valid_fingerprint_ = "none";
  MaskedLanguageModel model_;
  std::optional<MaskedLanguageObjective> objective_;
  const TrainingRun& run_;
};

}  // namespace

void check_masked_language_model_run(const TrainingRun& run) {
  check_usage(!run.train.empty(), "--train is missing: files of text, one sentence or paragraph a line");
  check_sequence_length(run);
}

std::unique_ptr<PreparedTraining> prepare_masked_language_model(const TrainingRun& run) {
  return std::make_unique<MaskedLanguageTraining>(run);
}

}  // namespace attune::cli
