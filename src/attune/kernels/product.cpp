#include "attune/kernels/product.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <unordered_map>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::kernels {

namespace {

// Rows of C are cut in blocks of 512, a multiple of 16 and a rest below 16: at most 48 primitives a shape exist however
// many different batch sizes come by, and a row's bits do not depend on its block's height.
constexpr int64_t row_block = 512;
// Long sums are cut in the same way and added up in order.
constexpr int64_t sum_block = 1024;

int64_t next_block(int64_t left, int64_t block) {
  return left >= block ? block : left >= 16 ? left / 16 * 16 : left;
}

// C's old values are read when they are added to.
template <class T, class Sum>
void count_product(const Matrix<const T>& a, const Matrix<Sum>& c, const ProductOptions& options) {
  const auto m = static_cast<double>(c.rows), n = static_cast<double>(c.columns);
  const auto k = static_cast<double>(a.transposed ? a.rows : a.columns);
  ProfileScope::count(2 * m * n * k, sizeof(T) * (m * k + k * n) + sizeof(Sum) * m * n * (options.accumulate ? 2 : 1));
}

template <class T>
void check_sizes(const Matrix<const T>& a, const Matrix<const T>& b, int64_t rows, int64_t columns) {
  const int64_t m = a.transposed ? a.columns : a.rows, k = a.transposed ? a.rows : a.columns;
  const int64_t kb = b.transposed ? b.columns : b.rows, n = b.transposed ? b.rows : b.columns;
  check(m == rows && n == columns && k == kb, "product: [", m, ", ", k, "] x [", kb, ", ", n, "] into [", rows, ", ",
        columns, "]");
}

// One operand's part: `begin` rows (of the used, possibly transposed form) further on.
template <class T>
T* advance(const Matrix<T>& x, int64_t row, int64_t column) {
  return x.data + (x.transposed ? column * x.stride + row : row * x.stride + column);
}

// ---- oneDNN ---------------------------------------------------------------------------------------------------------

struct Key {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int flags;  // transposes, type, accumulate, bias
  auto operator<=>(const Key&) const = default;
};

enum Flag : int { transpose_a = 1, transpose_b = 2, bfloat = 4, sums = 8, with_bias = 16 };

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::memory::desc layout(int64_t rows, int64_t columns, int64_t stride, bool transposed,
                          dnnl::memory::data_type type) {
  using Dims = dnnl::memory::dims;
  return {Dims{rows, columns}, type, transposed ? Dims{1, stride} : Dims{stride, 1}};
}

struct Primitive {
  dnnl::matmul matmul;
  dnnl::memory::desc a, b, c, bias, scratch;
};

Primitive make_primitive(const Key& key) {
  using Type = dnnl::memory::data_type;
  const Type type = (key.flags & bfloat) != 0 ? Type::bf16 : Type::f32;
  Primitive result;
  result.a = layout(key.m, key.k, key.a_stride, (key.flags & transpose_a) != 0, type);
  result.b = layout(key.k, key.n, key.b_stride, (key.flags & transpose_b) != 0, type);
  result.c = layout(key.m, key.n, key.c_stride, false, Type::f32);
  result.bias = layout(1, key.n, key.n, false, Type::f32);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if ((key.flags & sums) != 0) {
    dnnl::post_ops after;
    after.append_sum(1.0f);
    attributes.set_post_ops(after);
  }
#if DNNL_VERSION_MAJOR >= 3
  const auto description =
      (key.flags & with_bias) != 0
          ? dnnl::matmul::primitive_desc(engine(), result.a, result.b, result.bias, result.c, attributes)
          : dnnl::matmul::primitive_desc(engine(), result.a, result.b, result.c, attributes);
#else
  const auto what = (key.flags & with_bias) != 0 ? dnnl::matmul::desc(result.a, result.b, result.bias, result.c)
                                                 : dnnl::matmul::desc(result.a, result.b, result.c);
  const dnnl::matmul::primitive_desc description(what, attributes, engine());
#endif
  result.matmul = dnnl::matmul(description);
  result.scratch = description.scratchpad_desc();
  return result;
}

// Memory that a product needs while it runs, one piece a thread: left to itself, every primitive keeps its own, about
// as large as its operands.
void* scratch_memory(size_t bytes) {
  thread_local std::unique_ptr<void, decltype(&std::free)> memory(nullptr, &std::free);
  thread_local size_t size = 0;
  if (bytes > size) {
    constexpr size_t page = 4096;
    size = (bytes + page - 1) / page * page;
    memory.reset();  // first: the old one is not needed beside the new one
    memory.reset(std::aligned_alloc(page, size));
    check(memory != nullptr, "out of memory: a product needs ", size, " bytes beside its operands");
  }
  return memory.get();
}

// Kept per computing thread, so that finding one needs no lock.
const Primitive& cached_primitive(const Key& key) {
  thread_local std::map<Key, Primitive> cache;
  auto found = cache.find(key);
  if (found == cache.end()) {
    try {
      found = cache.emplace(key, make_primitive(key)).first;
    } catch (const dnnl::error& error) {
      fail("product: oneDNN offers no [", key.m, ", ", key.k, "] x [", key.k, ", ", key.n, "] product: ", error.what());
    }
  }
  return found->second;
}

template <class T>
void onednn_block(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<float>& c, const float* bias,
                  const Key& key) {
  thread_local dnnl::stream stream(engine());
  const Primitive& primitive = cached_primitive(key);
  const auto memory = [&](const dnnl::memory::desc& description, const void* data) {
    return dnnl::memory(description, engine(), const_cast<void*>(data));
  };
  std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, memory(primitive.a, a.data)},
                                                  {DNNL_ARG_WEIGHTS, memory(primitive.b, b.data)},
                                                  {DNNL_ARG_DST, memory(primitive.c, c.data)}};
  if (const size_t needed = primitive.scratch.get_size(); needed > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(primitive.scratch, scratch_memory(needed)));
  }
  if (bias != nullptr) {
    arguments.emplace(DNNL_ARG_BIAS, memory(primitive.bias, bias));
  }
  primitive.matmul.execute(stream, arguments);
}

