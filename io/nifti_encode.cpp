#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "noema/core/error.h"
#include "noema/io/nifti_header.h"
#include "noema/io/orientation.h"

namespace noema {
namespace {

constexpr std::int64_t kLongestAxis1 = 32767;
constexpr int kComment = 6;

bool is_mni(std::string_view space) { return space.starts_with("MNI"); }

struct Quaternion {
  double b = 0, c = 0, d = 0, qfac = 1;
  std::array<double, 3> offset{0, 0, 0};
  /// Does it give the affine back? A sheared one it cannot.
  bool exact = false;
};

Quaternion quaternion_of(const Grid& grid) {
  nifti_dmat44 m{};
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) m.m[row][column] = grid.ras_from_voxel(row, column);
  }
  Quaternion q;
  std::array<double, 3> zooms{};
  nifti_dmat44_to_quatern(m, &q.b, &q.c, &q.d, &q.offset[0], &q.offset[1], &q.offset[2], &zooms[0], &zooms[1],
                          &zooms[2], &q.qfac);
  const nifti_dmat44 back = nifti_quatern_to_dmat44(q.b, q.c, q.d, q.offset[0], q.offset[1], q.offset[2], zooms[0],
                                                    zooms[1], zooms[2], q.qfac);
  Grid other = grid;
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) other.ras_from_voxel(row, column) = back.m[row][column];
  }
  q.exact = same_grid(grid, other, 1e-3);
  return q;
}

nifti_2_header fields_of(const ImageHeader& header, const WriteOptions& options, NiftiScaling scaling) {
  const Grid disk = options.restore_orientation ? to_disk(header.grid, header.disk_orientation) : header.grid;
  const auto zooms = disk.voxel_size_mm();
  const Quaternion q = quaternion_of(disk);
  nifti_2_header h{};
  h.dim[0] = header.volumes > 1 ? 4 : 3;
  std::fill(h.dim + 1, h.dim + 8, 1);
  std::copy(disk.shape.begin(), disk.shape.end(), h.dim + 1);
  h.dim[4] = header.volumes;
  h.pixdim[0] = q.qfac;
  std::copy(zooms.begin(), zooms.end(), h.pixdim + 1);
  h.pixdim[4] = header.tr_s;
  h.datatype = static_cast<std::int16_t>(options.type);
  h.bitpix = static_cast<std::int16_t>(8 * bytes_of(options.type));
  h.scl_slope = scaling.slope;
  h.scl_inter = scaling.intercept;
  h.xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
  std::memcpy(h.descrip, options.description.data(), options.description.size());
  const int fallback = is_mni(header.space) ? NIFTI_XFORM_MNI_152 : NIFTI_XFORM_ALIGNED_ANAT;
  h.sform_code = header.sform_code > 0 ? header.sform_code : header.qform_code > 0 ? header.qform_code : fallback;
  h.qform_code = !q.exact ? 0 : header.qform_code > 0 ? header.qform_code : h.sform_code;
  h.quatern_b = q.b;
  h.quatern_c = q.c;
  h.quatern_d = q.d;
  h.qoffset_x = q.offset[0];
  h.qoffset_y = q.offset[1];
  h.qoffset_z = q.offset[2];
  for (int column = 0; column < 4; ++column) {
    h.srow_x[column] = disk.ras_from_voxel(0, column);
    h.srow_y[column] = disk.ras_from_voxel(1, column);
    h.srow_z[column] = disk.ras_from_voxel(2, column);
  }
  return h;
}

nifti_1_header narrow(const nifti_2_header& from) {
  nifti_1_header to{};
  const auto copy = [](const auto& source, auto& target) {
    for (std::size_t i = 0; i < std::size(target); ++i) {
      target[i] = static_cast<std::remove_reference_t<decltype(target[i])>>(source[i]);
    }
  };
  to.sizeof_hdr = sizeof(to);
  copy(from.dim, to.dim);
  copy(from.pixdim, to.pixdim);
  to.datatype = from.datatype;
  to.bitpix = from.bitpix;
  to.vox_offset = static_cast<float>(from.vox_offset);
  to.scl_slope = static_cast<float>(from.scl_slope);
  to.scl_inter = static_cast<float>(from.scl_inter);
  to.xyzt_units = static_cast<char>(from.xyzt_units);
  std::memcpy(to.descrip, from.descrip, sizeof(to.descrip));
  to.sform_code = static_cast<std::int16_t>(from.sform_code);
  to.qform_code = static_cast<std::int16_t>(from.qform_code);
  to.quatern_b = static_cast<float>(from.quatern_b);
  to.quatern_c = static_cast<float>(from.quatern_c);
  to.quatern_d = static_cast<float>(from.quatern_d);
  to.qoffset_x = static_cast<float>(from.qoffset_x);
  to.qoffset_y = static_cast<float>(from.qoffset_y);
  to.qoffset_z = static_cast<float>(from.qoffset_z);
  copy(from.srow_x, to.srow_x);
  copy(from.srow_y, to.srow_y);
  copy(from.srow_z, to.srow_z);
  return to;
}

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

std::string encode_nifti_extension(int code, std::string_view text) {
  const std::size_t size = (8 + text.size() + 15) / 16 * 16;
  std::string bytes;
  append(bytes, static_cast<std::int32_t>(size));
  append(bytes, static_cast<std::int32_t>(code));
  bytes += text;
  bytes.resize(size, '\0');
  return bytes;
}

int nifti_version_for(const ImageHeader& header) {
  const auto& shape = header.grid.shape;
  return std::max(*std::max_element(shape.begin(), shape.end()), header.volumes) > kLongestAxis1 ? 2 : 1;
}

std::string encode_nifti_header(const ImageHeader& header, const WriteOptions& options, NiftiScaling scaling,
                                bool is_pair) {
  nifti_2_header fields = fields_of(header, options, scaling);
  const std::string extension = options.comment.empty()
                                    ? std::string(4, '\0')
                                    : std::string("\1\0\0\0", 4) + encode_nifti_extension(kComment, options.comment);
  std::string bytes;
  if (nifti_version_for(header) == 1) {
    if (!is_pair) fields.vox_offset = static_cast<std::int64_t>(sizeof(nifti_1_header) + extension.size());
    nifti_1_header narrowed = narrow(fields);
    std::memcpy(narrowed.magic, is_pair ? "ni1" : "n+1", 4);
    append(bytes, narrowed);
  } else {
    fields.sizeof_hdr = sizeof(nifti_2_header);
    std::memcpy(fields.magic, is_pair ? "ni2\0\r\n\x1a\n" : "n+2\0\r\n\x1a\n", 8);
    if (!is_pair) fields.vox_offset = static_cast<std::int64_t>(sizeof(nifti_2_header) + extension.size());
    append(bytes, fields);
  }
  return bytes + extension;
}

}  // namespace noema
