// An inspection as text for other programs. Weights have six significant digits; of rows of many keys only the largest
// are written, with the sum of what is left out. Everything counts from 0.
#pragma once

#include <string>

#include "attune/inspect/inspection.h"

namespace attune {

struct InspectionTextOptions {
  int top_k = 64;  // of a map with more keys, the largest weights of each row
};

// {"checkpoints", "models": [{"name", "architecture", "encoder_layers", "decoder_layers", "heads", "parameters",
// "search", "sentences": [{"text", "source": [{"piece", "word"}], "maps": [...], "hypotheses": [...]}]}]}
// A map: {"kind", "layer", "head", "causal", "queries", "keys", "entropy", "even_entropy", "distance",
// "alignment_error"?, "toeplitz"?, "weights": [[...]]}, masked cells null; or, cut to the largest, "largest": [[[key,
// weight], ...]] and "left_out": [sum of each row]. A hypothesis: {"text", "given", "score"?, "log_probability",
// "cut_short", "read", "written", "maps", "steps": [{"log_probability", "next": [{"piece", "log_probability"}]}],
// "words"?, "links", "gold"?}. A sentence that an encoder-only model read has "answers": [{"about", "probable":
// [{"piece", "log_probability"}]}] besides. Sentences and hypotheses have "parts" where a mechanism has some
// (InspectedPart):
// [{"name", "of", "layer", "head", "rows_are_pieces", "columns_are_pieces", "values": [[...]]}].
std::string to_json(const Inspections& inspections, const InspectionTextOptions& options = {});

// record,model,sentence,hypothesis,kind,layer,head,query,query_piece,key,key_piece,value with the records weight,
// left_out, entropy, even_entropy, distance, alignment_error, toeplitz, log_probability, next (key: its rank),
// word_weight, link, answer (query: which one, key: its rank), and the names of parts (InspectedPart; query: the row,
// key: the column). Masked cells have no line.
std::string to_csv(const Inspections& inspections, const InspectionTextOptions& options = {});

// One picture of every map of every hypothesis: kinds below one another, a row a layer, a column a head. Below them the
// parts.
std::string to_svg(const Inspections& inspections);

}  // namespace attune
