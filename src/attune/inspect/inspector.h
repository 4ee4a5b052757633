// Looks into a model while it reads sentences: translates them, then has the model read each hypothesis (or a given
// translation) once more with a probe. The probe changes no bit of what the model computes.
#pragma once

#include <string>
#include <vector>

#include "attune/data/images.h"
#include "attune/decode/options.h"
#include "attune/inspect/inspection.h"
#include "attune/models/model_directory.h"

namespace attune {

struct InspectOptions {
  SearchOptions search = {};
  int next_pieces = 5;  // most probable pieces shown of each step
  bool attribution = false;
  int max_source_length = 512;  // pieces; longer sentences are refused, as maps grow with their square

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    SearchOptions::visit(self.search, each);
    each("next-pieces", self.next_pieces, "most probable next pieces shown of each step");
    each("attribution", self.attribution,
         "also the gradient by every attention weight, and what each source piece contributes to each written one: "
         "gradient x input, attention x gradient, and by removal");
    each("max-source-length", self.max_source_length, "a sentence of more pieces is refused");
  }
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const InspectOptions& options);

// A sentence, and where they are known a translation to look at and its gold links (of whitespace words).
struct InspectRequest {
  std::string source;  // of an image its name
  std::optional<std::string> target = {};
  std::optional<GoldAlignment> gold = {};  // only with a target
  std::optional<Images> image = {};        // one, for a model of images
};

// What is inspected must not be blank.
InspectedSentence inspect(const LoadedModel& loaded, const InspectRequest& request, const InspectOptions& options = {});

// The model's part of an inspection, without sentences.
Inspection inspection_of(const Network& model, const std::string& name, const InspectOptions& options);

}  // namespace attune
