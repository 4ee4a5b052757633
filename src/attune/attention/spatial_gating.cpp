// float64 is the definition. float32: LN writes the gate's rows next to one another, [rows, e], and sequence s of
// length L is one product [L, L] x [L, e] of W's leading part, where both lie, without a transposed copy: 2 L^2 e
// operations for 4 (2 L e + L^2) bytes, the matrix being shared by all sequences and read from the cache. One pass then
// adds b and E and gates. A thread takes a sequence through the three while its rows lie in the cache.
//   dG = dS A,  dA = dS G;   dN_s = W' dG_s, then LN's backward;   dW = sum_s dG_s N_s',  db_i = sum_s,c dG_s,i,c.
#include "attune/attention/spatial_gating.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "attune/attention/products-inl.h"
#include "attune/attention/spatial_gating_call-inl.h"
#include "attune/attention/spatial_gating_cpu.h"
#include "attune/attention/spatial_gating_definition.h"
#include "attune/attention/spatial_gating_products-inl.h"
#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/norm_cpu.h"
#include "attune/ops/row_layout.h"

namespace attune::attention {

using gating::Call;
using gating::count_products;
using gating::operand;
using gating::over_rows;
using gating::over_stretches;
using gating::Part;
using gating::parts_of;
using gating::result;
using gating::Side;
using gating::square_of;
using gating::Stretch;
using gating::Workspace;

namespace {

enum Input : size_t { z_input, norm_weight_input, norm_bias_input, weight_input, bias_input, addend_input };

constexpr int64_t weight_columns = 64;  // of dW that one thread sums

void check_inputs(const SpatialGatingInputs& in, const SpatialGatingOptions& options) {
  const Tensor &z = in.z, &weight = in.weight, &bias = in.bias;
  check(z.rank() == 2, "spatial_gating: z ", z.shape(), ", expected [rows, channels]");
  check(options.gate != Gate::split || z.columns() % 2 == 0, "spatial_gating: z has ", z.columns(),
        " channels, expected an even number to split");
  const int64_t channels = gate_channels(options.gate, z.columns());
  for (const Tensor& x : {in.norm_weight, in.norm_bias}) {
    check(x.shape() == Shape({channels}), "spatial_gating: the norm's parameters are ", x.shape(), ", expected [",
          channels, "], the gate's channels");
  }
  check(bias.rank() == 2 && bias.size(0) >= 1 && channels % bias.size(0) == 0, "spatial_gating: b is ", bias.shape(),
        ", expected [heads, n], heads to divide the gate's ", channels, " channels");
  const int64_t heads = bias.size(0), n = bias.size(1);
  check(weight.shape() == Shape({heads, n, n}) || weight.shape() == Shape({heads, 2 * n - 1}), "spatial_gating: W is ",
        weight.shape(), ", expected [", heads, ", ", n, ", ", n, "] or, for a Toeplitz matrix, [", heads, ", ",
        2 * n - 1, "]");
  check(!in.addend || in.addend.shape() == Shape({z.size(0), channels}), "spatial_gating: the addend is ",
        in.addend.shape(), ", expected [", z.size(0), ", ", channels, "]");
  for (const Tensor& x : {in.norm_weight, in.norm_bias, weight, bias, in.addend}) {
    check(!x || x.dtype() == z.dtype(), "spatial_gating: z is ", name_of(z.dtype()), ", other inputs ",
          name_of(x.dtype()), ", expected the same type");
  }
  check(options.compute != DType::bfloat16 || z.dtype() == DType::float32,
        "spatial_gating: compute type bfloat16 needs float32 tensors, z is ", name_of(z.dtype()));
  check(options.result != DType::bfloat16 || options.compute == DType::bfloat16,
        "spatial_gating: a bfloat16 result needs the compute type bfloat16");
}

void check_length(int64_t length, int64_t positions) {
  check(length <= positions, "spatial_gating: a sequence has ", length,
        " tokens, but W was made for max-positions = ", positions,
        "; train with a larger max-positions or leave out longer sentences");
}

// ---- Forward --------------------------------------------------------------------------------------------------------

struct Saved {
  Tensor normalised;  // N, as products read it
  Tensor statistics;  // of LN
  Tensor gate;        // G, where the form multiplies
};

// Rows [begin, end) of z's gate -> those of `to`, [rows of z, channels].
template <class Operand>
void normalise(const Call& call, int64_t begin, int64_t end, Tensor& to, Tensor* statistics) {
  auto* kept = statistics != nullptr
                   ? reinterpret_cast<attune::cpu::RowStatistics<float>*>(statistics->pointer<float>()) + begin
                   : nullptr;
  attune::cpu::norm<float, Operand>(call.norm_size(end - begin), to.pointer<Operand>() + begin * call.channels, kept,
                                    call.gate_rows(begin), call.in.norm_weight.pointer<float>(),
                                    call.in.norm_bias.pointer<float>());
}

void join(const Call& call, const Stretch& stretch, Tensor& gate, Tensor& out) {
  const float* bias = call.in.bias.pointer<float>();
  const int64_t n = call.positions;
  over_rows(call, stretch, [&](int64_t row, int64_t place) {
    const int64_t at = row * call.channels;
    if (out.dtype() == DType::bfloat16) {
      cpu::join(call.row(row), gate.pointer<float>() + at, bias + place, n, out.pointer<BFloat16>() + at);
    } else {
      cpu::join(call.row(row), gate.pointer<float>() + at, bias + place, n, out.pointer<float>() + at);
    }
  });
}

template <class Operand>
Tensor forward(const Call& call, Saved& saved, bool keeps) {
  const Shape shape{call.in.z.size(0), call.channels};
  saved.normalised = Tensor::empty(shape, dtype_of<Operand>());
  saved.statistics = Tensor::empty({keeps ? shape[0] : 0, 3});
  Tensor gate = Tensor::empty(shape), out = Tensor::empty(shape, call.options.result);
  const Tensor square = square_of<Operand>(call.in, call.options.causal);
  const int64_t n = call.positions;
  over_stretches<Operand>(call, [&](Workspace& workspace, const Stretch& stretch) {
    normalise<Operand>(call, stretch.begin, stretch.end, saved.normalised, keeps ? &saved.statistics : nullptr);
    for (const auto& [head, first, length, block] : parts_of(call, stretch.first, stretch.last)) {
      const int64_t height = block.end - block.begin;
      workspace.product({square.pointer<Operand>() + (head * n + block.begin) * n, height, block.columns, n},
                        operand<Operand>(call, saved.normalised, first, block.columns, head),
                        result(call, gate.pointer<float>(), first + block.begin, height, head));
    }
    join(call, stretch, gate, out);
  });
  saved.gate = call.multiplies() ? gate : Tensor();
  return out;
}

// ---- Backward -------------------------------------------------------------------------------------------------------

struct Destination {
  Destination(Adjoints& into, Input input) {
    if (into.wants(input)) {
      auto [tensor, accumulate] = into.destination(input);
      to = tensor.data<float>().data();
      add = accumulate;
    }
  }
  float* to = nullptr;  // null: not wanted
  bool add = false;
};

// What needs no product: dG as products read it, and the gradients of A, E and, by rows, b.
template <class Operand>
struct GateGradients {
  Destination z, addend;
  Tensor gate;  // dG
  Tensor sums;  // [rows, heads]

