// Measured points over an axis, joined by lines, as an SVG that can be read on a light and on a dark page (it follows
// the reader's preference) and without colours (every line has its own marker).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace attune::cli {

enum class Scale : uint8_t { linear, logarithmic };

struct Axis {
  std::string label = {};
  Scale scale = Scale::linear;
  bool from_zero = true;  // a linear one
};

struct LinePlot {
  struct Point {
    double x = 0, y = 0;
  };
  struct Line {
    std::string name;
    std::vector<Point> points = {};  // by x
    bool dashed = false;
  };
  struct Mark {  // a vertical line
    double x = 0;
    std::string label;
  };

  std::string title = {};
  Axis x = {}, y = {};
  std::vector<Line> lines = {};
  std::optional<Mark> mark = {};
};

// A whole SVG document. On a logarithmic axis every value must be above 0.
std::string draw(const LinePlot& plot);

}  // namespace attune::cli
