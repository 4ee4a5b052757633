// A line of translate --input-format json: what is accepted is one line of text, and its id is JSON.
#include "attune/decode/request.h"

#include <nlohmann/json.hpp>

#include "target.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  TranslationRequest request;
  if (fuzz::accepts([&] { request = read_request(fuzz::text_of(data, size), "here"); })) {
    fuzz::must(request.text.find('\n') == std::string::npos, "one line");
    fuzz::must(request.id.empty() || nlohmann::json::accept(request.id), "the id is JSON");
  }
  return 0;
}
