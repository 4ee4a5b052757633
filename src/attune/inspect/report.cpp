#include "attune/inspect/report.h"

#include <zlib.h>

#include <algorithm>

#include "attune/base/check.h"
#include "attune/inspect/report_page.h"

namespace attune {

namespace {

// As DecompressionStream("deflate") reads it (RFC 1950). The best compression takes six times as long for 3 % less.
std::string deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string result(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(result.data()), &size,
                             reinterpret_cast<const Bytef*>(text.data()), text.size(), Z_DEFAULT_COMPRESSION);
  check(code == Z_OK, "report: zlib failed with code ", code);
  result.resize(size);
  return result;
}

std::string base64(const std::string& bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8U | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? digits[bits >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return text;
}

}  // namespace

std::string to_html(const Inspections& inspections, const InspectionTextOptions& options) {
  const size_t at = report_page.find(report_data_mark);
  return std::string(report_page.substr(0, at)) + base64(deflated(to_json(inspections, options))) +
         std::string(report_page.substr(at + report_data_mark.size()));
}

FittedPage to_small_html(const Inspections& inspections, const InspectionTextOptions& options, size_t bytes) {
  size_t views = 0;  // of a sentence by a model
  int longest = 1;
  for (const Inspection& model : inspections.models) {
    views += model.sentences.size();
    for (const InspectedSentence& sentence : model.sentences) {
      longest = std::max(longest, static_cast<int>(sentence.source.size()));
      for (const InspectedHypothesis& hypothesis : sentence.hypotheses) {
        longest = std::max(longest, static_cast<int>(hypothesis.read.size()));
      }
    }
  }
  constexpr int least = 4;
  FittedPage page{to_html(inspections, options), {}};
  const auto most = static_cast<double>(bytes * views);
  for (int top_k = std::min(options.top_k, longest); static_cast<double>(page.html.size()) > most && top_k > least;) {
    const double kept =
        top_k * most / static_cast<double>(page.html.size());  // a weight takes about as much as another
    top_k = std::clamp(static_cast<int>(kept), least, top_k - 1);
    page = {to_html(inspections, {top_k}), top_k};
  }
  return page;
}

}  // namespace attune
