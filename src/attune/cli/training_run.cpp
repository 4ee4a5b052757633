#include "attune/cli/training_run.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/training_log.h"
#include "attune/cli/translation_score.h"
#include "attune/data/encode.h"
#include "attune/models/describe.h"
#include "attune/models/model_directory.h"
#include "attune/nn/initialise.h"
#include "attune/train/directory_lock.h"

namespace attune::cli {

namespace {

namespace fs = std::filesystem;

bool holds_a_run(const std::string& directory) {
  return has_unfinished_run(directory) || has_finished_run(directory);
}

// An empty model directory, or one whose run never came to its first checkpoint, starts from here.
void start_directory(const std::string& directory, const ModelConfig& config, const Tokenizers& tokenizers) {
  save_tokenizers(directory, config, tokenizers);
  save_config(directory, config);
}

Tokenizers prepare_tokenizers(const std::string& directory, const ModelConfig& config, const ParallelCorpus& corpus) {
  if (holds_a_run(directory)) {
    return load_tokenizers(directory, load_config(directory));  // the trainer compares the settings, all at once
  }
  check(!fs::exists(directory + "/model.safetensors"), directory,
        ": holds a model that no training run left there; train into another directory");
  show_progress("training the tokenizer ...");
  return train_tokenizers(config, corpus.source, corpus.target);
}

// What is learnt by position ends somewhere: no sentence may reach beyond (</s> or <s> takes a place too).
void check_positions(const ModelConfig& config, const TrainOptions& options) {
  check_usage(!ends_at_max_positions(config) ||
                  (options.max_train_length > 0 && options.max_train_length < config.max_positions),
              "max-train-length is ", options.max_train_length, ", but with ",
              config.positions == "learned" ? "positions = learned" : "spatial_gating",
              " and max-positions = ", config.max_positions, " sentences of at most ", config.max_positions - 1,
              " pieces can be learnt");
}

void check_memory(const ModelConfig& config, const TrainOptions& options) {
  DescribeOptions what;
  what.ema_decay = options.ema_decay;
  const int64_t needed = describe(config, what).training_state_bytes;
  const int64_t there = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  check(needed < there, "training this model needs ", bytes_text(needed),
        " for weights, gradients and optimizer alone, ", "this machine has ", bytes_text(there),
        "; reduce width, feed-forward, layers or vocab-size");
}

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

void say_what_was_read(const TrainingRun& run, const Batcher& data, const ValidationData& valid) {
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

void say_what_is_trained(const ModelConfig& config, const Model& model, int batches) {
  const std::string vocabulary = config.joint_vocabulary ? with_separators(config.source_vocabulary) + " in common"
                                                         : with_separators(config.source_vocabulary) + " source and " +
                                                               with_separators(config.target_vocabulary) + " target";
  note("vocabulary: {} {}", vocabulary, config.tokenizer == "words" ? "words" : "pieces (" + config.tokenizer + ")");
  note("model: {}, {}+{} layers of width {}, {} parameters; {} batches an epoch", config.architecture,
       config.encoder_layers, config.decoder_layers, config.width, with_separators(model.parameters().count()),
       with_separators(batches));
}

}  // namespace

void check_run(const TrainingRun& run) {
  check_config(run.config);
  check_options(run.options);
  check_usage(!run.train.empty(), "--train is missing: a source and a target file, or one file of source<TAB>target");
  check_validation(run.options, !run.valid.empty());
  check_positions(run.config, run.options);
  const DirectoryLock now(run.directory);  // to be had, and given back: nothing stays of it
}

TrainResult run_training(const TrainingRun& run) {
  check_run(run);
  set_threads(run.options.threads);
  const DirectoryLock lock(run.directory);
  const ParallelCorpus corpus = read_corpus(run.train);
  const ParallelCorpus valid_corpus = run.valid.empty() ? ParallelCorpus{} : read_corpus(run.valid);
  const Tokenizers tokenizers = prepare_tokenizers(run.directory, run.config, corpus);

  ModelConfig config = run.config;
  config.source_vocabulary = tokenizers.source->vocab_size();
  config.target_vocabulary = tokenizers.target->vocab_size();
  show_progress("encoding the corpus ...");
  Batcher data(encode(corpus, *tokenizers.source, *tokenizers.target), batch_options(run.options));
  const ValidationData valid = validation_data(valid_corpus, tokenizers, run.options.max_train_length);
  say_what_was_read(run, data, valid);
  check_memory(config, run.options);
  const auto model = make_model(config);
  say_what_is_trained(config, *model, data.batches(0));
  model->parameters().allocate();
  initialise(model->parameters(), Rng(run.options.seed).stream("initialise"));
  if (!holds_a_run(run.directory)) {
    start_directory(run.directory, config, tokenizers);
  }

  TrainingLog log(run.options);
  const InterruptGuard guard;
  TrainRun trainer;
  trainer.directory = run.directory;
  trainer.validation.examples = valid.examples;
  trainer.validation.bleu = validation_bleu(run.options, tokenizers, valid.corpus);
  trainer.callbacks.report = [&](const Report& report) { log.report(report); };
  trainer.callbacks.progress = [&](const Progress& progress) { log.progress(progress); };
  trainer.callbacks.stop = [] { return InterruptGuard::requested(); };
  trainer.callbacks.note = [](const std::string& line) { note_line(line); };
  trainer.identity = {{"valid (source)", fingerprint(valid_corpus.source)},
                      {"valid (target)", fingerprint(valid_corpus.target)}};
  const TrainResult result = attune::train(*model, data, run.options, trainer);
  show_progress("");
  return result;
}

}  // namespace attune::cli
