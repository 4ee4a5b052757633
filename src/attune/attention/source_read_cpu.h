// The mechanisms that read a source, in vectors: a range of sequences each (source_read_mechanism.h).
#pragma once

#include "attune/attention/source_read_mechanism.h"

namespace attune::attention::cpu {

void additive(const ReadRows& in, int begin, int end, const ReadRowResults& out);
void additive_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                       const ReadRowGradients& into);
void dot(const ReadRows& in, int begin, int end, const ReadRowResults& out);
void dot_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved, const ReadRowGradients& into);
void location(const ReadRows& in, int begin, int end, const ReadRowResults& out);
void location_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                       const ReadRowGradients& into);

}  // namespace attune::attention::cpu
