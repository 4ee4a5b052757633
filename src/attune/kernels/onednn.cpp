#include "attune/kernels/onednn.h"

#include <cstdlib>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "attune/base/check.h"

namespace attune::kernels::onednn {

namespace {

using Type = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::stream& stream() {
  thread_local dnnl::stream instance(engine());
  return instance;
}

dnnl::memory wrapped(const dnnl::memory::desc& description, const void* data) {
  return {description, engine(), const_cast<void*>(data)};
}

dnnl::memory::desc layout(int64_t rows, int64_t columns, int64_t stride, bool transposed, Type type) {
  return {Dims{rows, columns}, type, transposed ? Dims{1, stride} : Dims{stride, 1}};
}

dnnl::matmul::primitive_desc described(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                       const dnnl::memory::desc& c, const dnnl::memory::desc* bias,
                                       const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return bias != nullptr ? dnnl::matmul::primitive_desc(engine(), a, b, *bias, c, attributes)
                         : dnnl::matmul::primitive_desc(engine(), a, b, c, attributes);
#else
  const auto what = bias != nullptr ? dnnl::matmul::desc(a, b, *bias, c) : dnnl::matmul::desc(a, b, c);
  return {what, attributes, engine()};
#endif
}

// Looked up by the computing thread in its own table, so that finding needs no lock.
template <class Value, class TableKey, class Make>
const Value& cached(const TableKey& key, Make&& make) {
  thread_local std::map<TableKey, Value> cache;
  auto found = cache.find(key);
  if (found == cache.end()) {
    found = cache.emplace(key, make()).first;
  }
  return found->second;
}

// The layout that the library chooses for B of bfloat16 when it may (measured with 2.6: the same for every number of
// rows of A).
const dnnl::memory::desc& blocked_layout(int64_t k, int64_t n) {
  return cached<dnnl::memory::desc>(std::pair(k, n), [&] {
    return described(layout(row_block, k, k, false, Type::bf16),
                     dnnl::memory::desc(Dims{k, n}, Type::bf16, dnnl::memory::format_tag::any),
                     layout(row_block, n, n, false, Type::f32), nullptr, {})
        .weights_desc();
  });
}

struct Primitive {
  dnnl::matmul matmul;
  dnnl::memory::desc a, b, c, bias, scratch;
};

Primitive make_primitive(const Key& key) {
  const Type type = (key.flags & bfloat) != 0 ? Type::bf16 : Type::f32;
  Primitive result;
  result.a = layout(key.m, key.k, key.a_stride, (key.flags & transpose_a) != 0, type);
  result.b = (key.flags & blocked_b) != 0 ? blocked_layout(key.k, key.n)
                                          : layout(key.k, key.n, key.b_stride, (key.flags & transpose_b) != 0, type);
  result.c = layout(key.m, key.n, key.c_stride, false, Type::f32);
  result.bias = layout(1, key.n, key.n, false, Type::f32);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if ((key.flags & sums) != 0) {
    dnnl::post_ops after;
    after.append_sum(1.0f);
    attributes.set_post_ops(after);
  }
  const auto description =
      described(result.a, result.b, result.c, (key.flags & with_bias) != 0 ? &result.bias : nullptr, attributes);
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

}  // namespace

void multiply(const Key& key, const void* a, const void* b, float* c, const float* bias) {
  const Primitive* primitive = nullptr;
  try {
    primitive = &cached<Primitive>(key, [&] { return make_primitive(key); });
  } catch (const dnnl::error& error) {
    fail("product: oneDNN offers no [", key.m, ", ", key.k, "] x [", key.k, ", ", key.n, "] product: ", error.what());
  }
  std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, wrapped(primitive->a, a)},
                                                  {DNNL_ARG_WEIGHTS, wrapped(primitive->b, b)},
                                                  {DNNL_ARG_DST, wrapped(primitive->c, c)}};
  if (const size_t needed = primitive->scratch.get_size(); needed > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, wrapped(primitive->scratch, scratch_memory(needed)));
  }
  if (bias != nullptr) {
    arguments.emplace(DNNL_ARG_BIAS, wrapped(primitive->bias, bias));
  }
  primitive->matmul.execute(stream(), arguments);
}

int64_t blocked_bytes(int64_t k, int64_t n) {
  try {
    return static_cast<int64_t>(blocked_layout(k, n).get_size());
  } catch (const dnnl::error& error) {
    fail("product: oneDNN offers no bfloat16 product with [", k, ", ", n, "] here: ", error.what());
  }
}

void block(const Plain& plain, const void* from, void* to) {
  const dnnl::memory::desc& target = blocked_layout(plain.rows, plain.columns);
  const dnnl::memory::desc source =
      layout(plain.rows, plain.columns, plain.stride, plain.transposed, plain.bfloat ? Type::bf16 : Type::f32);
  const auto& reorder = cached<dnnl::reorder>(
      plain, [&] { return dnnl::reorder(dnnl::reorder::primitive_desc(engine(), source, engine(), target)); });
  dnnl::memory in = wrapped(source, from), out = wrapped(target, to);
  reorder.execute(stream(), in, out);
}

std::string version() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace attune::kernels::onednn
