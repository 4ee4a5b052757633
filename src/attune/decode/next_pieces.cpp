#include "attune/decode/next_pieces.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/text/tokenizer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/decode/next_pieces.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace attune::decode_kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// log sum exp, NaN when an element is NaN; the lanes are summed in float (V / lanes terms each), their sums in double.
double log_sum_exp(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto most = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto sum = hn::Zero(d);  // of the elements: a NaN stays NaN, which neither Max nor Exp promises
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    most = hn::Max(most, v);
    sum = hn::Add(sum, v);
  }
  float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  float all = hn::GetLane(hn::SumOfLanes(d, sum));
  for (size_t j = i; j < count; ++j) {
    largest = std::max(largest, x[j]);
    all += x[j];
  }
  if (std::isnan(all) || std::isinf(largest)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto shift = hn::Set(d, largest);
  sum = hn::Zero(d);
  for (i = 0; i + lanes <= count; i += lanes) {
    sum = hn::Add(sum, hn::Exp(d, hn::Sub(hn::LoadU(d, x + i), shift)));
  }
  HWY_ALIGN float parts[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(sum, d, parts);
  double total = 0;
  for (size_t lane = 0; lane < lanes; ++lane) {
    total += static_cast<double>(parts[lane]);
  }
  for (; i < count; ++i) {
    total += std::exp(static_cast<double>(x[i]) - static_cast<double>(largest));
  }
  return static_cast<double>(largest) + std::log(total);
}

// The first index from `begin` on whose element is above the bound, in steps of whole vectors: elements up to it that
// share its vector may be above too. count when there is none.
size_t find_above(const float* x, size_t begin, size_t count, float bound) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto limit = hn::Set(d, bound);
  size_t i = begin;
  for (; i + lanes <= count; i += lanes) {
    const intptr_t found = hn::FindFirstTrue(d, hn::Gt(hn::LoadU(d, x + i), limit));
    if (found >= 0) {
      return i + static_cast<size_t>(found);
    }
  }
  for (; i < count && !(x[i] > bound); ++i) {
  }
  return i;
}

}  // namespace attune::decode_kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune {

namespace decode_kernels {
HWY_EXPORT(log_sum_exp);
HWY_EXPORT(find_above);
}  // namespace decode_kernels

namespace {

double log_sum_exp(std::span<const float> x) {
  using namespace decode_kernels;
  return HWY_DYNAMIC_DISPATCH(log_sum_exp)(x.data(), x.size());
}

double log_sum_exp(std::span<const double> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double total = 0;
  for (const double value : x) {
    total += std::exp(value - largest);
  }
  return largest + std::log(total);
}

size_t find_above(std::span<const float> x, size_t begin, float bound) {
  using namespace decode_kernels;
  return HWY_DYNAMIC_DISPATCH(find_above)(x.data(), begin, x.size(), bound);
}

size_t find_above(std::span<const double> x, size_t begin, double bound) {
  while (begin < x.size() && !(x[begin] > bound)) {
    ++begin;
  }
  return begin;
}

// Fills `best` with the largest elements, sorted. Ids come in ascending order and only a strictly larger element
// displaces another, so of equal ones the lower id stays, and stands, first.
template <class T>
void largest(std::span<const T> x, std::span<const int> never, std::span<NextPiece> best) {
  size_t filled = 0;
  T bound = -std::numeric_limits<T>::infinity();
  for (size_t i = find_above(x, 0, bound); i < x.size(); i = find_above(x, i + 1, bound)) {
    const int id = static_cast<int>(i);
    if (std::find(never.begin(), never.end(), id) != never.end()) {
      continue;
    }
    filled = std::min(filled + 1, best.size());
    size_t at = filled - 1;
    const double value = static_cast<double>(x[i]);
    for (; at > 0 && best[at - 1].log_probability < value; --at) {
      best[at] = best[at - 1];
    }
    best[at] = {id, value};
    if (filled == best.size()) {
      bound = static_cast<T>(best.back().log_probability);
    }
  }
}

template <class T>
void fill_row(std::span<const T> x, std::span<const int> never, std::span<NextPiece> best, double& end) {
  const double normaliser = log_sum_exp(x);
  check(std::isfinite(normaliser),
        "search: the model gives NaN or infinity for a next piece; are its weights those of a finished training?");
  largest(x, never, best);
  for (NextPiece& piece : best) {
    piece.log_probability =
        piece.id < 0 ? -std::numeric_limits<double>::infinity() : piece.log_probability - normaliser;
  }
  end = static_cast<double>(x[eos_id]) - normaliser;
}

}  // namespace

NextPieces next_pieces(const Tensor& logits, int per_row, std::span<const int> never) {
  check(logits.rank() == 2 && logits.size(1) > eos_id, "next_pieces: expected logits [rows, vocabulary], found ",
        logits.shape().text());
  const ProfileScope scope("next_pieces");
  scope.count(0, logits.bytes());
  const auto rows = static_cast<size_t>(logits.size(0));
  const auto columns = static_cast<size_t>(logits.size(1));
  const auto wanted = static_cast<size_t>(per_row);
  NextPieces result{per_row, std::vector<NextPiece>(rows * wanted), std::vector<double>(rows)};
  dispatch_floating(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::span<const T> all = logits.data<T>();
    const int64_t grain = 1 + (1 << 17) / static_cast<int64_t>(columns);  // elements worth a thread
    parallel_for(static_cast<int64_t>(rows), grain, [&](int64_t begin, int64_t end) {
      for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
        fill_row<T>(all.subspan(row * columns, columns), never, std::span(result.best).subspan(row * wanted, wanted),
                    result.end[row]);
      }
    });
  });
  return result;
}

}  // namespace attune
#endif  // HWY_ONCE
