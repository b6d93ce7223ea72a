#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti_header.h"

namespace noema {
namespace {

constexpr std::size_t kBytes1 = sizeof(nifti_1_header);
constexpr std::size_t kBytes2 = sizeof(nifti_2_header);
static_assert(kBytes1 == 348 && kBytes2 == 540);

// What people have instead of the image when a download went wrong.
std::string_view what_it_may_be(std::string_view begin) {
  if (begin.starts_with("version https://git-lfs")) return "this is a Git LFS pointer: get the content (git lfs pull)";
  if (begin.find("annex/objects") != std::string_view::npos) {
    return "this is a git-annex pointer: get the content (datalad get)";
  }
  if (begin.starts_with("<")) return "this is text (HTML or XML), perhaps an error page of a download";
  if (begin.starts_with("PK\3\4")) return "this is a zip archive: unpack it";
  return "check that the file is an image, or convert it to NIfTI (for instance with dcm2niix)";
}

// Version by the size that every header begins with, in either byte order; 0 if it is none.
int version_of(std::int32_t header_size, bool& swapped) {
  for (const bool swap : {false, true}) {
    swapped = swap;
    const auto size =
        swap ? __builtin_bswap32(static_cast<std::uint32_t>(header_size)) : static_cast<std::uint32_t>(header_size);
    if (size == kBytes1) return 1;
    if (size == kBytes2) return 2;
  }
  return 0;
}

nifti_2_header widen(const nifti_1_header& from) {
  nifti_2_header to{};
  to.sizeof_hdr = from.sizeof_hdr;
  to.datatype = from.datatype;
  to.bitpix = from.bitpix;
  std::copy(std::begin(from.dim), std::end(from.dim), to.dim);
  std::copy(std::begin(from.pixdim), std::end(from.pixdim), to.pixdim);
  to.scl_slope = from.scl_slope;
  to.scl_inter = from.scl_inter;
  to.intent_code = from.intent_code;
  to.xyzt_units = from.xyzt_units;
  to.qform_code = from.qform_code;
  to.sform_code = from.sform_code;
  to.quatern_b = from.quatern_b;
  to.quatern_c = from.quatern_c;
  to.quatern_d = from.quatern_d;
  to.qoffset_x = from.qoffset_x;
  to.qoffset_y = from.qoffset_y;
  to.qoffset_z = from.qoffset_z;
  std::copy(std::begin(from.srow_x), std::end(from.srow_x), to.srow_x);
  std::copy(std::begin(from.srow_y), std::end(from.srow_y), to.srow_y);
  std::copy(std::begin(from.srow_z), std::end(from.srow_z), to.srow_z);
  std::memcpy(to.descrip, from.descrip, sizeof(to.descrip));
  return to;
}

// "n+1", "ni1", "n+2", "ni2": does the header say that the data is in the same file?
bool is_single(const std::filesystem::path& path, const char* magic, int version) {
  const std::string_view found(magic, 4);
  const char digit = static_cast<char>('0' + version);
  if (found == std::string_view(std::array{'n', '+', digit, '\0'}.data(), 4)) return true;
  if (found == std::string_view(std::array{'n', 'i', digit, '\0'}.data(), 4)) return false;
  const bool analyze = version == 1 && found[0] != 'n';
  throw FormatError(path, version == 1 ? 344 : 4,
                    fmt::format("the magic string is not that of NIfTI-{0}, expected 'n+{0}' or 'ni{0}'; {1}", version,
                                analyze ? "this seems to be an Analyze 7.5 header, which does not say left from right: "
                                          "convert it to NIfTI with the program that knows its convention"
                                        : "the header is damaged: get the file again"));
}

void check_line_ends(const std::filesystem::path& path, const char* magic) {
  const std::string_view found(magic + 4, 4);
  if (found == "\r\n\x1a\n") return;
  if (found == std::string_view("\0\0\0\0", 4)) {
    log_warning(
        fmt::format("'{}': the NIfTI-2 header lacks the bytes that show damage by text transfer", path.string()));
    return;
  }
  throw FormatError(path, 8,
                    "the bytes 0D 0A 1A 0A after the magic string are changed: the file was transferred as text; "
                    "transfer it again in binary mode");
}

}  // namespace

const NiftiOffsets& nifti_offsets(int version) {
  static constexpr NiftiOffsets kFirst{40, 70, 72, 76, 108, 112, 116, 252, 254, 256, 280, 123, 68};
  static constexpr NiftiOffsets kSecond{16, 12, 14, 104, 168, 176, 184, 344, 348, 352, 400, 500, 504};
  return version == 1 ? kFirst : kSecond;
}

std::int64_t nifti_header_bytes(int version) { return version == 1 ? 352 : 544; }

NiftiFields read_nifti_fields(ByteStream& stream) {
  std::array<std::byte, kBytes2> bytes{};
  const std::size_t got = stream.read(std::span(bytes).first(kBytes1));
  std::int32_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  NiftiFields fields;
  fields.version = got < 4 ? 0 : version_of(header_size, fields.swapped);
  if (fields.version == 0) {
    const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), got);
    throw FormatError(stream.path(), 0,
                      got == 0 ? std::string("the file is empty, expected a NIfTI image; copy or download it again")
                               : fmt::format("not a NIfTI image: the header size is {}, expected 348 or 540; {}",
                                             header_size, what_it_may_be(begin)));
  }
  const std::size_t expected = fields.version == 1 ? kBytes1 : kBytes2;
  std::size_t total = got;
  if (total == kBytes1) total += stream.read(std::span(bytes).subspan(kBytes1, expected - kBytes1));
  if (total < expected) {
    throw FormatError(stream.path(), static_cast<std::int64_t>(total),
                      fmt::format("the file ends within the header: {} bytes found, {} expected; it was not copied "
                                  "whole: copy or download it again",
                                  total, expected));
  }
  if (fields.version == 1) {
    nifti_1_header first;
    std::memcpy(&first, bytes.data(), sizeof(first));
    if (fields.swapped) nifti_swap_as_nifti1(&first);
    fields.single_file = is_single(stream.path(), first.magic, 1);
    fields.vox_offset = first.vox_offset;
    fields.h = widen(first);
  } else {
    std::memcpy(&fields.h, bytes.data(), sizeof(fields.h));
    if (fields.swapped) nifti_swap_as_nifti2(&fields.h);
    fields.single_file = is_single(stream.path(), fields.h.magic, 2);
    check_line_ends(stream.path(), fields.h.magic);
    fields.vox_offset = static_cast<double>(fields.h.vox_offset);
  }
  return fields;
}

}  // namespace noema
