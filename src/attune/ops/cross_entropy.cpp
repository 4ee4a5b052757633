#include "attune/ops/cross_entropy.h"

#include <algorithm>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/ops/cross_entropy_cpu.h"
#include "attune/ops/weight_product.h"

namespace attune {

namespace {

// What one row contributes, kept until all are summed in row order.
struct RowLoss {
  double loss = 0, nll = 0;  // weighted
};

// The targets with what the options say about them; owns nothing.
struct Goal {
  std::span<const int32_t> targets;
  std::span<const float> weights;
  double smoothing;
  int64_t classes;
  double weight(int64_t row) const {
    return weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<size_t>(row)]);
  }
};

void check_goal(const char* op, int64_t rows, int64_t classes, std::span<const int32_t> targets,
                const CrossEntropyOptions& options) {
  check(static_cast<int64_t>(targets.size()) == rows, op, ": ", targets.size(), " targets for ", rows, " rows");
  check(options.row_weights.empty() || static_cast<int64_t>(options.row_weights.size()) == rows, op, ": ",
        options.row_weights.size(), " row weights for ", rows, " rows");
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1, op, ": label smoothing ", options.label_smoothing,
        " must lie in 0 ... 1");
  check(options.chunk_rows > 0, op, ": chunk_rows ", options.chunk_rows, " must be positive");
  for (size_t i = 0; i < targets.size(); ++i) {
    check(targets[i] >= 0 && targets[i] < classes, op, ": target ", targets[i], " of row ", i, " is outside the ",
          classes, " classes");
  }
}

// The loss of `row`, whose logits are x. With `gradient` (which may be x) d loss / d logits, times `factor`, is
// written.
template <class T>
RowLoss row_loss(const Goal& goal, int64_t row, const T* x, T* gradient, double factor) {
  const double weight = goal.weight(row), e = goal.smoothing;
  const auto classes = static_cast<double>(goal.classes);
  const int32_t gold = goal.targets[static_cast<size_t>(row)];
  if (weight == 0) {  // its logits may be anything, infinite too
    if (gradient != nullptr) {
      std::fill_n(gradient, goal.classes, T{0});
    }
    return {};
  }
  const auto gold_logit = static_cast<double>(x[gold]);
  const cpu::LogitStatistics found = cpu::logit_statistics(x, gradient, goal.classes);
  const double nll = found.log_sum_exp - gold_logit;
  const double smooth = e == 0 ? nll : (1 - e) * nll + e * (found.log_sum_exp - found.sum / classes);
  if (gradient != nullptr) {
    const double scale = weight * factor;
    cpu::scale_and_shift(gradient, static_cast<T>(scale / found.exp_sum), static_cast<T>(-scale * e / classes),
                         goal.classes);
    gradient[gold] -= static_cast<T>(scale * (1 - e));
  }
  return {weight * smooth, weight * nll};
}

// About 16,000 exponentials are worth a thread.
int64_t row_grain(int64_t classes) {
  return std::max<int64_t>(1, 16384 / (classes + 1));
}

// Rows begin ... begin + count - 1, whose logits are the rows of x.
template <class T>
void loss_rows(const Goal& goal, int64_t first, int64_t count, const T* x, int64_t stride, T* gradient, double factor,
               std::span<RowLoss> rows) {
  const ProfileScope scope("loss_rows");
  scope.count(0, static_cast<double>((gradient != nullptr ? 2 : 1) * count * goal.classes * int64_t{sizeof(T)}));
  parallel_for(count, row_grain(goal.classes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* to = gradient != nullptr ? gradient + i * goal.classes : nullptr;
      rows[static_cast<size_t>(first + i)] = row_loss(goal, first + i, x + i * stride, to, factor);
    }
  });
}

CrossEntropy summed(std::span<const RowLoss> rows, DType dtype) {
  RowLoss total;
  for (const RowLoss& row : rows) {
    total.loss += row.loss;
    total.nll += row.nll;
  }
  return {Tensor::scalar(total.loss, dtype), total.nll};
}

// ---- fused with the output product ----------------------------------------------------------------------------------

// hidden: as the products read it (rounded when computing in bfloat16); and what is wanted.
struct Output {
  Tensor hidden, weight, bias;
  bool wants_hidden = false, wants_weight = false, wants_bias = false;
  bool wants_any() const { return wants_hidden || wants_weight || wants_bias; }
};

