// Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) and SGD with heavy-ball or Nesterov momentum (Sutskever
// et al. 2013), with PyTorch's conventions, on the flat buffers of a model; and the moving average of the weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

struct OptimizerOptions {
  enum class Kind : uint8_t { adam, adamw, sgd };
  Kind kind = Kind::adam;
  double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-9;
  double weight_decay = 0;  // adamw: p -= rate * decay * p; adam and sgd: added to the gradient
  double momentum = 0;      // sgd
  bool nesterov = false;
};

struct TrainOptions;
OptimizerOptions optimizer_options(const TrainOptions& options);

class Optimizer {
 public:
  // State for a flat buffer of so many elements; float32 or float64.
  Optimizer(const OptimizerOptions& options, int64_t elements, DType dtype);

  struct Step {
    double learning_rate;
    double gradient_scale = 1;  // 1 / tokens, times what clipping leaves
  };
  void step(Tensor& parameters, const Tensor& gradient, const Step& step);

  // What a checkpoint keeps: the steps done and flat buffers by name ("m", "v", "momentum").
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  OptimizerOptions options_;
  Tensor m_, v_;  // sgd: m_ is the momentum's buffer
  int64_t steps_ = 0;
};

// The Euclidean norm of a flat buffer: what clipping goes by.
double norm_of(const Tensor& flat);

// mean = d mean + (1 - d) x with d = min(decay, (1 + update) / (10 + update)), so that the start is soon forgotten.
void update_moving_average(Tensor& mean, const Tensor& x, double decay, int64_t update);

}  // namespace attune
