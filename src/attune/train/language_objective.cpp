#include "attune/train/language_objective.h"

#include <algorithm>
#include <array>

#include "attune/autograd/tape.h"
#include "attune/base/checksum.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/embedding.h"
#include "attune/ops/linear.h"
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

std::vector<std::vector<Window>> batches_of(const std::vector<Window>& all, int batch_tokens) {
  std::vector<std::vector<Window>> batches;
  int64_t tokens = 0;
  for (const Window& window : all) {
    if (batches.empty() || tokens + window.length > batch_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(window);
    tokens += window.length;
  }
  return batches;
}

// The hidden states [predicted, width] that the gold pieces are told from.
Tensor predicting(const LanguageModel& model, const TextBatch& batch, const Pass& pass) {
  const Tensor hidden = model.hidden(batch.ids, batch.segments, pass);
  return batch.rows.empty() ? hidden : embedding(hidden, batch.rows);  // rows of a matrix by number
}

// logits [rows, classes], float32
bool told_rightly(const Tensor& logits, int64_t row, int32_t gold) {
  const std::span<const float> values = logits.data<float>();
  const auto x = values.subspan(static_cast<size_t>(row * logits.size(1)), static_cast<size_t>(logits.size(1)));
  const float best = x[static_cast<size_t>(gold)];
  return std::count_if(x.begin(), x.end(), [&](float other) { return other >= best; }) == 1;
}

struct Told {
  double nll = 0;
  int64_t right = 0, counted = 0;  // counted: for the accuracy
};

// As many rows at a time as the fused loss takes, so that the vocabulary's width does not fill the memory.
void tell(const Tensor& hidden, const OutputLayer& output, std::span<const int32_t> gold, const Pass& pass,
          int32_t uncounted, Told& told) {
  constexpr int64_t chunk = 512;
  LinearOptions how;
  how.compute = pass.compute;
  for (int64_t first = 0; first < hidden.rows(); first += chunk) {
    const int64_t rows = std::min(chunk, hidden.rows() - first);
    const Tensor logits = linear(hidden.rows_view(first, rows), output.weight, output.bias, how);
    const auto some = gold.subspan(static_cast<size_t>(first), static_cast<size_t>(rows));
    told.nll += cross_entropy(logits, some).nll;
    for (int64_t row = 0; row < rows; ++row) {
      const int32_t piece = some[static_cast<size_t>(row)];
      told.counted += piece == uncounted ? 0 : 1;
      told.right += piece != uncounted && told_rightly(logits, row, piece) ? 1 : 0;
    }
  }
}

}  // namespace

BatchLoss language_loss(const LanguageModel& model, const TextBatch& batch, double label_smoothing, const Pass& pass) {
  CrossEntropyOptions cross;
  cross.label_smoothing = label_smoothing;
  cross.compute = pass.compute;
  const Tensor hidden = predicting(model, batch, pass);
  const OutputLayer output = model.output();
  const CrossEntropy result = linear_cross_entropy(hidden, output.weight, output.bias, batch.gold, cross);
  return {result.loss, result.nll, static_cast<int64_t>(batch.gold.size()), static_cast<int64_t>(batch.ids.size())};
}

LanguageScore language_score(const LanguageModel& model, const TextStream& text, const LanguageScoring& how) {
  const NoTape pause;
  Pass pass;
  pass.compute = how.compute;
  constexpr int32_t none = -1;
  const int32_t uncounted = text.of_completions() ? text.pieces().front() : none;
  Told told;
  for (const auto& some : batches_of(windows(text, how.sequence_length, how.sequence_length), how.batch_tokens)) {
    const TextBatch batch = make_text_batch(text, some);
    tell(predicting(model, batch, pass), model.output(), batch.gold, pass, uncounted, told);
  }
  return {per(told.nll, text.predicted()), per(static_cast<double>(told.right), told.counted)};
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

const LanguageObjective::Plan& LanguageObjective::plan(int64_t epoch) {
  if (epoch != planned_) {
    const Rng rng = Rng(options_.seed).stream("batches").stream(static_cast<uint64_t>(epoch));
    const int length = options_.sequence_length;
    const auto first = 1 + static_cast<int>(rng.stream("first").below(0, static_cast<uint64_t>(length)));
    std::vector<Window> all = windows(text_, length, first);
    shuffle(std::span(all), rng);
    plan_ = batches_of(all, options_.batch_tokens);
    planned_ = epoch;
  }
  return plan_;
}

BatchLoss LanguageObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const TextBatch batch = make_text_batch(text_, plan(epoch)[static_cast<size_t>(index)]);
  return language_loss(model_, batch, options_.label_smoothing, pass);
}

ValidationFigures LanguageObjective::validate() {
  const LanguageScore score =
      language_score(model_, *valid_, {options_.batch_tokens, options_.sequence_length, compute_type(options_)});
  return {score.nll, Score{.key = "accuracy", .title = "accuracy", .decimals = 4, .value = score.accuracy}};
}

std::map<std::string, std::string> LanguageObjective::identity() const {
  Checksum checksum;  // without the length that add_list puts in front, so that runs from before it can be resumed
  checksum.add(text_.pieces().data(), text_.pieces().size_bytes());
  for (const Window& line : text_.lines()) {
    checksum.add(&line.skip, sizeof line.skip);
  }
  return identity_of("pieces", text_.predicted(), checksum);
}

}  // namespace attune
