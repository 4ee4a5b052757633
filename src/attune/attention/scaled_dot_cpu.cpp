// The fused attention on the CPU: a call is cut into items (scaled_dot_plan.h), which run in any order on any thread.
#include <cmath>

#include "attune/attention/scaled_dot_items.h"
#include "attune/attention/scaled_dot_plan.h"
#include "attune/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/scaled_dot_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/attention/scaled_dot_backward-inl.h"
#include "attune/attention/scaled_dot_forward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

void forward_item(const Fused& in, const Weighing& weighing, const Item& item, const Item* next, ForwardOut& to) {
  thread_local Scratch scratch;
  if (in.q.dtype() == DType::bfloat16) {
    if (has_dot_of_pairs() && pairs_up(in.q) && pairs_up(in.k)) {
      ForwardItem<BFloat16, float, DotPairs>(in, weighing, item, next, to, scratch).run();
    } else {
      ForwardItem<BFloat16>(in, weighing, item, next, to, scratch).run();
    }
  } else {
    ForwardItem<float>(in, weighing, item, next, to, scratch).run();
  }
}

void merge_item(const Fused& in, const Weighing& weighing, const Item& item, ForwardOut& to) {
  if (in.q.dtype() == DType::bfloat16) {
    merge_parts<BFloat16>(in, weighing, item, to);
  } else {
    merge_parts<float>(in, weighing, item, to);
  }
}

