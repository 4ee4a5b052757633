#include "attune/attention/longformer.h"

#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"

namespace attune::attention {

namespace {

// y = x, but row rows[n] is row n of `others`. Nothing in x depends on what those rows would have been.
Tensor with_rows(const Tensor& x, const Tensor& others, const std::vector<int32_t>& rows) {
  Tensor y = x.clone();
  for (size_t n = 0; n < rows.size(); ++n) {
    y.rows_view(rows[n], 1).copy_from(others.rows_view(static_cast<int64_t>(n), 1));
  }
  return differentiable("longformer", y, {x, others}, [rows, shape = others.shape()](const Tensor& dy, Adjoints& into) {
    into.add(0, dy);  // queries of these rows see nothing: their share of dy reaches nothing
    Tensor d = Tensor::empty(shape, dy.dtype());
    for (size_t n = 0; n < rows.size(); ++n) {
      d.rows_view(static_cast<int64_t>(n), 1).copy_from(dy.rows_view(rows[n], 1));
    }
    into.add(1, d);
  });
}

void check_options(const Options& options) {
  const Mask& mask = options.mask;
  check(mask.pattern.has_value(), "longformer: the mask has no pattern, expected one with a sliding window");
  const auto* const bigbird = std::get_if<BigBird>(&mask.pattern->rule);
  check(bigbird == nullptr || bigbird->global_blocks == 0,
        "longformer: BigBird's global blocks have no projections of their own; name global tokens instead");
  check(!mask.causal && !mask.left && !mask.right,
        "longformer: global tokens see the whole sequence, so there is no causal form and no band; without projections "
        "of their own, scaled_dot takes a causal mask with a pattern");
  check(!mask.allowed && std::holds_alternative<std::monostate>(options.bias),
        "longformer: takes no explicit mask and no bias");
}

}  // namespace

GlobalRows global_rows(const GlobalTokens& global, const Segments& tokens) {
  GlobalRows found;
  std::vector<int> counts;
  for (int s = 0; s < tokens.count(); ++s) {
    const size_t before = found.rows.size();
    for (int position = 0; position < tokens.length(s); ++position) {
      if (is_global(global, s, position)) found.rows.push_back(static_cast<int32_t>(tokens.begin(s) + position));
    }
    counts.push_back(static_cast<int>(found.rows.size() - before));
  }
  found.queries = Segments::of_lengths(counts);
  return found;
}

Tensor longformer(const Tensor& q, const Tensor& k, const Tensor& v, const GlobalProjections& global,
                  const Segments& tokens, const Options& options) {
  check_options(options);
  const GlobalTokens& chosen = options.mask.pattern->global;
  Options local = options, whole = options;
  local.mask.pattern->global.attend = false;
  const Tensor out = scaled_dot(q, k, v, tokens, tokens, local).out;  // which has checked the pattern
  const auto [rows, queries] = global_rows(chosen, tokens);
  if (rows.empty()) return out;
  check(global.q.rank() == 3 && global.q.size(0) == queries.rows(), "longformer: global queries ", global.q.shape(),
        " for ", queries.rows(), " global tokens");
  whole.mask = {};
  if (whole.dropout.rng) whole.dropout.rng = whole.dropout.rng->stream("global");
  const RecordedPart part("g");
  const Tensor seeing_all = scaled_dot(global.q, global.k, global.v, queries, tokens, whole).out;
  return with_rows(out, seeing_all, rows);
}

}  // namespace attune::attention
