#include "attune/attention/performer.h"

#include <algorithm>
#include <cmath>

#include "attune/attention/feature_attention-inl.h"
#include "attune/attention/feature_definition-inl.h"
#include "attune/ops/weight_product.h"

namespace attune::attention {

namespace {

constexpr const char* name = "performer";

double epsilon_of(const PerformerOptions& options) {
  return options.epsilon.value_or(options.kernel == PerformerKernel::exponential ? 1e-4 : 1e-3);
}

void check_random_features(const Tensor& features, int64_t depth, DType dtype) {
  check(features.rank() == 2 && features.size(0) >= 1 && features.size(1) == depth, name, ": the features are ",
        features.shape(), ", expected [their number, ", depth, "] for a depth of ", depth);
  check(features.dtype() == dtype, name, ": the features hold ", attune::name_of(features.dtype()), ", q, k, v ",
        attune::name_of(dtype), ": expected one type");
}

// ---- The definition -------------------------------------------------------------------------------------------------

struct DefinedRandomFeatures {
  DefinedRandomFeatures(const Tensor& w, const PerformerOptions& options)
      : features(w.size(0)),
        depth(w.size(1)),
        weight(w.compact()),
        kernel(options.kernel),
        epsilon(epsilon_of(options)),
        shrink(std::pow(static_cast<double>(depth), -0.25)) {}

  void value(const double* x, double* phi) const {
    const std::vector<double> p = projections(x);
    const double half = half_square(x), norm = 1 / std::sqrt(static_cast<double>(features));
    const double largest = std::exp(*std::max_element(p.begin(), p.end()) - half);
    for (int64_t f = 0; f < features; ++f) {
      const double w_x = p[static_cast<size_t>(f)];
      phi[f] = norm * (kernel == PerformerKernel::relu ? std::max(w_x, 0.0) + epsilon
                                                       : std::exp(w_x - half) + epsilon * largest);
    }
  }

  void gradient(const double* x, const double* dphi, double* dx) const {
    const std::vector<double> p = projections(x);
    const double half = half_square(x), norm = 1 / std::sqrt(static_cast<double>(features));
    const auto largest = std::max_element(p.begin(), p.end()) - p.begin();
    double all = 0;
    for (int64_t f = 0; f < features; ++f) all += norm * dphi[f];
    for (int64_t f = 0; f < features; ++f) {
      const double w_x = p[static_cast<size_t>(f)];
      const bool exponential = kernel == PerformerKernel::exponential;
      const double dp = exponential ? (norm * dphi[f] + (f == largest ? epsilon * all : 0)) * std::exp(w_x - half)
                                    : (w_x > 0 ? norm * dphi[f] : 0);
      for (int64_t c = 0; c < depth; ++c) {
        dx[c] += dp * shrink * (weight.pointer<double>()[f * depth + c] - (exponential ? x[c] * shrink : 0));
      }
    }
  }

  int64_t features, depth;
  Tensor weight;
  PerformerKernel kernel;
  double epsilon, shrink;  // shrink: x' = shrink x

 private:
  std::vector<double> projections(const double* x) const {  // w_f . x'
    std::vector<double> p(static_cast<size_t>(features));
    for (int64_t f = 0; f < features; ++f) {
      for (int64_t c = 0; c < depth; ++c) {
        p[static_cast<size_t>(f)] += weight.pointer<double>()[f * depth + c] * x[c] * shrink;
      }
    }
    return p;
  }
  double half_square(const double* x) const {  // |x'|^2 / 2
    double square = 0;
    for (int64_t c = 0; c < depth; ++c) square += x[c] * shrink * x[c] * shrink;
    return square / 2;
  }
};

// ---- float32 --------------------------------------------------------------------------------------------------------

// What both kernels project: rows times w', and back.
class Projection {
 public:
  Projection(const Tensor& w, const PerformerOptions& options)
      : weight_(detach(w)),
        floor_(static_cast<float>(epsilon_of(options))),
        shrink_(static_cast<float>(std::pow(static_cast<double>(w.size(1)), -0.25))) {}
  int64_t features() const { return weight_.size(0); }

 protected:
  void project(const Given& x, const Written& p) const {
    weight_product<float, true, float>(x.matrix(), weight_, p.matrix(), nullptr, {});
  }
  void project_back(const Given& dp, const Written& dx) const {
    weight_product<float, false, float>(dp.matrix(), weight_, dx.matrix(), nullptr, {});
  }

  Tensor weight_;
  float floor_, shrink_;
};

class Exponential : public Projection {
 public:
  static constexpr bool scaled = true;
  using Projection::Projection;

  void map(const Given& x, const Written& phi, float* log_scales) const {
    project(x, phi);
    for (int64_t i = 0; i < x.count; ++i) {
      const float square = shrink_ * shrink_ * cpu::dot(x[i], x[i], x.columns);
      log_scales[i] = cpu::exponentials(phi[i], phi.columns, shrink_, floor_) - 0.5F * square;
    }
  }
  void backward(const Given& x, const Given& phi, const Written& dphi, const Written& dx, bool from_scale) const {
    float sums[features::chunk];
    for (int64_t i = 0; i < x.count; ++i) {
      sums[i] = cpu::exponentials_backward(phi[i], dphi[i], phi.columns, shrink_, floor_);
    }
    project_back(dphi, dx);
    for (int64_t i = 0; from_scale && i < x.count; ++i) {
      cpu::add_scaled(-sums[i] * shrink_ * shrink_, x[i], dx[i], x.columns);
    }
  }
};

class Rectified : public Projection {
 public:
  static constexpr bool scaled = false;
  using Projection::Projection;

