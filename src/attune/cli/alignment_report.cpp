#include "attune/cli/alignment_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/cli/console.h"
#include "attune/cli/length_buckets.h"
#include "attune/data/encode.h"

namespace attune::cli {

namespace {

using Json = nlohmann::ordered_json;

template <class Parsed, class Parse>
std::vector<Parsed> parse_lines(const std::string& path, const Parse& parse) {
  LineReader lines(path);
  std::vector<Parsed> all;
  while (const auto line = lines.next()) {
    try {
      all.push_back(parse(*line));
    } catch (const Error& error) {
      fail(lines.name(), ":", lines.line(), ": ", error.what());
    }
  }
  return all;
}

Json json_of(const AlignmentScore& score) {
  return {{"error_rate", score.error_rate},
          {"precision", score.precision},
          {"recall", score.recall},
          {"links", score.links},
          {"sure", score.sure},
          {"links_sure", score.links_sure},
          {"links_possible", score.links_possible}};
}

std::string numbers_of(const AlignmentScore& score) {
  return fmt::format("{:>7.1f} {:>12.1f} {:>9.1f}", 100 * score.error_rate, 100 * score.precision, 100 * score.recall);
}

std::string name_of(int number) {
  return number < 0 ? "mean" : std::to_string(number);
}

// The lowest error of a head by itself.
const AlignmentReport::Row* best_head(const AlignmentReport& report) {
  const AlignmentReport::Row* best = nullptr;
  for (const AlignmentReport::Row& row : report.rows) {
    if (row.head >= 0 && (best == nullptr || row.score.error_rate < best->score.error_rate)) {
      best = &row;
    }
  }
  return best;
}

}  // namespace

EncodedPairs encode_words(const ParallelCorpus& corpus, const Tokenizers& tokenizers) {
  const auto& [source, target] = tokenizers;
  EncodedPairs result{encode(corpus, *source, *target), {}};
  for (const Example& example : result.examples) {
    result.words.push_back({source->word_of_piece(example.source), target->word_of_piece(example.target)});
  }
  return result;
}

std::vector<GoldAlignment> read_gold(const std::string& path, const AlignmentFormat& format) {
  return parse_lines<GoldAlignment>(path, [&](const std::string& line) { return parse_gold_alignment(line, format); });
}

std::vector<Alignment> read_links(const std::string& path) {
  return parse_lines<Alignment>(path, [](const std::string& line) {
    constexpr std::string_view bar = "|||";
    const size_t at = line.rfind(bar);
    return parse_alignment(at == std::string::npos ? line : std::string_view(line).substr(at + bar.size()));
  });
}

std::string score_text(const AlignmentScore& score) {
  return fmt::format("alignment error rate = {:.2f} % (precision {:.2f} %, recall {:.2f} %; {} links, {} sure)\n",
                     100 * score.error_rate, 100 * score.precision, 100 * score.recall, with_separators(score.links),
                     with_separators(score.sure));
}

std::string score_json(const AlignmentScore& score) {
  return Json{{"alignment", json_of(score)}}.dump() + "\n";
}

AlignmentReport report_alignment(const LoadedModel& loaded, const ParallelCorpus& corpus,
                                 const std::vector<GoldAlignment>& gold, int batch_size) {
  const EncodedPairs pairs = encode_words(corpus, loaded.tokenizers);
  AlignmentReport report;
  for (const HeadAlignments& head : align_words_by_head(*loaded.model, pairs.examples, pairs.words, batch_size)) {
    report.rows.push_back({head.layer, head.head, alignment_error_rate(head.links, gold)});
  }
  std::vector<Alignment> diagonals;
  for (size_t i = 0; i < corpus.source.size(); ++i) {
    diagonals.push_back(diagonal_alignment(words_in(corpus.source[i]), words_in(corpus.target[i])));
  }
  report.diagonal = alignment_error_rate(diagonals, gold);
  return report;
}

std::string report_text(const AlignmentReport& report) {
  std::string text =
      fmt::format("{:<9} {:<5} {:>7} {:>12} {:>9}\n", "layer", "head", "AER %", "precision %", "recall %");
  for (const AlignmentReport::Row& row : report.rows) {
    text += fmt::format("{:<9} {:<5} {}\n", name_of(row.layer), name_of(row.head), numbers_of(row.score));
  }
  text += fmt::format("{:<15} {}\n", "the diagonal", numbers_of(report.diagonal));
  if (const auto* best = best_head(report)) {
    text += fmt::format(
        "best head: layer {}, head {}, {:.2f} %; {} sure links; each target word links to the source "
        "word it looked at most\n",
        best->layer, best->head, 100 * best->score.error_rate, with_separators(report.diagonal.sure));
  }
  return text;
}

std::string report_json(const AlignmentReport& report) {
  Json rows = Json::array();
  const auto number = [](int index) { return index < 0 ? Json("mean") : Json(index); };
  for (const AlignmentReport::Row& row : report.rows) {
    Json json{{"layer", number(row.layer)}, {"head", number(row.head)}};
    json.update(json_of(row.score));
    rows.push_back(std::move(json));
  }
  Json json{{"heads", std::move(rows)}, {"diagonal", json_of(report.diagonal)}};
  if (const auto* best = best_head(report)) {
    json["best"] = {{"layer", best->layer}, {"head", best->head}, {"error_rate", best->score.error_rate}};
  }
  return Json{{"alignment", std::move(json)}}.dump() + "\n";
}

}  // namespace attune::cli
