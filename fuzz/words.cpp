// The `words` tokenizer's file: an accepted list is written back byte for byte.
#include "tokenizer_use.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  for (const bool lowercase : {false, true}) {
    std::unique_ptr<Tokenizer> tokenizer;
    const TokenizerOptions options{.kind = TokenizerKind::words, .lowercase = lowercase};
    if (fuzz::accepts([&] { tokenizer = Tokenizer::from_bytes(bytes, options, "x.words"); })) {
      fuzz::must(tokenizer->bytes() == bytes, "the list is kept as it was");
      fuzz::use(*tokenizer);
    }
  }
  return 0;
}
