// Looks into an encoder-only model while it reads a text or an image: the attention of every layer and head, aMLP's
// tiny one and spatial gating's weights too, rollout, and what the model says.
#pragma once

#include <memory>
#include <string>

#include "attune/inspect/inspector.h"

namespace attune {

struct LoadedEncoder {
  std::unique_ptr<Network> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // of tasks that read text
  Labels labels;                               // of tasks that have some
};
// Of any task but translation.
LoadedEncoder load_encoder(const std::string& directory);

// A text must not be blank; an image must have the model's size. Of the options next_pieces and max_source_length are
// read.
InspectedSentence inspect(const LoadedEncoder& loaded, const InspectRequest& request,
                          const InspectOptions& options = {});

}  // namespace attune
