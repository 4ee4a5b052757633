#include "attune/train/validation.h"

#include <algorithm>

#include "attune/autograd/tape.h"
#include "attune/ops/cross_entropy.h"

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

double validation_nll(const Model& model, const std::vector<Example>& examples, const ValidationOptions& options) {
  const NoTape pause;
  BatchOptions by_length;
  by_length.batch_tokens = options.batch_tokens;
  Pass pass;
  pass.compute = options.compute;
  double nll = 0;
  int64_t tokens = 0;
  for (const std::vector<int>& indices : batches_by_length(examples, by_length)) {
    const Batch batch = make_batch(examples, indices);
    const OutputLayer output = model.output();
    CrossEntropyOptions cross;
    cross.compute = options.compute;
    nll += linear_cross_entropy(model.hidden(batch, pass), output.weight, output.bias, batch.target_output, cross).nll;
    tokens += batch.target_tokens();
  }
  check(tokens > 0, "validation: no examples");
  return nll / static_cast<double>(tokens);
}

}  // namespace attune
