// source_read.h in plain loops, in float64. A mechanism gives
//   double score(const ReadInputs& in, int64_t i, int64_t row, int position): of query i and the source token in `row`
//   void score_backward(in, i, row, position, double ds, ReadGradients& into): its gradients, added
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "attune/attention/source_read_mechanism.h"
#include "attune/autograd/recorder.h"

namespace attune::attention {

// One query, its source and what it sees of it.
struct DefinedQuery {
  int64_t i, source;  // rows of the query and of the source's first token
  Visible seen;
  double centre = 0;

  int sequence;

  DefinedQuery(const ReadInputs& in, int of_sequence, int64_t query)
      : i(query), source(in.options.keys.begin(of_sequence)), sequence(of_sequence) {
    const Window& window = in.options.window;
    centre = window.centre ? window.centre.pointer<double>()[i] : 0;
    seen = visible(window, centre, in.options.keys.length(sequence));
  }
  // exp(-(j - p)^2 / (2 sigma^2)), sigma = reach / 2
  double gaussian(const Window& window, int j) const {
    const double away = (j - centre) / (0.5 * window.reach);
    return window.gaussian ? std::exp(-0.5 * away * away) : 1;
  }
  // values: of the source's tokens from the first visible one; a recorder may change them
  void record(const ReadInputs& in, std::string_view name, std::span<double> values) const {
    Recorder* const recorder = Recorder::current();
    if (recorder != nullptr) {
      std::vector<int> columns(values.size());
      std::iota(columns.begin(), columns.end(), seen.begin);
      recorder->hand({name, sequence, 0, i - in.options.queries.begin(sequence), columns, values});
    }
  }
};

template <class Fn>
void for_each_query(const ReadInputs& in, Fn&& fn) {
  const Segments& queries = in.options.queries;
  for (int s = 0; s < queries.count(); ++s) {
    for (int64_t i = queries.begin(s); i < queries.begin(s) + queries.length(s); ++i) fn(DefinedQuery(in, s, i));
  }
}

template <class Mechanism>
void defined_read(const ReadInputs& in, ReadOutputs& out) {
  const int64_t width = in.value.columns(), longest = out.aligned.columns();
  for_each_query(in, [&](const DefinedQuery& query) {
    const auto [begin, end] = query.seen;
    double *a = out.aligned.pointer<double>() + query.i * longest,
           *w = out.weights.pointer<double>() + query.i * longest;
    const std::span<double> visible(a + begin, static_cast<size_t>(end - begin));
    double highest = -INFINITY, sum = 0;
    for (int j = begin; j < end; ++j) {
      a[j] = Mechanism::score(in, query.i, query.source + j, j);
    }
    query.record(in, "S", visible);
    for (int j = begin; j < end; ++j) highest = std::max(highest, a[j]);
    for (int j = begin; j < end; ++j) sum += a[j] = std::exp(a[j] - highest);
    for (int j = begin; j < end; ++j) a[j] /= sum;
    query.record(in, "P", visible);
    for (int j = begin; j < end; ++j) {
      w[j] = a[j] * query.gaussian(in.options.window, j);
      for (int64_t c = 0; c < width; ++c) {
        out.context.pointer<double>()[query.i * width + c] +=
            w[j] * in.value.pointer<double>()[(query.source + j) * width + c];
      }
    }
    query.record(in, "W", {w + begin, visible.size()});
  });
}

// dw_j = dc . value_j,  dvalue_j = w_j dc;  with g the Gaussian: da = g dw,  dp = sum_j a_j dw_j g_j (j - p) / sigma^2;
// ds_j = a_j (da_j - sum_m a_m da_m)
template <class Mechanism>
void defined_read_backward(const ReadInputs& in, const ReadOutputs& saved, const Tensor& dcontext,
                           ReadGradients& into) {
  const int64_t width = in.value.columns(), longest = saved.aligned.columns();
  const Window& window = in.options.window;
  for_each_query(in, [&](const DefinedQuery& query) {
    const auto [begin, end] = query.seen;
    const double *a = saved.aligned.pointer<double>() + query.i * longest,
                 *dc = dcontext.pointer<double>() + query.i * width;
    std::vector<double> da(static_cast<size_t>(end));
    double mean = 0;
    for (int j = begin; j < end; ++j) {
      const double g = query.gaussian(window, j);
      const int64_t row = (query.source + j) * width;
      double dw = 0;
      for (int64_t c = 0; c < width; ++c) {
        dw += dc[c] * in.value.pointer<double>()[row + c];
        into.value.pointer<double>()[row + c] += a[j] * g * dc[c];
      }
      if (window.gaussian) {
        const double variance = 0.25 * window.reach * window.reach;
        into.centre.pointer<double>()[query.i] += a[j] * dw * g * (j - query.centre) / variance;
      }
      da[static_cast<size_t>(j)] = g * dw;
      mean += a[j] * g * dw;
    }
    const std::span<double> visible(da.data() + begin, static_cast<size_t>(end - begin));
    query.record(in, "dP", visible);
    for (int j = begin; j < end; ++j) da[static_cast<size_t>(j)] = a[j] * (da[static_cast<size_t>(j)] - mean);
    query.record(in, "dS", visible);
    for (int j = begin; j < end; ++j) {
      Mechanism::score_backward(in, query.i, query.source + j, j, da[static_cast<size_t>(j)], into);
    }
  });
}

}  // namespace attune::attention
