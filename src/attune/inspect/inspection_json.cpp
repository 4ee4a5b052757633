#include <nlohmann/json.hpp>

#include "attune/inspect/inspection_text.h"
#include "attune/inspect/largest_weights.h"

namespace attune {

namespace {

using Json = nlohmann::ordered_json;

Json list_of(const std::vector<InspectedPiece>& pieces) {
  Json list = Json::array();
  for (const InspectedPiece& piece : pieces) {
    list.push_back({{"piece", piece.text}, {"word", piece.word < 0 ? Json() : Json(piece.word)}});
  }
  return list;
}

Json links_of(const Alignment& alignment) {
  Json list = Json::array();
  for (const Link& link : alignment) {
    list.push_back({link.source, link.target});
  }
  return list;
}

Json all_weights(const AttentionMap& map) {
  Json rows = Json::array();
  for (int query = 0; query < map.queries; ++query) {
    Json row = Json::array();
    for (int key = 0; key < map.keys; ++key) {
      row.push_back(map.is_hidden(query, key) ? Json() : Json(rounded(static_cast<double>(map.weight(query, key)))));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void add_largest(const AttentionMap& map, int top_k, Json& into) {
  Json rows = Json::array(), left_out = Json::array();
  for (int query = 0; query < map.queries; ++query) {
    const LargestWeights largest = largest_weights(map, query, top_k);
    Json row = Json::array();
    for (const int key : largest.keys) {
      row.push_back({Json(key), Json(rounded(static_cast<double>(map.weight(query, key))))});
    }
    rows.push_back(std::move(row));
    left_out.push_back(rounded(largest.left_out));
  }
  into["largest"] = std::move(rows);
  into["left_out"] = std::move(left_out);
}

Json json_of(const AttentionMap& map, int top_k) {
  Json json{{"kind", name_of(map.kind)},
            {"layer", map.layer < 0 ? Json() : Json(map.layer)},
            {"head", map.head < 0 ? Json() : Json(map.head)},
            {"causal", looks_at_target(map.kind)},
            {"queries", map.queries},
            {"keys", map.keys},
            {"entropy", rounded(map.statistics.entropy)},
            {"even_entropy", rounded(map.statistics.even)},
            {"distance", rounded(map.statistics.distance)}};
  if (map.alignment_error) {
    json["alignment_error"] = rounded(*map.alignment_error);
  }
  if (map.toeplitz) {
    json["toeplitz"] = rounded(*map.toeplitz);
  }
  if (map.keys <= top_k) {
    json["weights"] = all_weights(map);
  } else {
    add_largest(map, top_k, json);
  }
  return json;
}

Json json_of(const std::vector<AttentionMap>& maps, int top_k) {
  Json list = Json::array();
  for (const AttentionMap& map : maps) {
    list.push_back(json_of(map, top_k));
  }
  return list;
}

Json json_of(const std::vector<InspectedPart>& parts) {
  Json list = Json::array();
  for (const InspectedPart& part : parts) {
    Json rows = Json::array();
    for (int row = 0; row < part.rows; ++row) {
      Json numbers = Json::array();
      for (int column = 0; column < part.columns; ++column) {
        numbers.push_back(rounded(static_cast<double>(part.value(row, column))));
      }
      rows.push_back(std::move(numbers));
    }
    list.push_back({{"name", part.name},
                    {"of", name_of(part.of)},
                    {"layer", part.layer},
                    {"head", part.head < 0 ? Json() : Json(part.head)},
                    {"rows_are_pieces", part.rows_are_pieces},
                    {"columns_are_pieces", part.columns_are_pieces},
                    {"values", std::move(rows)}});
  }
  return list;
}

Json json_of(const std::vector<PieceProbability>& probable) {
  Json list = Json::array();
  for (const PieceProbability& piece : probable) {
    list.push_back({{"piece", piece.text}, {"log_probability", rounded(piece.log_probability)}});
  }
  return list;
}

Json json_of(const std::vector<InspectedStep>& steps) {
  Json list = Json::array();
  for (const InspectedStep& step : steps) {
    list.push_back({{"log_probability", rounded(step.log_probability)}, {"next", json_of(step.next)}});
  }
  return list;
}

Json json_of(const WordAttention& words) {
  Json rows = Json::array();
  for (size_t target = 0; target < static_cast<size_t>(words.target_words); ++target) {
    Json row = Json::array();
    for (size_t source = 0; source < static_cast<size_t>(words.source_words); ++source) {
      row.push_back(rounded(words.weights[target * static_cast<size_t>(words.source_words) + source]));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Json json_of(const InspectedHypothesis& hypothesis, int top_k) {
  Json json{{"text", hypothesis.text}, {"given", hypothesis.given}};
  if (!hypothesis.given) {
    json["score"] = rounded(hypothesis.score);
  }
  json["log_probability"] = rounded(hypothesis.log_probability);
  json["cut_short"] = hypothesis.cut_short;
  json["read"] = list_of(hypothesis.read);
  json["written"] = list_of(hypothesis.written);
  json["maps"] = json_of(hypothesis.maps, top_k);
  if (!hypothesis.parts.empty()) {
    json["parts"] = json_of(hypothesis.parts);
  }
  json["steps"] = json_of(hypothesis.steps);
  if (hypothesis.words) {
    json["words"] = json_of(*hypothesis.words);
  }
  json["links"] = links_of(hypothesis.links);
  if (hypothesis.gold) {
    json["gold"] = {{"sure", links_of(hypothesis.gold->sure)}, {"possible", links_of(hypothesis.gold->possible)}};
  }
  return json;
}

Json json_of(const std::vector<InspectedAnswer>& answers) {
  Json list = Json::array();
  for (const InspectedAnswer& answer : answers) {
    list.push_back({{"about", answer.about}, {"probable", json_of(answer.probable)}});
  }
  return list;
}

Json json_of(const InspectedSentence& sentence, int top_k) {
  Json json{{"text", sentence.text}, {"source", list_of(sentence.source)}, {"maps", json_of(sentence.maps, top_k)}};
  if (!sentence.parts.empty()) {
    json["parts"] = json_of(sentence.parts);
  }
  json["hypotheses"] = Json::array();
  for (const InspectedHypothesis& hypothesis : sentence.hypotheses) {
    json["hypotheses"].push_back(json_of(hypothesis, top_k));
  }
  if (!sentence.answers.empty()) {
    json["answers"] = json_of(sentence.answers);
  }
  return json;
}

Json json_of(const Inspection& inspection, int top_k) {
  Json sentences = Json::array();
  for (const InspectedSentence& sentence : inspection.sentences) {
    sentences.push_back(json_of(sentence, top_k));
  }
  return {{"name", inspection.name},
          {"architecture", inspection.architecture},
          {"encoder_layers", inspection.encoder_layers},
          {"decoder_layers", inspection.decoder_layers},
          {"heads", inspection.heads},
          {"parameters", inspection.parameters},
          {"search", inspection.search},
          {"sentences", std::move(sentences)}};
}

}  // namespace

std::string to_json(const Inspections& inspections, const InspectionTextOptions& options) {
  Json models = Json::array();
  for (const Inspection& inspection : inspections.models) {
    models.push_back(json_of(inspection, options.top_k));
  }
  const Json json{{"checkpoints", inspections.checkpoints}, {"models", std::move(models)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace attune
