#include <fmt/format.h>

#include "attune/inspect/inspection_text.h"
#include "attune/inspect/largest_weights.h"

namespace attune {

namespace {

// RFC 4180
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

std::string number(int value) {
  return value < 0 ? "" : std::to_string(value);
}

class Lines {
 public:
  explicit Lines(int top_k) : top_k_(top_k) {}

  struct Cell {
    int query = -1, key = -1;
    std::string query_piece = {}, key_piece = {};
  };
  void of(const std::string& model, int sentence, int hypothesis) {
    where_ = fmt::format("{},{},{}", field(model), sentence, number(hypothesis));
  }
  void add(const char* record, const Cell& cell, double value) { add(record, ",,", cell, value); }

  void add(const AttentionMap& map, const std::vector<InspectedPiece>& queries,
           const std::vector<InspectedPiece>& keys) {
    const std::string what = fmt::format("{},{},{}", name_of(map.kind), number(map.layer), number(map.head));
    add("entropy", what, {}, map.statistics.entropy);
    add("even_entropy", what, {}, map.statistics.even);
    add("distance", what, {}, map.statistics.distance);
    if (map.alignment_error) {
      add("alignment_error", what, {}, *map.alignment_error);
    }
    if (map.toeplitz) {
      add("toeplitz", what, {}, *map.toeplitz);
    }
    for (int i = 0; i < map.queries; ++i) {
      const std::string& query = queries[static_cast<size_t>(i)].text;
      const LargestWeights largest = largest_weights(map, i, top_k_);
      for (const int j : largest.keys) {
        add("weight", what, {i, j, query, keys[static_cast<size_t>(j)].text}, static_cast<double>(map.weight(i, j)));
      }
      if (map.keys > top_k_) {
        add("left_out", what, {i, -1, query, {}}, largest.left_out);
      }
    }
  }
  // pieces: those that rows or columns of it belong to
  void add(const InspectedPart& part, const std::vector<InspectedPiece>& pieces) {
    const std::string what = fmt::format("{},{},{}", name_of(part.of), part.layer, number(part.head));
    const auto piece = [&](bool is_one, int at) { return is_one ? pieces[static_cast<size_t>(at)].text : ""; };
    for (int i = 0; i < part.rows; ++i) {
      for (int j = 0; j < part.columns; ++j) {
        add(part.name, what, {i, j, piece(part.rows_are_pieces, i), piece(part.columns_are_pieces, j)},
            static_cast<double>(part.value(i, j)));
      }
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void add(const std::string& record, const std::string& what, const Cell& cell, double value) {
    text_ += fmt::format("{},{},{},{},{},{},{},{:.6g}\n", record, where_, what, number(cell.query),
                         field(cell.query_piece), number(cell.key), field(cell.key_piece), value);
  }

  int top_k_;
  std::string where_;
  std::string text_ = "record,model,sentence,hypothesis,kind,layer,head,query,query_piece,key,key_piece,value\n";
};

void add_steps(const InspectedHypothesis& hypothesis, Lines& lines) {
  for (size_t i = 0; i < hypothesis.steps.size(); ++i) {
    const InspectedStep& step = hypothesis.steps[i];
    const std::string& written = hypothesis.written[i].text;
    const int query = static_cast<int>(i);
    lines.add("log_probability", {query, -1, written, {}}, step.log_probability);
    for (size_t rank = 0; rank < step.next.size(); ++rank) {
      lines.add("next", {query, static_cast<int>(rank), written, step.next[rank].text},
                step.next[rank].log_probability);
    }
  }
}

void add_words(const InspectedHypothesis& hypothesis, Lines& lines) {
  for (int i = 0; hypothesis.words && i < hypothesis.words->target_words; ++i) {
    for (int j = 0; j < hypothesis.words->source_words; ++j) {
      lines.add("word_weight", {i, j, {}, {}},
                hypothesis.words->weights[static_cast<size_t>(i * hypothesis.words->source_words + j)]);
    }
  }
  for (const Link& link : hypothesis.links) {
    lines.add("link", {link.target, link.source, {}, {}}, 1);
  }
}

void add_answers(const InspectedSentence& sentence, Lines& lines) {
  for (size_t i = 0; i < sentence.answers.size(); ++i) {
    const InspectedAnswer& answer = sentence.answers[i];
    for (size_t rank = 0; rank < answer.probable.size(); ++rank) {
      lines.add("answer", {static_cast<int>(i), static_cast<int>(rank), answer.about, answer.probable[rank].text},
                answer.probable[rank].log_probability);
    }
  }
}

void add_model(const Inspection& inspection, Lines& lines) {
  int number_of_sentence = 0;
  for (const InspectedSentence& sentence : inspection.sentences) {
    lines.of(inspection.name, number_of_sentence, -1);
    for (const AttentionMap& map : sentence.maps) {
      lines.add(map, sentence.source, sentence.source);
    }
    for (const InspectedPart& part : sentence.parts) {
      lines.add(part, sentence.source);
    }
    add_answers(sentence, lines);
    int number_of_hypothesis = 0;
    for (const InspectedHypothesis& hypothesis : sentence.hypotheses) {
      lines.of(inspection.name, number_of_sentence, number_of_hypothesis++);
      for (const AttentionMap& map : hypothesis.maps) {
        lines.add(map, asks_in_source(map.kind) ? sentence.source : hypothesis.written,
                  looks_at_target(map.kind) ? hypothesis.read : sentence.source);
      }
      for (const InspectedPart& part : hypothesis.parts) {
        lines.add(part, hypothesis.read);
      }
      add_steps(hypothesis, lines);
      add_words(hypothesis, lines);
    }
    ++number_of_sentence;
  }
}

}  // namespace

std::string to_csv(const Inspections& inspections, const InspectionTextOptions& options) {
  Lines lines(options.top_k);
  for (const Inspection& inspection : inspections.models) {
    add_model(inspection, lines);
  }
  return lines.take();
}

}  // namespace attune
