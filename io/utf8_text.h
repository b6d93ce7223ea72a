// io/utf8_text: text of files whose encoding nobody states.
#pragma once

#include <string>
#include <string_view>

namespace noema {

/// The text itself if it is UTF-8, else with each byte above 127 read as Latin-1: valid UTF-8 in any case.
std::string utf8_text(std::string_view bytes);

}  // namespace noema
