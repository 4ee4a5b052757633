// CRC-32 as gzip and zlib have it: tells apart, against accidents and not against intent, what should be the same data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attune {

class Checksum {
 public:
  void add(const void* data, size_t bytes);  // in parts or as a whole: the same value
  // How many there are (64 bits), then the values: where one list ends and the next begins counts too.
  void add_list(std::span<const int> values);
  uint32_t value() const { return value_; }

 private:
  uint32_t value_ = 0;
};

}  // namespace attune