template <class T>
void onednn_product(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<float>& c, const float* bias,
                    bool accumulate) {
  const int64_t k = a.transposed ? a.rows : a.columns;
  const int types =
      (a.transposed ? transpose_a : 0) | (b.transposed ? transpose_b : 0) | (std::is_same_v<T, BFloat16> ? bfloat : 0);
  for (int64_t row = 0; row < c.rows;) {
    const int64_t rows = a.transposed ? c.rows : next_block(c.rows - row, row_block);
    for (int64_t sum = 0; sum < k;) {
      // Sums as long as a layer is wide are left whole; only sums over tokens (a transposed) are cut.
      const int64_t depth = a.transposed ? next_block(k - sum, sum_block) : k;
      const bool add = accumulate || sum > 0;
      const float* added = sum == 0 ? bias : nullptr;
      const Key key{rows,
                    c.columns,
                    depth,
                    a.stride,
                    b.stride,
                    c.stride,
                    types | (add ? sums : 0) | (added != nullptr ? with_bias : 0)};
      onednn_block<T>({advance(a, row, sum), 0, 0, a.stride, a.transposed},
                      {advance(b, sum, 0), 0, 0, b.stride, b.transposed},
                      {c.data + row * c.stride, rows, c.columns, c.stride}, added, key);
      sum += depth;
    }
    row += rows;
  }
}

// ---- the plain loop -------------------------------------------------------------------------------------------------

template <class T>
void plain_rows(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<T>& c, int64_t begin, int64_t end) {
  const int64_t k = a.transposed ? a.rows : a.columns;
  constexpr int64_t block = 64;
  for (int64_t k0 = 0; k0 < k; k0 += block) {
    const int64_t k1 = std::min(k, k0 + block);
    for (int64_t i = begin; i < end; ++i) {
      T* row = c.data + i * c.stride;
      for (int64_t p = k0; p < k1; ++p) {
        const T factor = *advance(a, i, p);
        const T* other = advance(b, p, 0);
        const int64_t step = b.transposed ? b.stride : 1;
        for (int64_t j = 0; j < c.columns; ++j) {
          row[j] += factor * other[j * step];
        }
      }
    }
  }
}

template <class T>
void fill_bias(const Matrix<T>& c, const T* bias) {
  for (int64_t i = 0; i < c.rows; ++i) {
    T* row = c.data + i * c.stride;
    if (bias != nullptr) {
      std::copy_n(bias, c.columns, row);
    } else {
      std::fill_n(row, c.columns, T{0});
    }
  }
}

// What needs no product: an empty result, or a sum over nothing.
template <class T, class Sum>
bool is_trivial(const Matrix<const T>& a, const Matrix<Sum>& c, const Sum* bias, const ProductOptions& options) {
  if (c.rows == 0 || c.columns == 0) {
    return true;
  }
  if ((a.transposed ? a.rows : a.columns) > 0) {
    return false;
  }
  if (!options.accumulate) {
    fill_bias(c, bias);
  }
  return true;
}

template <class T>
void narrow_product(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<float>& c, const float* bias,
                    const ProductOptions& options) {
  check_sizes(a, b, c.rows, c.columns);
  check(bias == nullptr || !options.accumulate, "product: a bias cannot be added to a sum that goes on");
  const ProfileScope scope("product");
  count_product(a, c, options);
  if (!is_trivial(a, c, bias, options)) {
    onednn_product<T>(a, b, c, bias, options.accumulate);
  }
}

}  // namespace

void product(Matrix<const float> a, Matrix<const float> b, Matrix<float> c, const float* bias,
             const ProductOptions& options) {
  narrow_product(a, b, c, bias, options);
}

void product(Matrix<const BFloat16> a, Matrix<const BFloat16> b, Matrix<float> c, const float* bias,
             const ProductOptions& options) {
  narrow_product(a, b, c, bias, options);
}

void product(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, const double* bias,
             const ProductOptions& options) {
  check_sizes(a, b, c.rows, c.columns);
  check(bias == nullptr || !options.accumulate, "product: a bias cannot be added to a sum that goes on");
  const ProfileScope scope("product");
  count_product(a, c, options);
  if (!options.accumulate) {
    fill_bias(c, bias);
  }
  parallel_for(c.rows, std::max<int64_t>(1, 20000 / std::max<int64_t>(1, c.columns)),
               [&](int64_t begin, int64_t end) { plain_rows(a, b, c, begin, end); });
}

std::string product_library() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace attune::kernels
