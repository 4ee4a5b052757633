// The page without its data: page/page.html with the styles and scripts beside it, put together by CMake.
#pragma once

#include <string_view>

namespace attune {

extern const std::string_view report_page;
inline constexpr std::string_view report_data_mark = "ATTUNE_DATA";  // where the data goes, once

}  // namespace attune
