#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "attune/inspect/colour_scale.h"
#include "attune/inspect/inspection_text.h"
#include "attune/inspect/largest_weights.h"
#include "attune/inspect/svg.h"
#include "attune/text/control_characters.h"
#include "attune/text/unicode.h"

namespace attune {

namespace {

constexpr int margin = 24, font = 10, gap = 18, title_height = 22;
constexpr int labelled_cell = font - 1, largest_cell = 13, widest_map = 480, widest_row = 1040, longest_label = 24;

using Pieces = std::vector<InspectedPiece>;

std::string label(const InspectedPiece& piece) {
  const std::string text = with_visible_controls(piece.text);
  const std::u32string letters = decode_utf8(text);
  return letters.size() <= longest_label ? text : encode_utf8(letters.substr(0, longest_label)) + "…";
}

double longest_width(const Pieces& pieces) {
  double width = 0;
  for (const InspectedPiece& piece : pieces) {
    width = std::max(width, text_width(label(piece), font));
  }
  return width;
}

std::string text_at(double x, double y, const std::string& text, const std::string& more = "") {
  return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\"{}>{}</text>\n", x, y, more, escaped(text));
}

enum class Cells : uint8_t { weights, numbers };  // numbers: of groups, written into their cells

class Drawing {
 public:
  void heading(const std::string& text, int size) {
    y_ += size + 8;
    svg_ +=
        text_at(margin, y_, with_visible_controls(text), fmt::format(" font-size=\"{}\" font-weight=\"600\"", size));
    reach(margin + text_width(text, size), y_ += 8);
  }

  // Maps of one kind: a row a layer, a column a head; where layers have one map each, a few of them in a row.
  void maps(const std::vector<const AttentionMap*>& all, const Pieces& queries, const Pieces& keys,
            Cells cells = Cells::weights) {
    const int most = std::max(all.front()->queries, all.front()->keys);
    const int cell =
        cells == Cells::numbers ? largest_cell : std::clamp(widest_map / std::max(most, 1), 1, largest_cell);
    const bool labels = cell >= labelled_cell;
    const double left = margin + (labels ? longest_width(queries) + 6 : 0);
    const double top = labels ? longest_width(keys) + 6 : 0;
    const bool one_each = std::adjacent_find(all.begin(), all.end(), [](const auto* a, const auto* b) {
                            return a->layer == b->layer;
                          }) == all.end();
    const double widest = left + widest_row;
    std::optional<int> row;
    double x = left;
    y_ += 4;
    for (const AttentionMap* map : all) {
      const int layer = map->layer;
      const bool begins_row = one_each ? !row || x + map->keys * cell > widest : layer != row;
      if (begins_row) {
        y_ += row ? map->queries * cell + gap : 0;
        row = layer;
        x = left;
        y_ += title_height + top;
      }
      const std::string name = layer < 0       ? ""
                               : map->head < 0 ? fmt::format("layer {}", layer)
                                               : fmt::format("layer {}, head {}", layer, map->head);
      svg_ += text_at(x, y_ - top - 8, name, " fill=\"#57606a\"");
      if (cells == Cells::numbers) {
        draw_numbers(*map, {x, y_, cell});
      } else {
        draw(*map, {x, y_, cell}, queries, keys);
      }
      if (labels) {
        label_axes(*map, {x, y_, cell}, begins_row ? &queries : nullptr, keys);
      }
      x += std::max(map->keys * cell + gap, 90);
      reach(x, y_ + map->queries * cell);
    }
    y_ += all.back()->queries * cell + gap;
    reach(0, y_);
  }

  std::string take() {
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
               "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"{2}\" fill=\"#1b1f24\">\n<defs><pattern "
               "id=\"hidden\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
               "patternTransform=\"rotate(45)\"><path d=\"M0 0V4\" stroke=\"#c4cad1\"/></pattern></defs>\n<rect "
               "width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n",
               width_ + margin, height_ + margin, font) +
           svg_ + "</svg>\n";
  }

 private:
  struct Place {
    double x, y;
    int cell;
  };

  void reach(double x, double y) {
    width_ = std::max(width_, x);
    height_ = std::max(height_, y);
  }

