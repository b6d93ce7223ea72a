// io/gifti_values: the values of a GIFTI data array as text and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/nifti.h"

namespace noema {

/// A zlib stream (what GIFTI calls GZip) that inflates to `bytes` bytes exactly; nothing for any other.
std::optional<std::vector<std::byte>> inflate_zlib(std::span<const std::byte> stream, std::int64_t bytes);
std::vector<std::byte> deflate_zlib(std::span<const std::byte> bytes);

/// "uint8", "int32", "float32" or "float64" → the type; nothing for others.
std::optional<NiftiType> gifti_type(std::string_view name);

/// Column-major values of this shape in row-major order.
std::vector<double> to_row_major(std::span<const double> values, std::span<const std::int64_t> shape);

/// Intent codes by the names of GIFTI ("NIFTI_INTENT_POINTSET"); nothing for a name that is not known.
std::optional<int> gifti_intent(std::string_view name);
std::string gifti_intent_name(int code);

}  // namespace noema
