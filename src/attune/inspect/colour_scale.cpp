#include "attune/inspect/colour_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attune {

namespace {

int srgb_byte(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  const double y = x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
  return static_cast<int>(std::lround(255 * y));
}

}  // namespace

std::string scale_colour(double share) {
  const double t = std::clamp(std::abs(share), 0.0, 1.0);
  const double lightness = 0.985 - 0.735 * t;
  const double chroma = 0.004 + 0.14 * std::sin(0.86 * std::numbers::pi * std::pow(t, 0.8)) * (1 - 0.2 * t);
  const double hue = (share < 0 ? 70 - 45 * t : 130 + 165 * t) * std::numbers::pi / 180;
  const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  return fmt::format("#{:02x}{:02x}{:02x}", srgb_byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                     srgb_byte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                     srgb_byte(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s));
}

}  // namespace attune
