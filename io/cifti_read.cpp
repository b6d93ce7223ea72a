#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/cifti.h"
#include "noema/io/cifti_xml.h"
#include "noema/io/nifti_header.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsAtOnce = 64;

/// A file that stands before its values.
struct OpenCifti {
  CiftiHeader header;
  ByteStream stream;
};

void check_dimensions(const CiftiHeader& header, const NiftiFields& fields) {
  const auto& dim = fields.h.dim;
  const int at = nifti_offsets(2).dim;
  if (dim[0] < 6 || dim[0] > 7 || dim[1] != 1 || dim[2] != 1 || dim[3] != 1 || dim[4] != 1 ||
      (dim[0] == 7 && dim[7] != 1)) {
    throw FormatError(
        header.path, at,
        fmt::format("found {} axes ({}, {}, {}, {}, …), expected 6, of which the first four have length 1; "
                    "the header is damaged: get the file again",
                    dim[0], dim[1], dim[2], dim[3], dim[4]));
  }
  const auto compare = [&](int axis, std::int64_t expected, std::string_view what) {
    if (dim[axis] == expected) return;
    throw FormatError(header.path, at + 8 * axis,
                      fmt::format("axis {} has length {}, but the XML lists {} {}; the file is damaged or was put "
                                  "together wrongly: write it again with the program that made it",
                                  axis, dim[axis], expected, what));
  };
  compare(5, header.points, header.has_series() ? "points of the series" : "maps");
  compare(6, header.places(), header.has_parcels() ? "parcels" : "grayordinates");
}

void warn_of_kind(const CiftiHeader& header, const NiftiFields& fields) {
  const std::string kind(cifti_kind_name(header.kind));
  const int code = fields.h.intent_code;
  if (code != 3000 && code != cifti_intent(header.kind).code) {
    log_warning(
        fmt::format("'{}': the intent code is {}, that of another kind of file; it was read as the {} that its "
                    "XML describes",
                    header.path.string(), code, kind));
  }
  const std::string name = header.path.filename().string();
  if (name.ends_with("." + kind + ".nii") || name.ends_with("." + kind + ".nii.gz")) return;
  log_warning(fmt::format("'{}': the file is a {}, though its name does not end in .{}.nii; it was read as what it is",
                          header.path.string(), kind, kind));
}

void check_size(const CiftiHeader& header, const ByteStream& stream) {
  const __int128 needed = static_cast<__int128>(header.points) * header.places() * bytes_of(header.storage.type);
  const std::int64_t most = stream.max_size() - header.storage.data_offset;
  if (needed <= most) return;
  throw FormatError(
      header.path, stream.gzip() ? -1 : stream.file_size(),
      fmt::format("the header announces {} × {} values from byte {} on, but the file has {} bytes; it was "
                  "not copied whole or its header is damaged: copy or download it again",
                  header.points, header.places(), header.storage.data_offset, stream.file_size()));
}

OpenCifti open_cifti(const fs::path& path) {
  OpenCifti file{{}, ByteStream(path)};
  CiftiHeader& header = file.header;
  header.path = path;
  const NiftiFields fields = read_nifti_fields(file.stream);
  if (!is_cifti(fields) || fields.version != 2) {
    throw FormatError(
        path, nifti_offsets(fields.version).intent,
        fmt::format("found a NIfTI-{} image with the intent code {}, expected NIfTI-2 with one from 3000 on "
                    "(CIFTI-2); is it a volume?",
                    fields.version, fields.h.intent_code));
  }
  header.storage = decode_nifti_storage(path, fields);
  header.storage.gzip = file.stream.gzip();
  std::string xml;
  read_nifti_extensions(file.stream, header.storage.data_offset, header.storage, &xml);
  if (xml.empty()) {
    throw FormatError(path, nifti_header_bytes(2) - 4,
                      "found no header extension with code 32, which holds the XML of CIFTI; a program without "
                      "knowledge of CIFTI wrote the file: write it with one that knows it (wb_command, nibabel)");
  }
  parse_cifti_xml(xml, header);
  check_dimensions(header, fields);
  warn_of_kind(header, fields);
  check_size(header, file.stream);
  return file;
}

}  // namespace

bool is_cifti_file(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* pair : {".hdr", ".hdr.gz", ".img", ".img.gz"}) {
    if (name.ends_with(pair)) return false;
  }
  ByteStream stream(path);
  return is_cifti(read_nifti_fields(stream));
}

CiftiHeader read_cifti_header(const fs::path& path) { return open_cifti(path).header; }

// On the disk the points of one place lie side by side, in memory the places of one point.
Cifti read_cifti(const fs::path& path) {
  OpenCifti file = open_cifti(path);
  Cifti cifti{std::move(file.header), {}};
  const NiftiFacts& storage = cifti.header.storage;
  const std::int64_t points = cifti.header.points, places = cifti.header.places();
  cifti.values.resize(points, places);
  const NiftiScaling scaling{storage.slope, storage.intercept};
  const auto decode =
      value_decoder<float>(storage.type, storage.big_endian == (std::endian::native == std::endian::little), scaling);
  MatrixF rows(std::min(kRowsAtOnce, places), points);
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows.size() * bytes_of(storage.type)));
  file.stream.seek(storage.data_offset);
  for (std::int64_t first = 0; first < places; first += kRowsAtOnce) {
    check_cancelled();
    const std::int64_t count = std::min(kRowsAtOnce, places - first);
    const std::int64_t wanted = count * points * bytes_of(storage.type);
    const std::size_t got = file.stream.read(std::span(bytes).first(static_cast<std::size_t>(wanted)));
    if (static_cast<std::int64_t>(got) < wanted) {
      throw FormatError(path, file.stream.file_size(),
                        fmt::format("the data ends early: {} bytes found, {} expected; the file was not copied whole: "
                                    "copy or download it again",
                                    first * points * bytes_of(storage.type) + static_cast<std::int64_t>(got),
                                    points * places * bytes_of(storage.type)));
    }
    decode(bytes.data(), count * points, scaling, rows.data(), 1);
    cifti.values.middleCols(first, count) = rows.topRows(count).transpose();
  }
  file.stream.finish();
  return cifti;
}

}  // namespace noema