  void draw(const AttentionMap& map, const Place& place, const Pieces& queries, const Pieces& keys) {
    double largest = 0;
    for (const float weight : map.weights) {
      largest = std::max(largest, std::abs(static_cast<double>(weight)));
    }
    const int cell = place.cell;
    if (cell < labelled_cell) {
      draw_by_colour(map, place, largest);
    }
    for (int i = 0; cell >= labelled_cell && i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j) {
        const double weight = static_cast<double>(map.weight(i, j));
        const std::string at = fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{}\" height=\"{}\"",
                                           place.x + j * cell, place.y + i * cell, cell, cell);
        if (map.is_hidden(i, j)) {
          svg_ += at + " fill=\"url(#hidden)\"/>\n";
        } else if (largest > 0 && std::abs(weight) >= largest / 512) {  // paler ones cannot be told from the ground
          svg_ += fmt::format("{} fill=\"{}\"><title>{} → {}: {:.6g}</title></rect>\n", at,
                              scale_colour(weight / largest), escaped(label(queries[static_cast<size_t>(i)])),
                              escaped(label(keys[static_cast<size_t>(j)])), weight);
        }
      }
    }
    frame(map, place);
  }

  void draw_numbers(const AttentionMap& map, const Place& place) {
    const float largest = map.weights.empty() ? 0 : *std::max_element(map.weights.begin(), map.weights.end());
    const int size = largest < 100 ? font - 1 : font - 3;  // so that three digits fit
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j) {
        const double number = static_cast<double>(map.weight(i, j));
        const double share = (number + 1) / (static_cast<double>(largest) + 1);
        const double x = place.x + j * place.cell, y = place.y + i * place.cell;
        svg_ += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x, y,
                            place.cell, place.cell, scale_colour(share));
        svg_ += text_at(
            x + place.cell / 2.0, y + place.cell - 3, fmt::format("{:.0f}", number),
            fmt::format(" text-anchor=\"middle\" font-size=\"{}\"{}", size, share > 0.4 ? " fill=\"#ffffff\"" : ""));
      }
    }
    frame(map, place);
  }

  // Of maps too large for labels: a path for each of few colours instead of an element with a title for each weight,
  // a tenth of the bytes.
  void draw_by_colour(const AttentionMap& map, const Place& place, double largest) {
    constexpr int shades = 48;
    std::map<std::string, std::string> cells;  // by fill
    const auto fill_of = [&](int i, int j) -> std::string {
      if (map.is_hidden(i, j)) {
        return "url(#hidden)";
      }
      const int shade =
          largest > 0 ? static_cast<int>(std::lround(shades * static_cast<double>(map.weight(i, j)) / largest)) : 0;
      return shade == 0 ? "" : scale_colour(static_cast<double>(shade) / shades);
    };
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0, end = 0; j < map.keys; j = end) {
        const std::string fill = fill_of(i, j);
        for (end = j + 1; end < map.keys && fill_of(i, end) == fill;) {
          ++end;
        }
        const int wide = (end - j) * place.cell;
        if (!fill.empty()) {
          cells[fill] += fmt::format("M{:.0f} {:.0f}h{}v{}h-{}z", place.x + j * place.cell, place.y + i * place.cell,
                                     wide, place.cell, wide);
        }
      }
    }
    for (const auto& [fill, path] : cells) {
      svg_ += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", fill, path);
    }
  }

  void frame(const AttentionMap& map, const Place& place) {
    svg_ +=
        fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#d8dee4\"/>\n",
                    place.x - 0.5, place.y - 0.5, map.keys * place.cell + 1, map.queries * place.cell + 1);
  }

  void label_axes(const AttentionMap& map, const Place& place, const Pieces* queries, const Pieces& keys) {
    for (int j = 0; j < map.keys; ++j) {
      const double x = place.x + (j + 0.5) * place.cell + font / 3.0, y = place.y - 4;
      svg_ += text_at(x, y, label(keys[static_cast<size_t>(j)]),
                      fmt::format(" transform=\"rotate(-90 {:.0f} {:.0f})\"", x, y));
    }
    for (int i = 0; queries != nullptr && i < map.queries; ++i) {
      svg_ += text_at(place.x - 4, place.y + (i + 0.5) * place.cell + font / 3.0,
                      label((*queries)[static_cast<size_t>(i)]), " text-anchor=\"end\"");
    }
  }

  std::string svg_;
  double y_ = margin, width_ = 0, height_ = 0;
};

std::string title_of(AttentionKind kind) {
  static const std::map<AttentionKind, std::string> titles{
      {AttentionKind::encoder, "Encoder self-attention: query (row) → key (column), both of the source"},
      {AttentionKind::decoder, "Decoder self-attention: written piece (row) → pieces read so far (column)"},
      {AttentionKind::cross, "Cross-attention: written piece (row) → source (column)"},
      {AttentionKind::encoder_rollout, "Rollout through the encoder: state (row) → source (column)"},
      {AttentionKind::decoder_rollout, "Rollout: written piece (row) → pieces read so far (column)"},
      {AttentionKind::source_rollout, "Rollout: written piece (row) → source (column)"},
      {AttentionKind::encoder_tiny, "Tiny attention of the encoder: query (row) → key (column), both of the source"},
      {AttentionKind::decoder_tiny, "Tiny attention of the decoder: written piece (row) → pieces read so far (column)"},
      {AttentionKind::encoder_gradient, "Gradient of log p by the encoder's weights (warm: negative)"},
      {AttentionKind::decoder_gradient, "Gradient of log p by the decoder's weights (warm: negative)"},
      {AttentionKind::cross_gradient, "Gradient of log p by the cross-attention's weights (warm: negative)"},
      {AttentionKind::removal,
       "What log p of the written piece (row) loses without a source piece (column; warm: gains)"},
      {AttentionKind::attention_gradient,
       "Attention x gradient: written piece (row), source piece (column; warm: negative)"},
      {AttentionKind::input_gradient, "Gradient x input: written piece (row), source piece (column; warm: negative)"},
      {AttentionKind::encoder_spatial,
       "Spatial weights of the encoder: position written (row) ← position read (column; warm: negative)"},
      {AttentionKind::decoder_spatial,
       "Spatial weights of the decoder: position written (row) ← position read (column; warm: negative)"}};
  return titles.at(kind);
}

