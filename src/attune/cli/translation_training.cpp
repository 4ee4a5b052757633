// Translation as train reads it: parallel text, one or two tokenizers, pairs by length.
#include <algorithm>

#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/training_task.h"
#include "attune/cli/translation_score.h"
#include "attune/data/encode.h"
#include "attune/train/translation_objective.h"

namespace attune::cli {

namespace {

std::function<double(const Model&)> validation_bleu(const TrainOptions& options, const Tokenizers& tokenizers,
                                                    const ParallelCorpus& corpus) {
  if (!options.valid_bleu || corpus.source.empty()) {
    return {};
  }
  return [&options, tokenizers, &corpus](const Model& model) {
    SearchOptions search;
    search.beam_size = options.valid_beam_size;
    search.compute_type = options.compute_type;
    return translation_bleu(model, tokenizers, corpus, search, "validation").score;
  };
}

// As of the training data: a line of a megabyte would take minutes at each validation, and a learnt table of positions
// does not reach that far.
struct ValidationData {
  ParallelCorpus corpus = {};
  std::vector<Example> examples = {};
  int64_t too_long = 0;
};
ValidationData validation_data(const ParallelCorpus& corpus, const Tokenizers& tokenizers, int longest) {
  ValidationData data;
  std::vector<Example> examples = encode(corpus, *tokenizers.source, *tokenizers.target);
  for (size_t i = 0; i < examples.size(); ++i) {
    if (longest > 0 && std::max(examples[i].source.size(), examples[i].target.size()) > static_cast<size_t>(longest)) {
      ++data.too_long;
      continue;
    }
    data.corpus.source.push_back(corpus.source[i]);
    data.corpus.target.push_back(corpus.target[i]);
    data.examples.push_back(std::move(examples[i]));
  }
  check(data.too_long == 0 || !data.examples.empty(), "validation data: all ", data.too_long,
        " pairs are longer than max-train-length (", longest, " pieces); give shorter ones or raise it");
  return data;
}

void say_what_was_read_of(const TrainingRun& run, const Batcher& data, const ValidationData& valid) {
  const Dropped& dropped = data.dropped();
  const int64_t all = static_cast<int64_t>(data.examples().size());
  note("training data: {} of {} sentence pairs from {}", with_separators(data.size()), with_separators(all),
       listed(run.train));
  if (dropped.empty + dropped.too_long > 0) {
    note("  left out: {} with an empty side, {} longer than {} pieces (--max-train-length)",
         with_separators(dropped.empty), with_separators(dropped.too_long), run.options.max_train_length);
  }
  if (!run.valid.empty()) {
    const auto used = static_cast<int64_t>(valid.examples.size());
    note("validation data: {} of {} pairs from {}", with_separators(used), with_separators(used + valid.too_long),
         listed(run.valid));
  }
}

class TranslationTraining : public PreparedTraining {
 public:
  explicit TranslationTraining(const TrainingRun& run)
      : corpus_(read_corpus(run.train)),
        valid_corpus_(run.valid.empty() ? ParallelCorpus{} : read_corpus(run.valid)),
        tokenizers_(prepare_tokenizers(run, corpus_.source, corpus_.target)),
        data_(encoded(), batch_options(run.options)),
        valid_(validation_data(valid_corpus_, tokenizers_, run.options.max_train_length)),
        model_(make_model(sized(run.config, tokenizers_))),
        objective_(*model_, data_, run.options,
                   {.examples = valid_.examples, .bleu = validation_bleu(run.options, tokenizers_, valid_.corpus)}),
        run_(run) {}

  Objective& objective() override { return objective_; }
  void say_what_was_read() const override { say_what_was_read_of(run_, data_, valid_); }
  void say_what_is_trained() override {
    const ModelConfig& config = model_->config();
    const std::string vocabulary = config.joint_vocabulary
                                       ? with_separators(config.source_vocabulary) + " in common"
                                       : with_separators(config.source_vocabulary) + " source and " +
                                             with_separators(config.target_vocabulary) + " target";
    note("vocabulary: {} {}", vocabulary, config.tokenizer == "words" ? "words" : "pieces (" + config.tokenizer + ")");
    note("model: {}, {}+{} layers of width {}, {} parameters; {} batches an epoch", config.architecture,
         config.encoder_layers, config.decoder_layers, config.width, with_separators(model_->parameters().count()),
         with_separators(data_.batches(0)));
  }
  void start_directory(const std::string& directory) const override {
    start_model_directory(directory, model_->config(), tokenizers_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"valid (source)", fingerprint(valid_corpus_.source)},
            {"valid (target)", fingerprint(valid_corpus_.target)}};
  }

 private:
  std::vector<Example> encoded() const {
    show_progress("encoding the corpus ...");
    return encode(corpus_, *tokenizers_.source, *tokenizers_.target);
  }

  ParallelCorpus corpus_, valid_corpus_;
  Tokenizers tokenizers_;
  Batcher data_;
  ValidationData valid_;
  std::unique_ptr<Model> model_;
  TranslationObjective objective_;
  const TrainingRun& run_;
};

}  // namespace

void check_translation_run(const TrainingRun& run) {
  check_usage(!run.train.empty(), "--train is missing: a source and a target file, or one file of source<TAB>target");
  for (const auto& [key, files] : {std::pair{"--train", &run.train}, std::pair{"--valid", &run.valid}}) {
    check_usage(files->size() <= 2, key,
                ": expected a source and a target file, or one file of source<TAB>target, got ", files->size(),
                " files: ", listed(*files));
  }
  check_positions(run);
}

std::unique_ptr<PreparedTraining> prepare_translation(const TrainingRun& run) {
  return std::make_unique<TranslationTraining>(run);
}

}  // namespace attune::cli
