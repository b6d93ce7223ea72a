#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/io/cifti.h"
#include "noema/io/cifti_xml.h"
#include "noema/io/gzip_output.h"
#include "noema/io/nifti_header.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsAtOnce = 64;
constexpr int kCommentCode = 6;
constexpr int kCiftiCode = 32;

void check_name(const fs::path& path, CiftiKind kind) {
  const std::string ending = fmt::format(".{}.nii", cifti_kind_name(kind));
  const std::string name = path.filename().string();
  if (name.size() > ending.size() && name.ends_with(ending)) return;
  throw UsageError(fmt::format("'{}': the name decides the format and must end in {}", path.string(), ending));
}

void check_parts(const fs::path& path, const Cifti& cifti) {
  const CiftiHeader& header = cifti.header;
  const auto refuse = [&](const std::string& what) {
    throw ShapeError(fmt::format("'{}' cannot be written: {}", path.string(), what));
  };
  if (header.brain_models == nullptr) refuse("it has no brain models");
  if (cifti.values.rows() != header.points || cifti.values.cols() != header.places() || cifti.values.size() == 0) {
    refuse(fmt::format("found {} × {} values, the header announces {} × {}", cifti.values.rows(), cifti.values.cols(),
                       header.points, header.places()));
  }
  if (!header.has_series() && static_cast<std::int64_t>(header.maps.size()) != header.points) {
    refuse(fmt::format("found {} names of {} maps", header.maps.size(), header.points));
  }
  if (header.has_series() && !(header.series.tr_s() > 0 && std::isfinite(header.series.tr_s()))) {
    refuse(fmt::format("the step of the series is {} s, expected a positive number", header.series.tr_s()));
  }
  if (const std::string fault = fault_of(*header.brain_models); !fault.empty()) {
    throw DataError(fmt::format("'{}' cannot be written: {}", path.string(), fault));
  }
}

void check_labels(const fs::path& path, const Cifti& cifti) {
  for (std::size_t m = 0; m < cifti.header.maps.size(); ++m) {
    std::set<float> keys;
    for (const CiftiLabel& label : cifti.header.maps[m].labels) keys.insert(static_cast<float>(label.key));
    const auto values = cifti.values.row(static_cast<Eigen::Index>(m));
    for (Eigen::Index g = 0; g < values.size(); ++g) {
      if (keys.contains(values[g])) continue;
      throw DataError(
          fmt::format("'{}' cannot be written: grayordinate {} of map '{}' is {}, which is no key of its "
                      "table of labels",
                      path.string(), g, cifti.header.maps[m].name, values[g]));
    }
  }
}

std::string header_bytes(const CiftiHeader& header, NiftiType type) {
  std::string extensions = encode_nifti_extension(kCiftiCode, format_cifti_xml(header));
  if (!header.storage.comment.empty()) extensions += encode_nifti_extension(kCommentCode, header.storage.comment);
  nifti_2_header h{};
  h.sizeof_hdr = sizeof(h);
  std::memcpy(h.magic, "n+2\0\r\n\x1a\n", 8);
  h.datatype = static_cast<std::int16_t>(type);
  h.bitpix = static_cast<std::int16_t>(8 * bytes_of(type));
  h.dim[0] = 6;
  std::fill(h.dim + 1, h.dim + 8, 1);
  h.dim[5] = header.points;
  h.dim[6] = header.places();
  std::fill(h.pixdim, h.pixdim + 8, 1.0);
  h.scl_slope = 1;
  h.xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
  const CiftiIntent intent = cifti_intent(header.kind);
  h.intent_code = intent.code;
  std::memcpy(h.intent_name, intent.name, std::strlen(intent.name));
  h.vox_offset = nifti_header_bytes(2) + static_cast<std::int64_t>(extensions.size());
  std::string bytes(reinterpret_cast<const char*>(&h), sizeof(h));
  return bytes + std::string("\1\0\0\0", 4) + extensions;
}

}  // namespace

void write_cifti(const fs::path& path, const Cifti& cifti) {
  check_name(path, cifti.header.kind);
  check_parts(path, cifti);
  const bool labels = cifti.header.kind == CiftiKind::dlabel;
  if (labels) check_labels(path, cifti);
  const NiftiType type = labels ? NiftiType::int32 : NiftiType::float32;
  GzipOutput output(path, false);
  const std::string head = header_bytes(cifti.header, type);
  output.write(std::as_bytes(std::span(head)));
  const auto encode = value_encoder<float>(type, false);
  const std::int64_t points = cifti.header.points, places = cifti.header.places();
  MatrixF rows;
  std::vector<std::byte> bytes(static_cast<std::size_t>(kRowsAtOnce * points * bytes_of(type)));
  for (std::int64_t first = 0; first < places; first += kRowsAtOnce) {
    check_cancelled();
    const std::int64_t count = std::min(kRowsAtOnce, places - first);
    rows = cifti.values.middleCols(first, count).transpose();
    encode(rows.data(), 1, rows.size(), {}, bytes.data());
    output.write(std::span(bytes).first(static_cast<std::size_t>(rows.size() * bytes_of(type))));
  }
  output.commit();
}

}  // namespace noema
