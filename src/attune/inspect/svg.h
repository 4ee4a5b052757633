// What the pictures that the program draws share.
#pragma once

#include <string>

#include "attune/base/markup.h"

namespace attune {

// The width in pixels of text in a sans-serif font of this size, about; of letters that each take one column.
double text_width(const std::string& text, double font_size);

}  // namespace attune
