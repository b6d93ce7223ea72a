// report/style: the style sheet of pages and of the pictures in them.
#pragma once

#include <string_view>

namespace noema {

/// CSS for light and dark screens and for paper. Refers to nothing outside.
std::string_view style_sheet();

}  // namespace noema
