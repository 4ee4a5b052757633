// A recorder receives what a definition computes inside one op, where no tensor of the tape shows it: scores, weights,
// gates, and their gradients. Definitions hand their rows over in float64 while a recorder lives on the thread that
// called them; while none lives nothing is done. What receives a row of the forward may change it: the definition goes
// on with the changed values, which is how finite differences reach inside an op.
#pragma once

#include <functional>
#include <mutex>
#include <span>
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
  };
  using Receive = std::function<void(const Row&)>;

  explicit Recorder(Receive receive);  // receives from now on
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  static Recorder* current();  // the innermost one on this thread, or null

  void hand(const Row& row);  // from any thread, in any order of rows

 private:
  Receive receive_;
  Recorder* outer_;
  std::mutex mutex_;
};

// Where a row belongs, for the calls below.
struct RecordedRow {
  int sequence = 0, head = 0;
  int64_t row = 0;
  std::span<const int> columns = {};
};

// Does nothing without a recorder or in another type than float64.
template <class T>
void record(Recorder* recorder, std::string_view name, const RecordedRow& at, std::vector<T>& values) {
  if constexpr (std::is_same_v<T, double>) {
    if (recorder != nullptr) {
      recorder->hand({name, at.sequence, at.head, at.row, at.columns, values});
    }
  }
}

// Every row of a matrix that an op has computed, as one sequence; a change reaches nothing.
void record_rows(std::string_view name, const Tensor& matrix);

}  // namespace attune
