// config.json of a model: what is accepted is written and read again unchanged.
#include "attune/models/config.h"

#include "target.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ModelConfig config;
  if (fuzz::accepts([&] { config = read_config(std::string(fuzz::text_of(data, size)), "config.json"); })) {
    const std::string written = to_json(config);
    fuzz::must(to_json(read_config(written, "written")) == written, "the round trip keeps every key");
  }
  return 0;
}