void backward_item(const Fused& in, const Weighing& weighing, const Item& item, const BackwardOut& to) {
  thread_local Scratch scratch;
  if (in.q.dtype() == DType::bfloat16) {
    BackwardItem<BFloat16>(in, weighing, item, to, scratch).run();
  } else {
    BackwardItem<float>(in, weighing, item, to, scratch).run();
  }
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention::cpu {
HWY_EXPORT(forward_item);
HWY_EXPORT(merge_item);
HWY_EXPORT(backward_item);

Weighing weighing_of(const Fused& in, const RelativeTable& relative) {
  const Options& options = in.options;
  Weighing w;
  w.normaliser = options.normaliser;
  w.scale = static_cast<float>(scale_of(options, in.sizes));
  if (options.softcap > 0) {
    w.cap_in = static_cast<float>(1 / options.softcap);
    w.cap_out = static_cast<float>(options.softcap);
  }
  if (const auto* dense = std::get_if<DenseBias>(&options.bias)) {
    const Tensor& x = dense->value;
    w.bias = x.pointer<float>();
    w.bias_head = x.size(0) == 1 ? 0 : x.stride(0);
    w.bias_row = x.stride(1);
    w.bias_columns = x.size(2);
  } else if (relative) {
    w.bias = relative.bias.pointer<float>();
    w.bias_head = relative.bias.stride(0);
    w.bias_center = relative.center;
    w.relative = true;
  }
  if (const Tensor& x = options.mask.allowed) {
    w.allowed = x.pointer<bool>();
    w.allowed_head = x.size(0) == 1 ? 0 : x.stride(0);
    w.allowed_row = x.stride(1);
  }
  if (drops(options.dropout)) {
    w.drop_below = drop_below(options.dropout.rate);
    w.keep_inverse = static_cast<float>(1 / (1 - options.dropout.rate));
  }
  return w;
}

// bfloat16 numbers in pairs wherever the depth is even, so that no bit depends on how a tensor lies in memory.
Fused paired(const Fused& in) {
  Fused result = in;
  for (Tensor* x : {&result.q, &result.k}) {
    if (x->dtype() == DType::bfloat16 && x->size(2) % 2 == 0 && !pairs_up(*x)) *x = x->clone();
  }
  return result;
}

FusedForward fused_forward(const Fused& call) {
  const Fused in = paired(call);
  const auto& sizes = in.sizes;
  const bool packed = in.queries.packed();
  const DType dtype = in.q.dtype();
  const Shape shape{sizes.query_rows, sizes.heads, sizes.value_depth};
  FusedForward result{packed ? Tensor::empty(shape, dtype) : Tensor::zeros(shape, dtype),
                      {},
                      Tensor::empty({sizes.query_rows, sizes.heads, 2})};
  void* const out = result.out.dtype() == DType::bfloat16 ? static_cast<void*>(result.out.pointer<BFloat16>())
                                                          : result.out.pointer<float>();
  std::atomic<int64_t> visited = 0;
  ForwardOut to{out, nullptr, result.statistics.pointer<float>(), nullptr, in.blocks ? &visited : nullptr};
  if (in.options.normaliser == Normaliser::softmax) {
    result.log_sum_exp = packed ? Tensor::empty({sizes.query_rows, sizes.heads})
                                : Tensor::full({sizes.query_rows, sizes.heads}, -INFINITY);
    to.log_sum_exp = result.log_sum_exp.pointer<float>();
  }
  const RelativeTable relative = relative_table(in.options, in.queries, in.keys);
  const Weighing weighing = weighing_of(in, relative);
  const ForwardPlan plan = forward_plan(in);
  Tensor parts;
  if (plan.parts > 0) {
    parts = Tensor::empty({plan.parts, Gathered::floats(sizes.value_depth)});
    to.parts = parts.pointer<float>();
  }
  run_plan(plan.gather, [&](const Item& item, const Item* next) {
    HWY_DYNAMIC_DISPATCH(forward_item)(in, weighing, item, next, to);
  });
  run_plan(plan.merge, [&](const Item& item, const Item*) {
    HWY_DYNAMIC_DISPATCH(merge_item)(in, weighing, item, to);
  });
  result.visited_blocks = visited;
  return result;
}

FusedGradients fused_backward(const Fused& in, const FusedForward& forward, const Tensor& dout, const Tensor& dlse,
                              bool wants_bias) {
  check(in.keys.disjoint(), "scaled_dot: key segments overlap; the backward needs disjoint ones");
  FusedGradients result;
  result.q = in.queries.packed() ? Tensor::empty(in.q.shape()) : Tensor::zeros(in.q.shape());
  result.k = in.keys.packed() ? Tensor::empty(in.k.shape()) : Tensor::zeros(in.k.shape());
  result.v = in.keys.packed() ? Tensor::empty(in.v.shape()) : Tensor::zeros(in.v.shape());
  const RelativeTable relative = relative_table(in.options, in.queries, in.keys);
  const Weighing weighing = weighing_of(in, relative);
  const Tensor dl = dlse ? dlse.compact() : Tensor();
  std::atomic<int64_t> visited = 0;
  BackwardOut to{};
  to.out = forward.out;
  to.dout = dout ? dout : Tensor::zeros(forward.out.shape());
  to.visited = in.blocks ? &visited : nullptr;
  to.statistics = forward.statistics.pointer<float>();
  to.dlse = dl ? dl.pointer<float>() : nullptr;
  BackwardOut queries = to, keys = to;
  queries.dq = result.q.pointer<float>();
  keys.dk = result.k.pointer<float>();
  keys.dv = result.v.pointer<float>();
  Tensor relative_sums;
  const Tensor* bias = bias_of(in.options);
  const bool dense = std::holds_alternative<DenseBias>(in.options.bias);
  if (wants_bias) {
    result.bias = Tensor::zeros(bias->shape());
  }
  const auto run = [&](const BackwardOut& wanted) {
    return [&in, &weighing, &wanted](const Item& item, const Item*) {
      HWY_DYNAMIC_DISPATCH(backward_item)(in, weighing, item, wanted);
    };
  };
  const bool few = int64_t{in.queries.count()} * in.sizes.kv_heads < threads() && !(wants_bias && relative);
  if (few || (wants_bias && dense)) {
    if (wants_bias) {
      queries.dbias = result.bias.pointer<float>();
      queries.dbias_row = bias->size(2);
      queries.dbias_head = bias->size(0) == 1 ? 0 : bias->size(1) * bias->size(2);
    }
    run_plan(plan_by_rows(in, wants_bias && bias->size(0) == 1), run(queries));
    run_plan(plan_by_keys(in), run(keys));
  } else {
    BackwardOut all = queries;
    all.dk = keys.dk;
    all.dv = keys.dv;
    if (wants_bias && relative) {
      relative_sums = Tensor::zeros({in.queries.count(), in.sizes.heads, relative.numbers});
      all.drelative = relative_sums.pointer<float>();
      all.relative = &relative;
    }
    run_plan(plan_by_sequences(in), run(all));
    if (relative_sums) {
      for (int64_t s = 0; s < in.queries.count(); ++s) {
        for (int64_t n = 0; n < result.bias.elements(); ++n) {
          result.bias.pointer<float>()[n] += relative_sums.pointer<float>()[s * result.bias.elements() + n];
        }
      }
    }
  }
  result.visited_blocks = visited;
  return result;
}

}  // namespace attune::attention::cpu
#endif
