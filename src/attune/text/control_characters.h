// Text from outside as a terminal or a picture can show it: characters that would move the cursor, colour what follows
// or turn its direction around stand there as visible signs.
#pragma once

#include <string>
#include <string_view>

namespace attune {

// C0 controls and DEL become their pictures (U+2400...), C1 controls, the bidirectional controls of Unicode (UAX 9),
// line and paragraph separators and the byte-order mark "<U+202E>"; everything else stays, letters of scripts that are
// written from right to left too.
std::string with_visible_controls(std::string_view text);

}  // namespace attune
