// core/base64: bytes as text of 64 letters (RFC 4648).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// With padding, without line ends.
std::string to_base64(std::span<const std::byte> bytes);

/// Blanks and line ends are passed over. Nothing for any other character, missing padding or a cut-off group.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace noema
