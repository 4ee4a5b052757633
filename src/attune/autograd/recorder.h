// A recorder receives what a definition computes inside one op, where no tensor of the tape shows it: scores, weights,
// gates, and their gradients. Definitions hand their rows over in float64 while a recorder lives on the thread that
// called them; while none lives nothing is done. What receives a row of the forward may change it: the definition goes
// on with the changed values, which is how finite differences reach inside an op. Definitions that are made of ops pass
// the tensors between them through recorded().
#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

class Recorder {
 public:
  // Entry n of `values` belongs to column columns[n]; no columns: to column n.
  struct Row {
    std::string_view name;  // as the definition's equation calls it: "S", "P", "dP", "gates"
    int sequence = 0, head = 0;
    int64_t row = 0;  // in its sequence
    std::span<const int> columns = {};
    std::span<double> values;
    std::string_view part = {};  // which call of the same definition this is (RecordedPart)
  };
  using Receive = std::function<void(const Row&)>;
  using Take = std::function<Tensor(std::string_view name, const Tensor& value)>;

  explicit Recorder(Receive receive, Take take = {});  // receives from now on
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  static Recorder* current();  // the innermost one on this thread, or null

  void hand(const Row& row);  // from any thread, in any order of rows
  Tensor take(std::string_view name, const Tensor& value) const;

 private:
  Receive receive_;
  Take take_;
  Recorder* outer_;
  std::mutex mutex_;
};

// The tensor to go on with: `value`, or what the recorder of this thread makes of it.
Tensor recorded(std::string_view name, const Tensor& value);

// While it lives, definitions called on this thread name a part of a whole: the second of three softmax attentions.
// They remember it for their backward.
class RecordedPart {
 public:
  explicit RecordedPart(std::string_view part);
  ~RecordedPart();
  RecordedPart(const RecordedPart&) = delete;
  RecordedPart& operator=(const RecordedPart&) = delete;

  static const std::string& current();  // or empty

 private:
  std::string outer_;
};

// Where a row belongs, for the calls below.
struct RecordedRow {
  int sequence = 0, head = 0;
  int64_t row = 0;
  std::span<const int> columns = {};
  std::string_view part = {};
};

// Does nothing without a recorder or in another type than float64.
template <class T>
void record(Recorder* recorder, std::string_view name, const RecordedRow& at, std::span<T> values) {
  if constexpr (std::is_same_v<T, double>) {
    if (recorder != nullptr) {
      recorder->hand({name, at.sequence, at.head, at.row, at.columns, values, at.part});
    }
  }
}

template <class T>
void record(Recorder* recorder, std::string_view name, const RecordedRow& at, std::vector<T>& values) {
  record(recorder, name, at, std::span<T>(values));
}

// Every row of a matrix that an op has computed, as one sequence; a change reaches nothing.
void record_rows(std::string_view name, const Tensor& matrix);

}  // namespace attune
