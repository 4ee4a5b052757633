// Element types. bfloat16 is a storage and product type: nothing computes in it, products read it and sum in float32.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace attune {

enum class DType : uint8_t { float32, float64, bfloat16, int32, boolean };
enum class Device : uint8_t { cpu };

// The upper half of a float32; rounding is to nearest even, NaN stays NaN.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto full = std::bit_cast<uint32_t>(value);
    const bool nan = (full & 0x7fffffffU) > 0x7f800000U;
    bits = static_cast<uint16_t>(nan ? (full >> 16) | 0x40U : (full + 0x7fffU + ((full >> 16) & 1U)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

constexpr int64_t bytes_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 8;
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::bfloat16:
      return 2;
    case DType::boolean:
      return 1;
  }
  return 0;
}

// Of the gradient of a tensor of this type: what only products read is kept rounded, its gradient is not.
constexpr DType gradient_dtype(DType dtype) {
  return dtype == DType::bfloat16 ? DType::float32 : dtype;
}

std::string_view name_of(DType dtype);       // "float32"
DType dtype_of_name(std::string_view name);  // throws and lists the known names

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::float32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::float64;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::bfloat16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::int32;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

}  // namespace attune
