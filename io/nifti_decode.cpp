#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti_header.h"
#include "noema/io/orientation.h"
#include "noema/io/utf8_text.h"

namespace noema {
namespace {

constexpr std::string_view kDamaged = "the header is damaged: get the file again";

// The axes of space and the number of volumes; every length is positive and their product of bytes fits 63 bits.
void decode_shape(const std::filesystem::path& path, const NiftiFields& fields, NiftiHeader& header) {
  const auto& dim = fields.h.dim;
  const int at = nifti_offsets(fields.version).dim;
  if (dim[0] < 1 || dim[0] > 7) {
    throw FormatError(path, at, fmt::format("{} axes found, expected 1 to 7; {}", dim[0], kDamaged));
  }
  if (is_cifti(fields)) {
    throw FormatError(path, nifti_offsets(fields.version).intent,
                      "a CIFTI-2 file (grayordinates), expected a volume image; extract the volume first (wb_command "
                      "-cifti-separate)");
  }
  __int128 bytes = bytes_of(header.facts.type);
  auto& shape = header.image.disk_grid.shape;
  shape = {1, 1, 1};
  for (int axis = 1; axis <= dim[0]; ++axis) {
    if (dim[axis] < 1) {
      throw FormatError(path, at + axis * (fields.version == 1 ? 2 : 8),
                        fmt::format("axis {} has length {}, expected at least 1; {}", axis, dim[axis], kDamaged));
    }
    bytes *= dim[axis];
    if (bytes > std::numeric_limits<std::int64_t>::max() / 8) {
      throw FormatError(path, at, fmt::format("the axes multiply to more bytes than any file has; {}", kDamaged));
    }
    if (axis <= 3) {
      shape[static_cast<std::size_t>(axis - 1)] = dim[axis];
    } else if (dim[axis] > 1 && header.image.volumes > 1) {
      throw FormatError(path, at + axis * (fields.version == 1 ? 2 : 8),
                        fmt::format("a second axis besides space is longer than 1 ({} × {}), expected three axes of "
                                    "space and one of volumes; split the file",
                                    header.image.volumes, dim[axis]));
    } else {
      header.image.volumes *= dim[axis];
    }
  }
}

void decode_type(const std::filesystem::path& path, const NiftiFields& fields, NiftiFacts& facts) {
  const int code = fields.h.datatype;
  const auto at = nifti_offsets(fields.version);
  switch (code) {
    case 2:
    case 4:
    case 8:
    case 16:
    case 64:
    case 256:
    case 512:
    case 768:
    case 1024:
    case 1280:
      facts.type = static_cast<NiftiType>(code);
      break;
    default:
      throw FormatError(
          path, at.datatype,
          fmt::format("number type {} ({}), expected a real type of up to 64 bits; convert the values, for "
                      "instance to float32",
                      code, nifti_datatype_string(code)));
  }
  if (fields.h.bitpix != 8 * bytes_of(facts.type)) {
    log_warning(fmt::format("'{}': the header says {} bits per value, but {} has {}; the type counts", path.string(),
                            fields.h.bitpix, to_string(facts.type), 8 * bytes_of(facts.type)));
  }
}

void decode_scaling(const std::filesystem::path& path, const NiftiFields& fields, NiftiFacts& facts) {
  const double slope = fields.h.scl_slope;
  if (slope == 0 || !std::isfinite(slope)) return;
  if (!std::isfinite(fields.h.scl_inter)) {
    throw FormatError(path, nifti_offsets(fields.version).inter,
                      fmt::format("the slope of the values is {} but their intercept {}, expected a finite number; {}",
                                  slope, fields.h.scl_inter, kDamaged));
  }
  facts.slope = slope;
  facts.intercept = fields.h.scl_inter;
}

// The shortest decimal number that is stored as this float32: 0.72, not 0.7200000286.
double as_written(double value, int version) {
  if (version != 1) return value;
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), static_cast<float>(value)).ptr;
  double result = value;
  std::from_chars(text, end, result);
  return result;
}

