// The JSON of a checkpoint, state.json and manifest.json: a state that is accepted is written and read again unchanged.
#include "attune/train/manifest.h"
#include "attune/train/state.h"
#include "target.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text_of(data, size));
  TrainState state;
  if (fuzz::accepts([&] { state = read_state(text, "state.json"); })) {
    const std::string written = to_json(state);
    fuzz::must(to_json(read_state(written, "written")) == written, "the round trip keeps every key");
  }
  fuzz::accepts([&] { parse_manifest(text, "manifest.json"); });
  return 0;
}