struct OutputGradients {
  Tensor hidden, weight, bias;  // "not given" where nobody wants one
};

Output prepared(const Tensor& hidden, const Tensor& weight, const Tensor& bias, DType compute) {
  check(weight.rank() == 2 && hidden.rank() == 2 && hidden.size(1) == weight.size(1), "linear_cross_entropy: hidden ",
        hidden.shape().text(), " and weight ", weight.shape(), ", expected [rows, d] and [classes, d]");
  check(!bias || (bias.rank() == 1 && bias.size(0) == weight.size(0)), "linear_cross_entropy: bias ",
        bias.shape().text(), ", expected [", weight.size(0), "]");
  Output output{hidden,
                weight,
                bias ? bias.compact() : Tensor(),
                recording({&hidden}),
                recording({&weight}),
                bias && recording({&bias})};
  if (compute == DType::bfloat16 || weight.dtype() == DType::bfloat16) {
    check(hidden.dtype() == DType::float32,
          "linear_cross_entropy: compute type bfloat16 needs float32 tensors, hidden is ", name_of(hidden.dtype()));
    output.hidden = rounded_to_bfloat16(hidden);
  } else {
    check(hidden.dtype() == weight.dtype(), "linear_cross_entropy: hidden is ", name_of(hidden.dtype()), ", weight ",
          name_of(weight.dtype()), ", expected the same type");
    output.hidden = with_even_rows(hidden);
  }
  return output;
}

template <class T, class Operand>
void chunk_gradients(const Output& output, int64_t first, const Tensor& dlogits, OutputGradients& into) {
  const int64_t count = dlogits.rows();
  Tensor rounded = dlogits;
  if constexpr (std::is_same_v<Operand, BFloat16>) {
    rounded = rounded_to_bfloat16(dlogits);
  }
  if (into.hidden) {
    Tensor part = into.hidden.rows_view(first, count);
    weight_product<Operand, false, T>(as_operand<Operand>(rounded), output.weight, as_result<T>(part), nullptr, {});
  }
  if (into.weight) {
    const Tensor part = output.hidden.rows_view(first, count);
    kernels::product(as_operand<Operand>(rounded, true), as_operand<Operand>(part), as_result<T>(into.weight), nullptr,
                     {.accumulate = first > 0});
  }
  if (into.bias) {
    column_sums(dlogits, into.bias, {.accumulate = first > 0});
  }
}

// Goes over the rows chunk by chunk: logits, losses and, where wanted, gradients, in one reused buffer.
template <class T, class Operand>
std::vector<RowLoss> loss_chunks(const Output& output, const Goal& goal, int64_t chunk_rows, OutputGradients& into) {
  const int64_t rows = output.hidden.rows(), classes = goal.classes;
  constexpr DType dtype = dtype_of<T>();
  if (output.wants_hidden) into.hidden = Tensor::empty(output.hidden.shape(), dtype);
  if (output.wants_weight) into.weight = Tensor::empty(output.weight.shape(), dtype);
  if (output.wants_bias) into.bias = Tensor::empty({classes}, dtype);
  if (rows == 0 && into.weight) into.weight.fill(0);
  if (rows == 0 && into.bias) into.bias.fill(0);
  std::vector<RowLoss> losses(static_cast<size_t>(rows));
  const Tensor buffer = Tensor::empty({std::min(rows, chunk_rows), classes}, dtype);
  for (int64_t first = 0; first < rows; first += chunk_rows) {
    const int64_t count = std::min(chunk_rows, rows - first);
    Tensor logits = buffer.rows_view(0, count);
    weight_product<Operand, true, T>(as_operand<Operand>(output.hidden.rows_view(first, count)), output.weight,
                                     as_result<T>(logits), output.bias ? output.bias.pointer<T>() : nullptr, {});
    T* x = logits.pointer<T>();
    loss_rows<T>(goal, first, count, x, classes, output.wants_any() ? x : nullptr, 1.0, losses);
    if (output.wants_any()) {
      chunk_gradients<T, Operand>(output, first, logits, into);
    }
  }
  return losses;
}

std::vector<RowLoss> loss_chunks(const Output& output, const Goal& goal, int64_t chunk_rows, OutputGradients& into) {
  if (output.hidden.dtype() == DType::bfloat16) {
    return loss_chunks<float, BFloat16>(output, goal, chunk_rows, into);
  }
  return dispatch_floating(output.hidden.dtype(), [&](auto zero) {
    return loss_chunks<decltype(zero), decltype(zero)>(output, goal, chunk_rows, into);
  });
}

