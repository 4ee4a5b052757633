#include "attune/base/parallel.h"

#include <omp.h>

#include <algorithm>
#include <mutex>

namespace attune {

void set_threads(int count) {
  omp_set_num_threads(count > 0 ? count : omp_get_num_procs());
}

int threads() {
  return omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
}

namespace {

// An exception must not leave an OpenMP region: the first one is kept and thrown again outside.
class FirstException {
 public:
  void keep() {
    const std::lock_guard lock(mutex_);
    if (!error_) {
      error_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void detail::parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  const int64_t useful = (count + std::max<int64_t>(grain, 1) - 1) / std::max<int64_t>(grain, 1);
  const int parts = static_cast<int>(std::min<int64_t>(threads(), useful));
  if (parts <= 1) {
    body(0, count);
    return;
  }
  FirstException first;
#pragma omp parallel for schedule(static, 1) num_threads(parts)
  for (int part = 0; part < parts; ++part) {
    try {
      body(count * part / parts, count * (part + 1) / parts);
    } catch (...) {
      first.keep();
    }
  }
  first.rethrow();
}

void parallel_items(int64_t count, const std::function<void(int64_t)>& body) {
  if (count <= 1 || threads() == 1) {
    for (int64_t i = 0; i < count; ++i) {
      body(i);
    }
    return;
  }
  FirstException first;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
      first.keep();
    }
  }
  first.rethrow();
}

}  // namespace attune
