// What follows a product, in the pass that finishes its rows: y = dropout(activation(z)); and back. Works in blocks
// that stay in the first cache, so that however many steps there are, memory is read and written once.
#pragma once

#include <optional>

#include "attune/autograd/tape.h"
#include "attune/ops/activation.h"
#include "attune/ops/dropout_cpu.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct Epilogue {
  Activation activation = Activation::identity;
  std::optional<cpu::DropoutMask> mask = {};

  bool nothing() const { return activation == Activation::identity && !mask; }
  // Whether the backward needs y (of ReLU: what is zero has no slope, dropped or not) or z; of neither it needs
  // nothing.
  bool saves_result() const { return activation == Activation::relu; }
  bool saves_input() const { return activation != Activation::identity && !saves_result(); }
};

// y [rows, columns] = dropout(activation(z)), z of float32 or float64 and y of its type (it may be z) or bfloat16, both
// contiguous; they are the rows from `first` on of those that the mask is for.
void apply_epilogue(const Epilogue& epilogue, int64_t first, const Tensor& z, Tensor& y);

// dz of the type that is asked for: dy's, or bfloat16 for products to read. `saved`: y or z, as the epilogue says.
// bias: where the sums of dz's columns (of the unrounded ones) go, in fixed chunks of rows, or null.
Tensor epilogue_backward(const Epilogue& epilogue, const Tensor& saved, const Tensor& dy, DType type,
                         const Adjoints::Destination* bias);

}  // namespace attune
