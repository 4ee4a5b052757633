// Memory of tensors. Freed blocks are kept by size class and handed out again, so a training step allocates nothing
// once its sizes have been seen. Blocks are 64-byte aligned (a cache line and an AVX-512 register).
#pragma once

#include <cstddef>
#include <cstdint>

namespace attune {

// Under an address sanitizer (gcc says so in one way, clang in another) nothing is kept, so that a use after free is
// seen.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool reuses_storage = false;
#elif defined(__has_feature)
inline constexpr bool reuses_storage = !__has_feature(address_sanitizer);
#else
inline constexpr bool reuses_storage = true;
#endif

class Storage {
 public:
  explicit Storage(size_t bytes);  // uninitialised; throws when the machine has no such memory
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  // Counts changes by those who may change a tensor in place (optimizers, caches, loaders): packed copies are keyed on
  // it.
  uint64_t version() const { return version_; }
  void changed() { ++version_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  uint64_t version_ = 0;
};

struct MemoryUse {
  int64_t in_use = 0;  // bytes in live storages
  int64_t peak = 0;    // the most since reset_peak_memory()
  int64_t cached = 0;  // bytes kept for reuse
};
MemoryUse memory_use();
void reset_peak_memory();
void release_cached_memory();

}  // namespace attune
