// SentencePiece models without a seal, so that the damage arrives. SentencePiece itself is the distribution's library,
// neither instrumented nor watched by the sanitizers: what it does wrong shows as a crash, or not at all.
#include "tokenizer_use.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::unique_ptr<Tokenizer> tokenizer;
  const TokenizerOptions options{.kind = TokenizerKind::unigram};
  if (fuzz::accepts([&] { tokenizer = Tokenizer::from_bytes(fuzz::text_of(data, size), options, "x.spm"); })) {
    fuzz::use(*tokenizer);
    const std::string sealed = tokenizer->bytes();
    fuzz::must(Tokenizer::from_bytes(sealed, options)->bytes() == sealed, "the sealed model loads");
  }
  return 0;
}
