#include "attune/train/swapped_weights.h"

#include <algorithm>

#include "attune/base/check.h"

namespace attune {
namespace {

void swap_elements(Parameters& parameters, Tensor& other) {
  Tensor flat = parameters.flat();
  dispatch_floating(flat.dtype(), [&](auto zero) {
    using T = decltype(zero);
    auto mine = flat.data<T>();
    auto theirs = other.data<T>();
    std::swap_ranges(mine.begin(), mine.end(), theirs.begin());
  });
  flat.storage()->changed();
  other.storage()->changed();
}

}  // namespace

SwappedWeights::SwappedWeights(Parameters& parameters, Tensor& other) : parameters_(parameters), other_(other) {
  check(other.shape() == parameters.flat().shape() && other.dtype() == parameters.flat().dtype(),
        "weights to swap in: ", other.shape(), ", the model's are ", parameters.flat().shape());
  swap_elements(parameters_, other_);
}

SwappedWeights::~SwappedWeights() {
  swap_elements(parameters_, other_);
}

}  // namespace attune
