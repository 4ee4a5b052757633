#include "attune/cli/training_log.h"

#include <algorithm>
#include <cmath>

namespace attune::cli {

namespace {

std::string bar(double share) {
  constexpr int cells = 24;
  const int filled = static_cast<int>(share * cells);
  std::string text = "[";
  for (int i = 0; i < cells; ++i) {
    text += i < filled ? '=' : i == filled ? '>' : ' ';
  }
  return text + "]";
}

}  // namespace

double share_done(const Progress& progress, const TrainOptions& options) {
  double share = 0;
  if (options.max_update > 0) {
    share = std::max(share, static_cast<double>(progress.update) / options.max_update);
  }
  if (options.max_epoch > 0) {
    const double within = static_cast<double>(progress.batch) / std::max(progress.batches, 1);
    share = std::max(share, (static_cast<double>(progress.epoch) - 1 + within) / options.max_epoch);
  }
  if (options.max_minutes > 0) {
    share = std::max(share, progress.seconds / (60 * options.max_minutes));
  }
  return std::clamp(share, 0.0, 1.0);
}

std::string text_of(const Baseline& baseline) {
  return fmt::format("{}: nll {:.4f}, ", baseline.title, baseline.nll) +
         (baseline.score
              ? fmt::format("{} {:.{}f}", baseline.score->title, baseline.score->value, baseline.score->decimals)
              : fmt::format("perplexity {:.3f}", std::exp(baseline.nll)));
}

void TrainingLog::progress(const Progress& progress) {
  constexpr double between = 0.2;  // seconds: often enough to look alive
  const double now = watch_.seconds();
  const double share = share_done(progress, options_);
  if (!progress_is_live() || (shown_ >= 0 && now - shown_ < between && share < 1)) {
    return;
  }
  shown_ = now;
  const std::string left = share > 0 ? duration(progress.seconds * (1 - share) / share) + " left" : std::string();
  show_progress(fmt::format("{} {:3.0f}%  update {}  epoch {}  loss {:.3f}  {} tokens/s  {}", bar(share), 100 * share,
                            with_separators(progress.update), progress.epoch, progress.loss,
                            with_separators(std::llround(progress.tokens_per_second)), left));
}

void TrainingLog::report(const Report& report) const {
  if (!progress_is_live()) {
    const std::string perplexity = with_perplexity_ ? fmt::format("  perplexity {:.3f}", report.perplexity) : "";
    note("update {}  epoch {}  loss {:.4f}{}  learning rate {:.3g}  gradient norm {:.3g}  {} tokens/s",
         with_separators(report.update), report.epoch, report.loss, perplexity, report.learning_rate,
         report.gradient_norm, with_separators(std::llround(report.tokens_per_second)));
  }
  if (report.valid_nll) {
    const std::string score = report.valid_score ? fmt::format(", {} {:.{}f}", report.valid_score->title,
                                                               report.valid_score->value, report.valid_score->decimals)
                                                 : "";
    const double nll = *report.valid_nll;
    const std::string perplexity =
        with_perplexity_ ? fmt::format(", perplexity {:.3f}", report.valid_perplexity.value_or(std::exp(nll))) : "";
    note("validation after update {}: nll {:.4f}{}{}", with_separators(report.update), nll, perplexity, score);
  }
}

}  // namespace attune::cli
