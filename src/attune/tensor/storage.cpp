#include "attune/tensor/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "attune/base/check.h"

namespace attune {

namespace {

constexpr size_t alignment = 64;

// Eight classes per power of two: at most an eighth is wasted.
size_t size_class(size_t bytes) {
  const size_t small = std::max<size_t>(bytes, 512);
  const size_t step = std::bit_floor(small) / 8;
  return (small + step - 1) / step * step;
}

// ---- The system's memory --------------------------------------------------------------------------------------------

// Large blocks are the system's own pages: what is freed is really gone, and huge pages spare address translation.
constexpr size_t huge_page = size_t{2} << 20;

bool is_large(size_t bytes) {
  return reuses_storage && bytes >= huge_page;
}

size_t whole_pages(size_t bytes) {
  constexpr size_t page = 4096;
  return (bytes + page - 1) / page * page;
}

std::byte* map_pages(size_t bytes) {
  const size_t wanted = whole_pages(bytes), mapped = wanted + huge_page;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) {
    return nullptr;
  }
  auto* first = static_cast<std::byte*>(start);
  const size_t skipped = (huge_page - reinterpret_cast<uintptr_t>(first) % huge_page) % huge_page;
  if (skipped > 0) {
    munmap(first, skipped);
  }
  munmap(first + skipped + wanted, mapped - skipped - wanted);
  madvise(first + skipped, wanted, MADV_HUGEPAGE);  // where it is refused, small pages do
  return first + skipped;
}

std::byte* allocate(size_t bytes) {
  return is_large(bytes) ? map_pages(bytes) : static_cast<std::byte*>(std::aligned_alloc(alignment, bytes));
}

void deallocate(std::byte* data, size_t bytes) {
  if (is_large(bytes)) {
    munmap(data, whole_pages(bytes));
  } else {
    std::free(data);
  }
}

// ---- The pool -------------------------------------------------------------------------------------------------------

struct Block {
  std::byte* data;
  size_t bytes;
};

class Pool {
 public:
  Block take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t wanted = size_class(bytes);
    Block block = cached(wanted);
    if (block.data == nullptr) {
      block = fresh(wanted);
      check(block.data != nullptr, "out of memory: a tensor of ", bytes, " bytes does not fit beside ", use_.in_use,
            " bytes in use");
    }
    use_.in_use += static_cast<int64_t>(bytes);
    use_.peak = std::max(use_.peak, use_.in_use);
    held_ += block.bytes;
    most_held_ = std::max(most_held_, held_);
    return block;
  }
  void give(const Block& block, size_t bytes) {
    const std::lock_guard lock(mutex_);
    use_.in_use -= static_cast<int64_t>(bytes);
    held_ -= block.bytes;
    if constexpr (reuses_storage) {
      free_[block.bytes].push_back({block.data, ++clock_});
      use_.cached += static_cast<int64_t>(block.bytes);
    } else {
      deallocate(block.data, block.bytes);
    }
  }
  void release() {
    const std::lock_guard lock(mutex_);
    while (use_.cached > 0) {
      free_oldest();
    }
    most_held_ = held_;
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
  struct Kept {
    std::byte* data;
    uint64_t since;  // on the clock
  };

  // The smallest kept block that is at most twice as large; none: no data.
  Block cached(size_t wanted) {
    const auto found = free_.lower_bound(wanted);
    if (found == free_.end() || found->first > 2 * wanted) {
      return {nullptr, 0};
    }
    const Block block{found->second.back().data, found->first};
    found->second.pop_back();
    if (found->second.empty()) {
      free_.erase(found);
    }
    use_.cached -= static_cast<int64_t>(block.bytes);
    return block;
  }

  // What has lain unused for the longest makes room, so that similar but varying batches do not each keep their blocks.
  Block fresh(size_t bytes) {
    const size_t most =
        std::max(most_held_, held_ + bytes) * 9 / 8;  // without the eighth, sizes that alternate evict each other
    while (use_.cached > 0 && held_ + bytes + static_cast<size_t>(use_.cached) > most) {
      free_oldest();
    }
    ++use_.allocations;
    return {allocate(bytes), bytes};
  }

  void free_oldest() {
    const auto oldest = std::min_element(free_.begin(), free_.end(), [](const auto& a, const auto& b) {
      return a.second.front().since < b.second.front().since;
    });
    deallocate(oldest->second.front().data, oldest->first);
    use_.cached -= static_cast<int64_t>(oldest->first);
    oldest->second.erase(oldest->second.begin());
    if (oldest->second.empty()) {
      free_.erase(oldest);
    }
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<Kept>> free_;  // by size, no list empty; the longest unused first
  uint64_t clock_ = 0;
  size_t held_ = 0, most_held_ = 0;  // bytes of the blocks in use, now and at most
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
  const Block block = pool().take(bytes);
  data_ = block.data;
  block_ = block.bytes;
}

Storage::~Storage() {
  pool().give({data_, block_}, bytes_);
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