  void map(const Given& x, const Written& phi, float*) const {
    project(x, phi);
    for (int64_t i = 0; i < x.count; ++i) cpu::rectified(phi[i], phi.columns, shrink_, floor_);
  }
  void backward(const Given&, const Given& phi, const Written& dphi, const Written& dx, bool) const {
    for (int64_t i = 0; i < phi.count; ++i) cpu::rectified_backward(phi[i], dphi[i], phi.columns, shrink_, floor_);
    project_back(dphi, dx);
  }
};

// fn(map)
template <class Fn>
auto with_map(const Tensor& features, const PerformerOptions& options, Fn&& fn) {
  return options.kernel == PerformerKernel::relu ? fn(Rectified(features, options))
                                                 : fn(Exponential(features, options));
}

// ---- Drawing --------------------------------------------------------------------------------------------------------

double dot(const double* x, const double* y, int64_t count) {
  double sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += x[c] * y[c];
  return sum;
}

// Q' of QR by Gram and Schmidt, twice for the digits; R's diagonal is positive, so Q is uniform.
void make_orthogonal(double* rows, int64_t count, int64_t depth) {
  for (int64_t i = 0; i < count; ++i) {
    double* row = rows + i * depth;
    for (int64_t j = 0; j < 2 * i; ++j) {
      const double* other = rows + j % i * depth;
      const double shared = dot(row, other, depth);
      for (int64_t c = 0; c < depth; ++c) row[c] -= shared * other[c];
    }
    const double norm = std::sqrt(dot(row, row, depth));
    for (int64_t c = 0; c < depth; ++c) row[c] /= norm;
  }
}

double norm_of_normals(const Rng& rng, int64_t first, int64_t count) {
  double square = 0;
  for (int64_t c = first; c < first + count; ++c) {
    const double x = rng.normal(static_cast<uint64_t>(c));
    square += x * x;
  }
  return std::sqrt(square);
}

}  // namespace

Tensor random_features(const Shape& shape, const Rng& rng, int64_t draw, const RandomFeatureOptions& options,
                       DType dtype) {
  check(shape.rank() == 2 && shape[0] >= 1 && shape[1] >= 1, "random_features: shape ", shape,
        ", expected [features, depth], each at least 1");
  check(draw >= 0, "random_features: draw ", draw, ", expected 0 or more");
  const int64_t count = shape[0], depth = shape[1];
  const Rng drawn = rng.stream("random features").stream(static_cast<uint64_t>(draw));
  Tensor result = Tensor::empty(shape, DType::float64);
  double* rows = result.pointer<double>();
  for (int64_t i = 0; i < count * depth; ++i) rows[i] = drawn.normal(static_cast<uint64_t>(i));
  const Rng norms = drawn.stream("norms");
  for (int64_t first = 0; options.orthogonal && first < count; first += depth) {
    const int64_t height = std::min(depth, count - first);
    make_orthogonal(rows + first * depth, height, depth);
    for (int64_t i = first; i < first + height; ++i) {
      const double norm =
          options.equal_norms ? std::sqrt(static_cast<double>(depth)) : norm_of_normals(norms, i * depth, depth);
      for (int64_t c = 0; c < depth; ++c) rows[i * depth + c] *= norm;
    }
  }
  return result.to(dtype);
}

Tensor performer(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& features, const Segments& queries,
                 const Segments& keys, const PerformerOptions& options) {
  const FeatureCall call{name, detach(q), detach(k), detach(v), queries, keys, options.causal};
  check_features(call);
  check_random_features(features, q.size(2), q.dtype());
  check(keys.disjoint() || !recording({&q, &k, &v}), name, ": the backward needs disjoint keys");
  if (q.dtype() == DType::float64) {
    return features::attend_by_definition(DefinedRandomFeatures(features, options), call, {q, k, v});
  }
  return with_map(features, options, [&](auto map) {
    return features::attend(std::make_shared<const decltype(map)>(std::move(map)), call, {q, k, v});
  });
}

Tensor performer_step(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& features, FeatureState& state,
                      const PerformerOptions& options) {
  check_random_features(features, q.columns(), q.dtype());
  return with_map(features, options, [&](const auto& map) {
    return features::step(map, {name, q, k, v, features.size(0), map.scaled}, state, 0);
  });
}

FeatureState performer_state(const Tensor& k, const Tensor& v, const Tensor& features, const Segments& keys,
                             const PerformerOptions& options) {
  const FeatureCall call{name, k, k, v, keys, keys};
  check_features(call);
  check_random_features(features, k.size(2), DType::float32);
  return with_map(features, options, [&](const auto& map) { return features::state_after(map, call); });
}

Tensor performer_map(const Tensor& x, const Tensor& features, const PerformerOptions& options) {
  check_random_features(features, x.columns(), x.dtype());
  const DefinedRandomFeatures map(features.to(DType::float64), options);
  const Tensor rows = x.to(DType::float64).compact();
  Tensor result = Tensor::empty({x.size(0), x.size(1), map.features}, DType::float64);
  for (int64_t r = 0; r < rows.rows(); ++r) {
    map.value(rows.pointer<double>() + r * map.depth, result.pointer<double>() + r * map.features);
  }
  return result;
}

}  // namespace attune::attention
