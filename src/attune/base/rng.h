// Counter-based random numbers: a value type that maps (seed, stream, element) to bits, so that a result never depends
// on the number of threads or on the order in which elements are visited.
// Bits are SplitMix64's (Steele, Lea, Flood 2014): mix(key + (element + 1) * golden gamma), variant 13 of Stafford's
// mixer.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <string_view>
#include <utility>

namespace attune {

class Rng {
 public:
  explicit constexpr Rng(uint64_t seed) : key_(mix(seed ^ 0x41747475'6e653231ULL)) {}

  // An independent generator derived from this one: equal names (numbers) give equal streams.
  constexpr Rng stream(std::string_view name) const {
    uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
    for (char c : name) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    return Rng(FromKey{}, mix(key_ ^ mix(hash)));
  }
  constexpr Rng stream(uint64_t number) const {
    return Rng(FromKey{}, mix(key_ + 0xd1342543de82ef95ULL * (number + 1)));
  }

  // The generator whose element 0 is this one's element `first`.
  constexpr Rng from(uint64_t first) const { return Rng(FromKey{}, key_ + first * 0x9e3779b97f4a7c15ULL); }

  constexpr uint64_t bits(uint64_t element) const { return mix(key_ + (element + 1) * 0x9e3779b97f4a7c15ULL); }

  // Uniform in [0, 1), 53 bits.
  constexpr double uniform(uint64_t element) const { return static_cast<double>(bits(element) >> 11) * 0x1.0p-53; }

  // Uniform in 0 ... bound-1 (bound > 0).
  constexpr uint64_t below(uint64_t element, uint64_t bound) const {
    return static_cast<uint64_t>((static_cast<Wide>(bits(element)) * bound) >> 64);
  }

  // Standard normal (Box-Muller on two draws of this element).
  double normal(uint64_t element) const {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(2 * element)));
    return radius * std::cos(2.0 * std::numbers::pi * uniform(2 * element + 1));
  }

  // The state, for keyed kernels and checkpoints.
  constexpr uint64_t key() const { return key_; }

 private:
  __extension__ typedef unsigned __int128 Wide;
  struct FromKey {};
  constexpr Rng(FromKey, uint64_t key) : key_(key) {}

  static constexpr uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  uint64_t key_;
};

// Fisher-Yates with draws 0 ... size-1 of `rng`.
template <class T>
void shuffle(std::span<T> items, const Rng& rng) {
  for (size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[rng.below(i, i)]);
  }
}

}  // namespace attune
