#include "attune/tensor/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "attune/base/check.h"

namespace attune {

namespace {

constexpr size_t alignment = 64;

// Four classes per power of two: at most a quarter is wasted, and similar batches reuse each other's blocks.
size_t size_class(size_t bytes) {
  const size_t small = std::max<size_t>(bytes, 256);
  const size_t step = std::bit_floor(small) / 4;
  return (small + step - 1) / step * step;
}

class Pool {
 public:
  std::byte* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    use_.in_use += static_cast<int64_t>(bytes);
    use_.peak = std::max(use_.peak, use_.in_use);
    auto& blocks = free_[bytes];
    if (!blocks.empty()) {
      std::byte* block = blocks.back();
      blocks.pop_back();
      use_.cached -= static_cast<int64_t>(bytes);
      return block;
    }
    void* block = std::aligned_alloc(alignment, bytes);
    if (block == nullptr) {
      use_.in_use -= static_cast<int64_t>(bytes);
      fail("out of memory: a tensor of ", bytes, " bytes does not fit beside ", use_.in_use, " bytes in use");
    }
    return static_cast<std::byte*>(block);
  }
  void give(std::byte* block, size_t bytes) {
    const std::lock_guard lock(mutex_);
    use_.in_use -= static_cast<int64_t>(bytes);
    if constexpr (reuses_storage) {
      free_[bytes].push_back(block);
      use_.cached += static_cast<int64_t>(bytes);
    } else {
      std::free(block);
    }
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [bytes, blocks] : free_) {
      for (std::byte* block : blocks) {
        std::free(block);
      }
      blocks.clear();
    }
    use_.cached = 0;
  }
  MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return use_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    use_.peak = use_.in_use;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

Pool& pool() {
  static auto* instance = new Pool;  // never destroyed: static tensors may outlive every other static
  return *instance;
}

}  // namespace

struct Storage::Derived {
  uint64_t version = 0;
  std::map<std::vector<int64_t>, std::shared_ptr<const void>> forms;
};

std::shared_ptr<const void> Storage::derived(const std::vector<int64_t>& key,
                                             const std::function<std::shared_ptr<const void>()>& make) const {
  const std::lock_guard lock(lock_);
  if (!derived_ || derived_->version != version()) {
    derived_ = std::make_unique<Derived>(Derived{version(), {}});
  }
  std::shared_ptr<const void>& form = derived_->forms[key];
  if (!form) {
    form = make();
  }
  return form;
}

Storage::Storage(size_t bytes) : bytes_(bytes) {
  check(bytes < (size_t{1} << 46), "Storage: ", bytes, " bytes asked for, more than any machine has");
  data_ = pool().take(size_class(bytes));
}

Storage::~Storage() {
  pool().give(data_, size_class(bytes_));
}

MemoryUse memory_use() {
  return pool().use();
}
void reset_peak_memory() {
  pool().reset_peak();
}
void release_cached_memory() {
  pool().release();
}

}  // namespace attune