void draw_kinds(const std::vector<AttentionMap>& maps, const InspectedSentence& sentence,
                const InspectedHypothesis* hypothesis, Drawing& drawing) {
  for (size_t begin = 0; begin < maps.size();) {
    const AttentionKind kind = maps[begin].kind;
    std::vector<const AttentionMap*> same;
    for (; begin < maps.size() && maps[begin].kind == kind; ++begin) {
      same.push_back(&maps[begin]);
    }
    const bool implied =
        !is_signed(kind) && std::any_of(same.begin(), same.end(), [](const auto* map) { return map->has_negative(); });
    drawing.heading(title_of(kind) + (implied ? "; warm: negative" : ""), 13);
    drawing.maps(same, asks_in_source(kind) ? sentence.source : hypothesis->written,
                 looks_at_target(kind) ? hypothesis->read : sentence.source);
  }
}

std::string title_of(const InspectedPart& part) {
  static const std::map<std::string_view, std::string> titles{
      {"query_features", "features of the queries: piece (row), feature (column)"},
      {"key_features", "features of the keys: piece (row), feature (column)"},
      {"projected_weights", "weights of the projected keys: piece (row) → projected key (column)"},
      {"key_projection", "projection of the keys: projected key (row) ← position (column; warm: negative)"},
      {"value_projection", "projection of the values: projected value (row) ← position (column; warm: negative)"},
      {"token_landmarks", "pieces that ask landmarks: piece (row) → landmark (column)"},
      {"landmarks", "landmarks among themselves: landmark (row) → landmark (column)"},
      {"landmark_tokens", "landmarks that ask pieces: landmark (row) → piece (column)"},
      {"buckets", "buckets: that of a piece (row) in a round of hashing (column)"},
      {"chunks", "chunks: that of a piece (row) in a round of hashing (column); it sees its own and the one before"}};
  return (part.of == AttentionKind::encoder ? "Encoder, " : "Decoder, ") + titles.at(part.name);
}

Pieces counted(int count) {
  Pieces numbers;
  for (int i = 0; i < count; ++i) {
    numbers.push_back({std::to_string(i), -1});
  }
  return numbers;
}

// Parts of one name below one another; each is drawn as a map is.
void draw_parts(const std::vector<InspectedPart>& parts, const Pieces& pieces, Drawing& drawing) {
  std::vector<std::string> drawn;
  for (const InspectedPart& first : parts) {
    if (std::find(drawn.begin(), drawn.end(), first.name) != drawn.end()) {
      continue;
    }
    drawn.push_back(first.name);
    std::vector<AttentionMap> maps;
    for (const InspectedPart& part : parts) {
      if (part.name == first.name) {
        AttentionMap& map = maps.emplace_back();
        map.layer = part.layer, map.head = part.head;
        map.queries = part.rows, map.keys = part.columns;
        map.weights = part.values;
      }
    }
    std::vector<const AttentionMap*> same;
    for (const AttentionMap& map : maps) {
      same.push_back(&map);
    }
    drawing.heading(title_of(first), 13);
    drawing.maps(same, first.rows_are_pieces ? pieces : counted(first.rows),
                 first.columns_are_pieces ? pieces : counted(first.columns),
                 first.numbered ? Cells::numbers : Cells::weights);
  }
}

}  // namespace

std::string to_svg(const Inspections& inspections) {
  Drawing drawing;
  for (const Inspection& inspection : inspections.models) {
    drawing.heading(inspection.name, 20);
    for (const InspectedSentence& sentence : inspection.sentences) {
      drawing.heading(sentence.text, 16);
      draw_kinds(sentence.maps, sentence, nullptr, drawing);
      draw_parts(sentence.parts, sentence.source, drawing);
      for (const InspectedHypothesis& hypothesis : sentence.hypotheses) {
        drawing.heading(hypothesis.text, 16);
        draw_kinds(hypothesis.maps, sentence, &hypothesis, drawing);
        draw_parts(hypothesis.parts, hypothesis.read, drawing);
      }
    }
  }
  return drawing.take();
}

}  // namespace attune
