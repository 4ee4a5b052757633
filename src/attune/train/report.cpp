#include "attune/train/report.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/tensor/atomic_file.h"

namespace attune {

Report report_of(const TrainState& state, int64_t epoch) {
  const Interval& of = state.reported;
  Report report;
  report.update = state.update;
  report.epoch = epoch;
  report.loss = per(of.loss, of.counted);
  report.nll = per(of.nll, of.counted);
  report.perplexity = std::exp(report.nll);
  report.learning_rate = of.learning_rate;
  report.gradient_norm = per(of.gradient_norm, of.updates);
  report.tokens_per_second = of.seconds > 0 ? static_cast<double>(of.tokens) / of.seconds : 0;
  report.seconds = state.seconds;
  return report;
}

std::string to_json(const Report& report) {
  nlohmann::ordered_json json = {{"update", report.update},
                                 {"epoch", report.epoch},
                                 {"loss", report.loss},
                                 {"nll", report.nll},
                                 {"perplexity", report.perplexity},
                                 {"learning_rate", report.learning_rate},
                                 {"gradient_norm", report.gradient_norm},
                                 {"tokens_per_second", report.tokens_per_second},
                                 {"seconds", report.seconds}};
  if (report.valid_nll) {
    json["valid_nll"] = *report.valid_nll;
    json["valid_perplexity"] = report.valid_perplexity.value_or(0);
  }
  if (report.valid_score) {
    json["valid_" + report.valid_score->key] = report.valid_score->value;
  }
  return json.dump();
}

void ReportLog::keep(int64_t lines) {
  const std::string text = std::filesystem::exists(path_) ? read_file(path_) : std::string();
  size_t end = 0;
  lines_ = 0;
  while (lines_ < lines) {
    const size_t at = text.find('\n', end);
    if (at == std::string::npos) {
      break;  // somebody removed lines; what is there stays
    }
    end = at + 1;
    ++lines_;
  }
  if (end < text.size()) {
    write_file_atomically(path_, std::string_view(text).substr(0, end));
  }
}

void ReportLog::append(const Report& report) {
  std::ofstream file(path_, std::ios::binary | std::ios::app);
  file << to_json(report) << '\n';
  file.close();
  check(!file.fail(), path_, ": a report could not be appended: ", std::strerror(errno));
  ++lines_;
}

}  // namespace attune
