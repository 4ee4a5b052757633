#include "attune/cli/line_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "attune/base/check.h"
#include "attune/inspect/svg.h"

namespace attune::cli {

namespace {

constexpr double font = 14, plot_width = 560, plot_height = 340, top = 48, left = 76, bottom = 62, gap = 22;
constexpr double sample = 34;  // of a line in the legend

// Told apart by most people who see few colours, too: on a light page, on a dark one.
constexpr std::array<std::array<const char*, 2>, 8> colours{{{"#0072b2", "#58b7ee"},
                                                             {"#c14a00", "#ff9357"},
                                                             {"#00805d", "#41d3a5"},
                                                             {"#b0508a", "#f0a3cd"},
                                                             {"#7a6000", "#e3c94a"},
                                                             {"#5b44a6", "#b8a4f2"},
                                                             {"#4d4d4d", "#c9c9c9"},
                                                             {"#a01c1c", "#ff8484"}}};

std::string style() {
  std::string light, dark;
  for (size_t i = 0; i < colours.size(); ++i) {
    light += fmt::format(".c{0}{{stroke:{1};fill:{1}}}", i, colours[i][0]);
    dark += fmt::format(".c{0}{{stroke:{1};fill:{1}}}", i, colours[i][1]);
  }
  return "<style>.page,.hollow{fill:#ffffff}.ink{fill:#1b1f24}.soft{fill:#57606a}.grid{stroke:#d8dee4}.axis{stroke:#"
         "57606a}"
         ".line{stroke-width:2.2;stroke-linejoin:round}.dashed{stroke-dasharray:7 5}" +
         light +
         "@media(prefers-color-scheme:dark){.page,.hollow{fill:#0d1117}.ink{fill:#e6edf3}.soft{fill:#9aa4af}"
         ".grid{stroke:#30363d}.axis{stroke:#9aa4af}" +
         dark + "}.line{fill:none}.hollow{stroke-width:2}</style>\n";
}

struct Range {
  double low = 0, high = 1;
};

std::string number(double value) {
  const double size = std::abs(value);
  return size == 0 || (size >= 1e-4 && size < 1e6) ? fmt::format("{:.6g}", value) : fmt::format("{:.0e}", value);
}

// Where an axis has a line and a number, and how values become places between 0 and 1.
class Scaled {
 public:
  Scaled(const Axis& axis, const std::vector<double>& values) : logarithmic_(axis.scale == Scale::logarithmic) {
    check(!values.empty(), "line plot: nothing to draw on the axis ", axis.label);
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    check(std::isfinite(*low) && std::isfinite(*high) && (!logarithmic_ || *low > 0), "line plot: expected ",
          logarithmic_ ? "numbers above 0" : "numbers", " on the axis ", axis.label);
    logarithmic_ ? choose_logarithmic(*low, *high) : choose_linear(axis.from_zero ? std::min(0.0, *low) : *low, *high);
  }

  double place(double value) const {
    const double at = logarithmic_ ? std::log(value) : value;
    const double low = logarithmic_ ? std::log(range_.low) : range_.low;
    const double high = logarithmic_ ? std::log(range_.high) : range_.high;
    return (at - low) / (high - low);
  }
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  // Steps of 1, 2 or 5 times a power of ten, some six of them.
  void choose_linear(double low, double high) {
    const double span = high > low ? high - low : 1, rough = span / 6,
                 power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double factor : {5.0, 2.0, 1.0}) {
      step = factor * power >= rough ? factor * power : step;
    }
    range_ = {std::floor(low / step + 1e-9) * step, std::ceil((low + span) / step - 1e-9) * step};
    const auto count = std::lround((range_.high - range_.low) / step);
    for (int64_t i = 0; i <= count; ++i) {
      ticks_.push_back(range_.low + static_cast<double>(i) * step);
    }
  }

  // Powers of two where there are few of them, else powers of ten.
  void choose_logarithmic(double low, double high) {
    constexpr double most_doublings = 9;
    const double base = std::log2(high / low) <= most_doublings ? 2 : 10;
    const double first = std::floor(std::log(low) / std::log(base) + 1e-9);
    const double last = std::max(first + 1, std::ceil(std::log(high) / std::log(base) - 1e-9));
    range_ = {std::pow(base, first), std::pow(base, last)};
    for (double exponent = first; exponent <= last; ++exponent) {
      ticks_.push_back(std::pow(base, exponent));
    }
  }

