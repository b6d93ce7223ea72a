// core/pattern: names by the wildcards of file names.
#pragma once

#include <string>
#include <string_view>

namespace noema {

/// Whether a text holds one of * ? [, so that it may stand for several names.
bool has_wildcard(std::string_view text);

/// Whether a name is the pattern, or fits it: * stands for any letters, ? for one, [abc] for one of these and [!abc]
/// for none of these.
bool fits_pattern(const std::string& name, const std::string& pattern);

}  // namespace noema
