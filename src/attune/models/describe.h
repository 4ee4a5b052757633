// What a model would cost, from its config alone: nothing is allocated.
#pragma once

#include <string>
#include <vector>

#include "attune/base/dtype.h"
#include "attune/models/config.h"
#include "attune/tensor/shape.h"

namespace attune {

struct TensorDescription {
  std::string name;
  Shape shape;
};

struct ModelDescription {
  int64_t parameters = 0;
  std::vector<TensorDescription> tensors;
  // Multiply-adds of matrix products in one forward, for a pair of sentences of `length` tokens each, per token of the
  // side. Of an encoder-only model: per token of the encoder, and per prediction of its head; a decoder-only one
  // has no source.
  int64_t source_multiply_adds_per_token = 0, target_multiply_adds_per_token = 0;
  int64_t image_multiply_adds = 0;  // of an image as a whole, for models that read images
  // Bytes in tensors at the peak of a training step: weights, gradients and Adam's moments; and all else, which is what
  // the backward needs of the forward and what it needs itself. Exact to a few percent for attention with ReLU or any
  // other activation; blocks of tensors round up to an eighth more, and the program itself takes about 50 MB.
  int64_t weight_bytes = 0, training_state_bytes = 0, activation_bytes = 0, training_step_bytes = 0;
};

struct DescribeOptions {
  int length = 24;              // tokens of a sentence, for attention's share; of an image as many as it has patches
  int batch_tokens = 4096;      // target tokens a batch
  int source_batch_tokens = 0;  // 0: as many
  DType compute = DType::float32;
  int update_freq = 1;   // from 2 on the gradients of a batch and their sum live at the same time
  double ema_decay = 0;  // an average of the weights costs their size once more
};

ModelDescription describe(const ModelConfig& config, const DescribeOptions& options = {});

}  // namespace attune