  bool logarithmic_;
  Range range_;
  std::vector<double> ticks_;
};

// Four shapes, filled and then hollow; two more for lines whose colour another has.
std::string marker(size_t kind, double x, double y) {
  constexpr double r = 4;
  const char* end = kind % colours.size() < 4 ? "/>" : " class=\"hollow\"/>";
  const size_t shape = kind < colours.size() ? kind % 4 : 4 + kind % 2;
  const auto polygon = [&](std::initializer_list<std::array<double, 2>> corners) {
    std::string points;
    for (const auto& [cx, cy] : corners) points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", cx, cy);
    return fmt::format("<polygon points=\"{}\"{}", points, end);
  };
  switch (shape) {
    case 0:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"{}", x, y, r, end);
    case 1:
      return polygon({{x - r, y - r}, {x + r, y - r}, {x + r, y + r}, {x - r, y + r}});
    case 2:
      return polygon({{x, y - 1.3 * r}, {x + 1.2 * r, y + r}, {x - 1.2 * r, y + r}});
    case 3:
      return polygon({{x, y - 1.4 * r}, {x + 1.4 * r, y}, {x, y + 1.4 * r}, {x - 1.4 * r, y}});
    case 4:
      return polygon({{x, y + 1.3 * r}, {x + 1.2 * r, y - r}, {x - 1.2 * r, y - r}});
    default:
      return polygon({{x - 1.6 * r, y - 0.6 * r},
                      {x + 1.6 * r, y - 0.6 * r},
                      {x + 1.6 * r, y + 0.6 * r},
                      {x - 1.6 * r, y + 0.6 * r}});
  }
}

class Drawing {
 public:
  explicit Drawing(const LinePlot& plot)
      : plot_(plot),
        x_(plot.x, values([](const LinePlot::Point& point) { return point.x; }, plot.mark)),
        y_(plot.y, values([](const LinePlot::Point& point) { return point.y; }, {})) {}

  std::string document() const {
    double legend = 0;
    for (const LinePlot::Line& line : plot_.lines) {
      legend = std::max(legend, text_width(line.name, font));
    }
    const double width = left + plot_width + gap + sample + 8 + legend + 20, height = top + plot_height + bottom;
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
               "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"{2}\" role=\"img\">\n<title>{3}</title>\n",
               width, height, font, escaped(plot_.title)) +
           style() + "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n" + axes() + lines() + "</svg>\n";
  }

 private:
  template <class Of>
  std::vector<double> values(const Of& of, const std::optional<LinePlot::Mark>& mark) const {
    std::vector<double> all;
    for (const LinePlot::Line& line : plot_.lines) {
      for (const LinePlot::Point& point : line.points) all.push_back(of(point));
    }
    if (mark) all.push_back(mark->x);
    return all;
  }
  double across(double x) const { return left + x_.place(x) * plot_width; }
  double down(double y) const { return top + (1 - y_.place(y)) * plot_height; }

  static std::string text(double x, double y, const char* more, const std::string& content) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, more, escaped(content));
  }
  static std::string line(double x1, double y1, double x2, double y2, const char* more) {
    return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, more);
  }

  std::string axes() const {
    constexpr double floor = top + plot_height, right = left + plot_width;
    std::string svg = text(left, 24, "class=\"ink\" font-weight=\"bold\"", plot_.title);
    for (const double tick : x_.ticks()) {
      svg += line(across(tick), top, across(tick), floor, "class=\"grid\"");
      svg += text(across(tick), floor + 20, "class=\"soft\" text-anchor=\"middle\"", number(tick));
    }
    for (const double tick : y_.ticks()) {
      svg += line(left, down(tick), right, down(tick), "class=\"grid\"");
      svg += text(left - 8, down(tick) + 5, "class=\"soft\" text-anchor=\"end\"", number(tick));
    }
    svg += line(left, floor, right, floor, "class=\"axis\"") + line(left, top, left, floor, "class=\"axis\"");
    svg += text(left + plot_width / 2, floor + 46, "class=\"ink\" text-anchor=\"middle\"", plot_.x.label);
    const std::string turned =
        fmt::format("class=\"ink\" text-anchor=\"middle\" transform=\"rotate(-90 18 {:.1f})\"", top + plot_height / 2);
    svg += text(18, top + plot_height / 2, turned.c_str(), plot_.y.label);
    if (plot_.mark) {
      const double x = across(plot_.mark->x);
      svg += line(x, top, x, floor, "class=\"axis dashed\"");
      svg += text(x + 6, top + 16, "class=\"soft\"", plot_.mark->label);
    }
    return svg;
  }

  std::string lines() const {
    std::string svg;
    for (size_t i = 0; i < plot_.lines.size(); ++i) {
      const auto& [name, points, dashed] = plot_.lines[i];
      const std::string colour = fmt::format("c{}", i % colours.size());
      std::string path, markers;
      for (const auto& [x, y] : points) {
        path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", across(x), down(y));
        markers += fmt::format("<g>{}<title>{}: {}, {}</title></g>", marker(i, across(x), down(y)), escaped(name),
                               number(x), number(y));
      }
      const double at = left + plot_width + gap, y = top + 10 + 24 * static_cast<double>(i);
      svg += fmt::format("<polyline class=\"{} line{}\" points=\"{}\"/>\n<g class=\"{}\">{}</g>\n", colour,
                         dashed ? " dashed" : "", path, colour, markers);
      svg += line(at, y, at + sample, y, fmt::format("class=\"{} line{}\"", colour, dashed ? " dashed" : "").c_str());
      svg += fmt::format("<g class=\"{}\">{}</g>\n", colour, marker(i, at + sample / 2, y));
      svg += text(at + sample + 8, y + 5, "class=\"ink\"", name);
    }
    return svg;
  }

  const LinePlot& plot_;
  Scaled x_, y_;
};

}  // namespace

std::string draw(const LinePlot& plot) {
  return Drawing(plot).document();
}

}  // namespace attune::cli
