// Memory of tensors. Freed blocks are kept and handed out again, to a tensor of half their size as well, so that a
// training step allocates nothing once the largest batch has been seen; tensors and kept blocks together stay within
// 9/8 of the most that tensors once held. Blocks are 64-byte aligned (a cache line and an AVX-512 register), large ones
// lie in huge pages where the system has some.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

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

  // Counts changes by those who change in place what others may have seen (Tensor::data, optimizers, loaders). What is
  // kept in another form (tensor/derived.h) holds for one version.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  // Two threads at once may count as one change, which is as good.
  void changed() { version_.store(version() + 1, std::memory_order_relaxed); }

  // What was derived from this version of the storage under `key`; made now when there is none. The maker runs under
  // the storage's lock: it must not ask for another derived form of the same storage.
  std::shared_ptr<const void> derived(const std::vector<int64_t>& key,
                                      const std::function<std::shared_ptr<const void>()>& make) const;

 private:
  struct Derived;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0, block_ = 0;  // asked for; of the block
  std::atomic<uint64_t> version_ = 0;
  mutable std::mutex lock_;
  mutable std::unique_ptr<Derived> derived_;
};

struct MemoryUse {
  int64_t in_use = 0;       // bytes in live storages, as they were asked for
  int64_t peak = 0;         // the most since reset_peak_memory()
  int64_t cached = 0;       // bytes kept for reuse
  int64_t allocations = 0;  // blocks that were asked of the system, ever
};
MemoryUse memory_use();
void reset_peak_memory();
void release_cached_memory();

}  // namespace attune