void decode_time(const std::filesystem::path& path, const NiftiFields& fields, NiftiHeader& header) {
  double seconds = 1;
  switch (fields.h.xyzt_units & 0x38) {
    case NIFTI_UNITS_SEC:
      header.facts.time_units = "s";
      break;
    case NIFTI_UNITS_MSEC:
      header.facts.time_units = "ms";
      seconds = 1e3;
      break;
    case NIFTI_UNITS_USEC:
      header.facts.time_units = "us";
      seconds = 1e6;
      break;
    case NIFTI_UNITS_HZ:
      header.facts.time_units = "Hz";
      return;
    case NIFTI_UNITS_PPM:
      header.facts.time_units = "ppm";
      return;
    case NIFTI_UNITS_RADS:
      header.facts.time_units = "rad/s";
      return;
    default:
      header.facts.time_units = "unknown";
  }
  if (fields.h.dim[0] < 4) return;
  const double tr_s = as_written(fields.h.pixdim[4], fields.version) / seconds;
  if (!std::isfinite(tr_s) || tr_s < 0) {
    log_warning(fmt::format("'{}': the time from volume to volume is {} s, which cannot be; it counts as not said",
                            path.string(), tr_s));
    return;
  }
  if (tr_s > 30 && header.image.volumes > 1) {
    log_warning(
        fmt::format("'{}': {} s from volume to volume is unusual; most often it is in ms though the header says "
                    "s. It was kept: give the right TR where you can",
                    path.string(), tr_s));
  }
  header.image.tr_s = tr_s;
}

void decode_data_offset(const std::filesystem::path& path, const NiftiFields& fields, NiftiFacts& facts) {
  const int at = nifti_offsets(fields.version).vox_offset;
  const double offset = fields.vox_offset;
  const std::int64_t smallest = fields.single_file ? nifti_header_bytes(fields.version) : 0;
  if (!(offset >= 0 && offset < 9e15 && offset == std::floor(offset))) {  // NaN fails the first comparison
    throw FormatError(
        path, at,
        fmt::format("the data begins at byte {}, expected a whole number from {} on; {}", offset, smallest, kDamaged));
  }
  facts.data_offset = fields.version == 1 ? static_cast<std::int64_t>(offset) : fields.h.vox_offset;
  if (facts.data_offset >= smallest) return;
  if (facts.data_offset != 0) {
    throw FormatError(path, at,
                      fmt::format("the data begins at byte {}, within the header, expected {} or more; {}",
                                  facts.data_offset, smallest, kDamaged));
  }
  log_warning(
      fmt::format("'{}': the header does not say where the data begins; byte {} was taken", path.string(), smallest));
  facts.data_offset = smallest;
}

}  // namespace

std::string to_string(NiftiType type) {
  switch (type) {
    case NiftiType::uint8:
      return "uint8";
    case NiftiType::int16:
      return "int16";
    case NiftiType::int32:
      return "int32";
    case NiftiType::float32:
      return "float32";
    case NiftiType::float64:
      return "float64";
    case NiftiType::int8:
      return "int8";
    case NiftiType::uint16:
      return "uint16";
    case NiftiType::uint32:
      return "uint32";
    case NiftiType::int64:
      return "int64";
    case NiftiType::uint64:
      return "uint64";
  }
  return fmt::format("type {}", static_cast<int>(type));
}

bool is_cifti(const NiftiFields& fields) { return fields.h.intent_code >= 3000 && fields.h.intent_code <= 3099; }

NiftiFacts decode_nifti_storage(const std::filesystem::path& path, const NiftiFields& fields) {
  NiftiFacts facts;
  facts.version = fields.version;
  facts.big_endian = fields.swapped == (std::endian::native == std::endian::little);
  facts.single_file = fields.single_file;
  const auto& descrip = fields.h.descrip;
  facts.description = utf8_text({descrip, std::find(std::begin(descrip), std::end(descrip), '\0')});
  decode_type(path, fields, facts);
  decode_scaling(path, fields, facts);
  decode_data_offset(path, fields, facts);
  return facts;
}

NiftiHeader decode_nifti_fields(const std::filesystem::path& path, const NiftiFields& fields) {
  NiftiHeader header;
  header.image.path = path;
  header.facts = decode_nifti_storage(path, fields);
  header.image.disk_datatype = static_cast<int>(header.facts.type);
  decode_shape(path, fields, header);
  decode_time(path, fields, header);
  decode_nifti_place(path, fields, header);
  return header;
}

}  // namespace noema