// (+)= dy times a gradient that the forward computed
template <class T>
void add_scaled(size_t input, const Tensor& gradient, double dy, Adjoints& into) {
  if (gradient && into.wants(input)) {
    auto [to, accumulate] = into.destination(input);
    kernels::scale_add<T>(to.data<T>(), static_cast<T>(dy), gradient.data<T>(), accumulate ? T{1} : T{0});
  }
}

}  // namespace

CrossEntropy cross_entropy(const Tensor& logits, std::span<const int32_t> targets, const CrossEntropyOptions& options) {
  const ProfileScope scope("cross_entropy");
  check(logits.rank() == 2, "cross_entropy: logits ", logits.shape(), " must be [rows, classes]");
  check_goal("cross_entropy", logits.size(0), logits.size(1), targets, options);
  return dispatch_floating(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor x = detach(with_even_rows(logits));
    const int64_t rows = x.rows(), classes = x.columns();
    std::vector<RowLoss> losses(static_cast<size_t>(rows));
    const Goal goal{targets, options.row_weights, options.label_smoothing, classes};
    loss_rows<T>(goal, 0, rows, x.pointer<T>(), row_stride(x), nullptr, 1.0, losses);
    CrossEntropy result = summed(losses, logits.dtype());
    result.loss = differentiable(
        "cross_entropy", result.loss, {logits},
        [x, kept = std::vector<int32_t>(targets.begin(), targets.end()), smoothing = options.label_smoothing,
         weights = std::vector<float>(options.row_weights.begin(), options.row_weights.end())](const Tensor& dy,
                                                                                               Adjoints& into) {
          Tensor dx = Tensor::empty(x.shape(), x.dtype());
          std::vector<RowLoss> again(kept.size());
          loss_rows<T>({kept, weights, smoothing, x.columns()}, 0, x.rows(), x.pointer<T>(), row_stride(x),
                       dx.pointer<T>(), dy.item(), again);
          into.add(0, dx);
        });
    return result;
  });
}

CrossEntropy linear_cross_entropy(const Tensor& hidden, const Tensor& weight, const Tensor& bias,
                                  std::span<const int32_t> targets, const CrossEntropyOptions& options) {
  const ProfileScope scope("linear_cross_entropy");
  const Output output = prepared(hidden, weight, bias, options.compute);
  check_goal("linear_cross_entropy", hidden.size(0), weight.size(0), targets, options);
  OutputGradients gradients;
  const Goal goal{targets, options.row_weights, options.label_smoothing, weight.size(0)};
  CrossEntropy result = summed(loss_chunks(output, goal, options.chunk_rows, gradients), hidden.dtype());
  result.loss = differentiable("linear_cross_entropy", result.loss, {hidden, weight, bias},
                               [gradients](const Tensor& dy, Adjoints& into) {
                                 const double factor = dy.item();
                                 if (factor == 1 && gradients.hidden) {
                                   into.add(0, gradients.hidden);  // the usual case: nothing to scale
                                 }
                                 dispatch_floating(dy.dtype(), [&](auto zero) {
                                   using T = decltype(zero);
                                   if (factor != 1) add_scaled<T>(0, gradients.hidden, factor, into);
                                   add_scaled<T>(1, gradients.weight, factor, into);
                                   add_scaled<T>(2, gradients.bias, factor, into);
                                 });
                               });
  return result;
}

std::vector<float> token_log_probabilities(const Tensor& hidden, const Tensor& weight, const Tensor& bias,
                                           std::span<const int32_t> targets) {
  const ProfileScope scope("token_log_probabilities");
  const CrossEntropyOptions options;
  Output output = prepared(hidden, weight, bias, options.compute);
  output.wants_hidden = output.wants_weight = output.wants_bias = false;
  check_goal("token_log_probabilities", hidden.size(0), weight.size(0), targets, options);
  OutputGradients none;
  const auto losses = loss_chunks(output, {targets, {}, 0, weight.size(0)}, options.chunk_rows, none);
  std::vector<float> result(losses.size());
  std::transform(losses.begin(), losses.end(), result.begin(),
                 [](const RowLoss& row) { return static_cast<float>(-row.nll); });
  return result;
}

}  // namespace attune
