// What a model would cost, from its config alone: nothing is allocated.
#pragma once

#include <string>
#include <vector>

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
  // side.
  int64_t source_multiply_adds_per_token = 0, target_multiply_adds_per_token = 0;
  // Bytes that live at the peak of a training step: weights, gradients, Adam's moments, saved activations.
  int64_t weight_bytes = 0, training_state_bytes = 0, activation_bytes = 0, training_step_bytes = 0;
};

struct DescribeOptions {
  int length = 24;          // tokens of a sentence, for attention's share
  int batch_tokens = 4096;  // target tokens a batch; as many source tokens are assumed
  double ema_decay = 0;     // an average of the weights costs their size once more
};

ModelDescription describe(const ModelConfig& config, const DescribeOptions& options = {});

}  // namespace attune