  void of_rows(const Call& call, const Stretch& stretch, const Saved& saved, const Tensor& dout) {
    const bool has_content = z.to != nullptr && call.options.gate != Gate::linear;
    over_rows(call, stretch, [&](int64_t row, int64_t) {
      const int64_t at = row * call.channels;
      cpu::join_backward<Operand>(call.row(row), saved.gate ? saved.gate.pointer<float>() + at : nullptr,
                                  dout.pointer<float>() + at,
                                  {gate.pointer<Operand>() + at, addend.to == nullptr ? nullptr : addend.to + at,
                                   has_content ? z.to + row * call.columns : nullptr,
                                   sums.pointer<float>() + row * call.heads, addend.add, z.add});
    });
  }
};

// db_i: the rows at place i of all sequences, in their order.
void bias_backward(const Call& call, const Tensor& sums, const Destination& bias) {
  if (bias.to == nullptr) {
    return;
  }
  if (!bias.add) {
    std::fill_n(bias.to, call.heads * call.positions, 0.0F);
  }
  for (int s = 0; s < call.segments.count(); ++s) {
    const float* row = sums.pointer<float>() + call.segments.begin(s) * call.heads;
    for (int64_t i = 0; i < call.segments.length(s); ++i, row += call.heads) {
      for (int64_t head = 0; head < call.heads; ++head) bias.to[head * call.positions + i] += row[head];
    }
  }
}

// What the cells of a [heads, n, n] gradient add up to: of W below its diagonal, or of the offsets j - i.
void add_cells(const Call& call, const Tensor& cells, const Destination& weight) {
  const int64_t n = call.positions, side = cells.size(1), each = call.in.weight.elements() / call.heads;
  const bool toeplitz = call.in.weight.rank() == 2;
  for (int64_t row = 0; row < call.heads * side; ++row) {
    const int64_t i = row % side, seen = call.options.causal ? i + 1 : side;
    float* to = weight.to + row / side * each + (toeplitz ? n - 1 - i : i * n);
    for (int64_t j = 0; j < seen; ++j) to[j] += cells.pointer<float>()[row * side + j];
  }
}

template <class Operand>
void weight_backward(const Call& call, const Saved& saved, const Tensor& dgate, const Destination& weight) {
  if (weight.to == nullptr) {
    return;
  }
  if (!weight.add) {
    std::fill_n(weight.to, call.in.weight.elements(), 0.0F);
  }
  const bool direct = !call.options.causal && call.in.weight.rank() == 3;
  const int64_t side = direct ? call.positions : call.segments.longest();
  Tensor cells = direct ? Tensor() : Tensor::zeros({call.heads, side, side});
  float* to = direct ? weight.to : cells.pointer<float>();
  // A thread has columns of dW to itself, and goes through all sequences in their order. Causal columns cost more the
  // further left they are: there all threads share each product.
  const std::vector<Part> parts = parts_of(call, 0, call.segments.count());
  const ProfileScope scope("product");
  count_products(call, parts, sizeof(Operand));
  const int64_t panels = (call.segments.longest() + weight_columns - 1) / weight_columns;
  parallel_for(panels, gating::fits_one_thread<Operand> && !call.options.causal ? 1 : panels,
               [&](int64_t first_panel, int64_t last_panel) {
                 const ProfilePause pause;
                 Products product;
                 for (const auto& [head, first, length, block] : parts) {
                   const int64_t height = block.end - block.begin, begin = first_panel * weight_columns,
                                 end = std::min(block.columns, last_panel * weight_columns);
                   if (begin >= end) continue;
                   auto other = operand<Operand>(call, saved.normalised, first + begin, end - begin, head);
                   other.transposed = true;
                   product(operand<Operand>(call, dgate, first + block.begin, height, head), other,
                           {to + (head * side + block.begin) * side + begin, height, end - begin, side},
                           {.accumulate = true});
                 }
               });
  if (!direct) {
    add_cells(call, cells, weight);
  }
}

// dN = W' dG, as the norm gave it. A block's rows are here tokens that are read: by themselves and, when causal, all
// behind them.
template <class Operand>
void product_backward(const Call& call, const Stretch& stretch, const Tensor& square, const Tensor& dgate,
                      Products& product, float* dn) {
  const int64_t n = call.positions;
  for (const auto& [head, first, length, block] : parts_of(call, stretch.first, stretch.last)) {
    const int64_t readers = call.options.causal ? block.begin : 0, height = block.end - block.begin;
    product({square.pointer<Operand>() + (head * n + block.begin) * n + readers, height, length - readers, n},
            operand<Operand>(call, dgate, first + readers, length - readers, head),
            result(call, dn, first - stretch.begin + block.begin, height, head));
  }
}

// LN's backward of every sequence of a stretch. sums: the gradients of its weight and bias, [sequences, 2, channels].
void norm_backward(const Call& call, const Stretch& stretch, const Saved& saved, const Destination& dz, const float* dn,
                   Tensor& sums) {
  const bool content_is_there = call.options.gate == Gate::multiplicative || call.options.gate == Gate::additive;
  const auto* statistics =
      reinterpret_cast<const attune::cpu::RowStatistics<float>*>(saved.statistics.pointer<float>());
  parallel_for(stretch.last - stretch.first, 1, [&](int64_t first, int64_t last) {
    for (auto s = stretch.first + static_cast<int>(first); s < stretch.first + last; ++s) {
      const int64_t begin = call.segments.begin(s);
      float* const to = sums.pointer<float>() + int64_t{s} * 2 * call.channels;
      attune::cpu::norm_backward<float>(call.norm_size(call.segments.length(s)),
                                        {dz.to == nullptr ? nullptr : dz.to + begin * call.columns + call.gate_column(),
                                         to, to + call.channels, dz.add || content_is_there, false, false},
                                        call.gate_rows(begin), statistics + begin, call.in.norm_weight.pointer<float>(),
                                        dn + (begin - stretch.begin) * call.channels);
    }
  });
}

// One of the two sums of norm_backward over all sequences.
void add_sequences(const Call& call, const Tensor& sums, int64_t which, const Destination& into) {
  attune::cpu::sum_parts(into.to, into.add, sums.pointer<float>() + which * call.channels, call.segments.count(),
                         2 * call.channels, call.channels);
}

template <class Operand>
void backward(const Call& call, const Saved& saved, const Tensor& dout, Adjoints& into) {
  GateGradients<Operand> gate{Destination(into, z_input), Destination(into, addend_input),
                              Tensor::empty(dout.shape(), dtype_of<Operand>()),
                              Tensor::empty({dout.size(0), call.heads})};
  Tensor norm_sums = Tensor::empty({call.segments.count(), 2, call.channels});
  const Tensor square = square_of<Operand, Side::backward>(call.in, call.options.causal);
  over_stretches<Operand>(call, [&](Workspace& workspace, const Stretch& stretch) {
    gate.of_rows(call, stretch, saved, dout);
    float* const dn = workspace.rows(stretch.end - stretch.begin, call.channels);
    product_backward<Operand>(call, stretch, square, gate.gate, workspace.product, dn);
    norm_backward(call, stretch, saved, gate.z, dn, norm_sums);
  });
  add_sequences(call, norm_sums, 0, Destination(into, norm_weight_input));
  add_sequences(call, norm_sums, 1, Destination(into, norm_bias_input));
  bias_backward(call, gate.sums, Destination(into, bias_input));
  weight_backward<Operand>(call, saved, gate.gate, Destination(into, weight_input));
}

// ---- The op ---------------------------------------------------------------------------------------------------------

std::vector<Tensor> in_order(const SpatialGatingInputs& in) {
  return {in.z, in.norm_weight, in.norm_bias, in.weight, in.bias, in.addend};
}

Tensor defined(const Call& call, const SpatialGatingInputs& inputs) {
  const DefinedGating forward = defined_gating(call.in, call.segments, call.options);
  return differentiable("spatial_gating", forward.out, in_order(inputs), [=](const Tensor& dout, Adjoints& into) {
    DefinedGatingGradients d = defined_gating_backward(call.in, call.segments, call.options, forward, dout.compact());
    const std::array gradients{&d.z, &d.norm_weight, &d.norm_bias, &d.weight, &d.bias, &d.addend};
    for (size_t i = 0; i < gradients.size(); ++i) {
      into.add(i, std::move(*gradients[i]));
    }
  });
}

template <class Operand>
Tensor fused(Call call, const SpatialGatingInputs& inputs) {
  Saved saved;
  const bool keeps =
      recording({&inputs.z, &inputs.norm_weight, &inputs.norm_bias, &inputs.weight, &inputs.bias, &inputs.addend});
  const Tensor out = forward<Operand>(call, saved, keeps);
  call.in.addend = Tensor();  // no gradient needs it
  return differentiable("spatial_gating", out, in_order(inputs), [=](const Tensor& dout, Adjoints& into) {
    backward<Operand>(call, saved, dout.compact(), into);
  });
}

}  // namespace

Gate gate_of_name(std::string_view name, std::string_view key) {
  using Known = std::pair<std::string_view, Gate>;
  static constexpr std::array known{Known{"split", Gate::split}, Known{"multiplicative", Gate::multiplicative},
                                    Known{"additive", Gate::additive}, Known{"linear", Gate::linear}};
  return entry_of_word(key, name, known, &Known::first).second;
}

Tensor spatial_gating(const SpatialGatingInputs& inputs, const Segments& segments,
                      const SpatialGatingOptions& options) {
  const ProfileScope scope("spatial_gating");
  check_inputs(inputs, options);
  check(segments.packed() && segments.rows() == inputs.z.size(0), "spatial_gating: z has ", inputs.z.size(0),
        " rows, expected packed segments of as many, got ", segments.rows());
  check_length(segments.longest(), inputs.bias.size(1));
  Call call(inputs, segments, options);
  if (inputs.z.dtype() == DType::float64) {
    return defined(call, inputs);
  }
  return options.compute == DType::bfloat16 ? fused<BFloat16>(std::move(call), inputs)
                                            : fused<float>(std::move(call), inputs);
}

Tensor normalised_gate(const SpatialGatingInputs& inputs, const SpatialGatingOptions& options) {
  const Call call(inputs, {}, options);
  Tensor rows = Tensor::empty({inputs.z.size(0), call.channels});
  normalise<float>(call, 0, rows.size(0), rows, nullptr);
  return rows;
}

Tensor spatial_gating_step(const SpatialGatingInputs& inputs, const Tensor& gates, const Segments& past,
                           const SpatialGatingOptions& options) {
  const ProfileScope scope("spatial_gating_step");
  check_inputs(inputs, options);
  check_length(past.longest(), inputs.bias.size(1));
  const Call call(inputs, past, options);
  const Tensor square = square_of<float>(call.in, true);
  const Shape shape{inputs.z.size(0), call.channels};
  Tensor gate = Tensor::empty(shape), out = Tensor::empty(shape);
  const int64_t width = call.channels / call.heads, n = call.positions;
  parallel_for(shape[0], 32768 / (past.longest() * call.channels + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t length = past.length(static_cast<int>(row)), at = row * call.channels;
      const float* from = gates.pointer<float>() + past.begin(static_cast<int>(row)) * gates.stride(0);
      for (int64_t head = 0; head < call.heads; ++head) {
        cpu::mix_rows(square.pointer<float>() + (head * n + length - 1) * n, from + head * width, length,
                      gates.stride(0), width, gate.pointer<float>() + at + head * width);
      }
      cpu::join(call.row(row), gate.pointer<float>() + at, call.in.bias.pointer<float>() + length - 1, n,
                out.pointer<float>() + at);
    }
  });
  return out;
}

}  // namespace attune::attention
