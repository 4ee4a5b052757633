// Colours for weights: even steps of lightness in OKLab (Ottosson 2020) from near white to dark violet by way of green
// and blue, so that equal differences of weight look equally large. The page draws the same scale (page/scale.js).
#pragma once

#include <string>

namespace attune {

// share -1..1 of the scale, negative ones from near white to dark red; "#rrggbb"
std::string scale_colour(double share);

}  // namespace attune
