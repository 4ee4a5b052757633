#include "attune/autograd/recorder.h"

#include <utility>

namespace attune {

namespace {
thread_local Recorder* innermost = nullptr;
thread_local std::string part_of_whole;
}  // namespace

Recorder::Recorder(Receive receive, Take take)
    : receive_(std::move(receive)), take_(std::move(take)), outer_(innermost) {
  innermost = this;
}

Recorder::~Recorder() {
  innermost = outer_;
}

Recorder* Recorder::current() {
  return innermost;
}

void Recorder::hand(const Row& row) {
  const std::lock_guard lock(mutex_);
  receive_(row);
}

Tensor Recorder::take(std::string_view name, const Tensor& value) const {
  return take_ ? take_(name, value) : value;
}

Tensor recorded(std::string_view name, const Tensor& value) {
  const Recorder* const recorder = Recorder::current();
  return recorder == nullptr ? value : recorder->take(name, value);
}

RecordedPart::RecordedPart(std::string_view part) : outer_(std::exchange(part_of_whole, std::string(part))) {}

RecordedPart::~RecordedPart() {
  part_of_whole = std::move(outer_);
}

const std::string& RecordedPart::current() {
  return part_of_whole;
}

void record_rows(std::string_view name, const Tensor& matrix) {
  Recorder* const recorder = Recorder::current();
  if (recorder == nullptr || matrix.dtype() != DType::float64) {
    return;
  }
  Tensor copy = matrix.clone();
  const auto columns = static_cast<size_t>(copy.columns());
  for (int64_t row = 0; row < copy.rows(); ++row) {
    recorder->hand({name, 0, 0, row, {}, copy.data<double>().subspan(static_cast<size_t>(row) * columns, columns)});
  }
}

}  // namespace attune
