#include "attune/train/language_objective.h"

#include <algorithm>
#include <array>

#include "attune/autograd/tape.h"
#include "attune/base/checksum.h"
#include "attune/ops/cross_entropy.h"
#include "attune/train/ngram_baseline.h"
#include "attune/train/report.h"

namespace attune {

namespace {

std::vector<Baseline> ngram_baselines(const TextStream& text, const TextStream& valid, const ModelConfig& config) {
  constexpr std::array titles{"unigram", "bigram", "trigram", "4-gram", "5-gram"};
  const TokenizerKind kind = tokenizer_kind(config.tokenizer);
  const bool dense = kind == TokenizerKind::characters || kind == TokenizerKind::bytes;
  std::vector<Baseline> baselines;
  for (const double nll : ngram_nlls(text, valid, dense ? titles.size() : 1)) {
    baselines.push_back({titles[baselines.size()], nll});
  }
  return baselines;
}

}  // namespace

BatchLoss language_loss(const LanguageModel& model, const TextBatch& batch, double label_smoothing, const Pass& pass) {
  CrossEntropyOptions cross;
  cross.label_smoothing = label_smoothing;
  cross.compute = pass.compute;
  const Tensor hidden = model.hidden(batch.ids, batch.segments, pass);
  const OutputLayer output = model.output();
  const CrossEntropy result = linear_cross_entropy(hidden, output.weight, output.bias, batch.gold, cross);
  const auto tokens = static_cast<int64_t>(batch.ids.size());
  return {result.loss, result.nll, tokens, tokens};
}

LanguageObjective::LanguageObjective(LanguageModel& model, const TextStream& text, const TextStream* valid,
                                     const TrainOptions& options)
    : model_(model), text_(text), valid_(valid), options_(options) {
  if (valid_ != nullptr) {
    ngrams_ = ngram_baselines(text_, *valid_, model_.config());
  }
}

std::optional<Baseline> LanguageObjective::baseline() const {
  const auto best = std::min_element(ngrams_.begin(), ngrams_.end(),
                                     [](const Baseline& a, const Baseline& b) { return a.nll < b.nll; });
  return best == ngrams_.end() ? std::optional<Baseline>() : *best;
}

LanguageObjective::Plan LanguageObjective::batches_of(const std::vector<Window>& all) const {
  Plan batches;
  int64_t tokens = 0;
  for (const Window& window : all) {
    if (batches.empty() || tokens + window.length > options_.batch_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(window);
    tokens += window.length;
  }
  return batches;
}

const LanguageObjective::Plan& LanguageObjective::plan(int64_t epoch) {
  if (epoch != planned_) {
    const Rng rng = Rng(options_.seed).stream("batches").stream(static_cast<uint64_t>(epoch));
    const int length = options_.sequence_length;
    const auto first = 1 + static_cast<int>(rng.stream("first").below(0, static_cast<uint64_t>(length)));
    std::vector<Window> all = windows(text_, length, first);
    shuffle(std::span(all), rng);
    plan_ = batches_of(all);
    planned_ = epoch;
  }
  return plan_;
}

BatchLoss LanguageObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const TextBatch batch = make_text_batch(text_, plan(epoch)[static_cast<size_t>(index)]);
  return language_loss(model_, batch, options_.label_smoothing, pass);
}

ValidationFigures LanguageObjective::validate() {
  const NoTape pause;
  Pass pass;
  pass.compute = compute_type(options_);
  double nll = 0;
  for (const auto& some : batches_of(windows(*valid_, options_.sequence_length, options_.sequence_length))) {
    nll += language_loss(model_, make_text_batch(*valid_, some), 0, pass).nll;
  }
  ValidationFigures figures;
  figures.nll = per(nll, valid_->predicted());
  return figures;
}

std::map<std::string, std::string> LanguageObjective::identity() const {
  Checksum checksum;
  checksum.add(text_.pieces().data(), text_.pieces().size_bytes());
  return {{"training pieces", std::to_string(text_.predicted())},
          {"training pieces' checksum", std::to_string(checksum.value())}};
}

}  // namespace attune
