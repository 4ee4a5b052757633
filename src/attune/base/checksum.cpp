#include "attune/base/checksum.h"

#include <zlib.h>

namespace attune {

void Checksum::add(const void* data, size_t bytes) {
  value_ = static_cast<uint32_t>(::crc32_z(value_, static_cast<const Bytef*>(data), bytes));
}

void Checksum::add_list(std::span<const int> values) {
  const auto count = static_cast<uint64_t>(values.size());
  add(&count, sizeof count);
  add(values.data(), values.size_bytes());
}

}  // namespace attune
