#include <fmt/format.h>

#include <Eigen/LU>
#include <array>
#include <cmath>
#include <string_view>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti_header.h"
#include "noema/io/orientation.h"

namespace noema {
namespace {

constexpr std::string_view kSetPlace = "set the affine again with the program that made the file";

double mm_per_unit(int units, std::string& name) {
  switch (units & 0x07) {
    case NIFTI_UNITS_METER:
      name = "m";
      return 1e3;
    case NIFTI_UNITS_MM:
      name = "mm";
      return 1;
    case NIFTI_UNITS_MICRON:
      name = "um";
      return 1e-3;
    default:
      name = "unknown";
      return 1;
  }
}

// Codes that the standard does not know count as not said.
int known_code(const std::filesystem::path& path, std::string_view form, int code) {
  if (code >= 0 && code <= 5) return code;
  log_warning(fmt::format("'{}': the {} code is {}, expected 0 to 5; what the affine refers to counts as not said",
                          path.string(), form, code));
  return 0;
}

Eigen::Matrix4d sform_of(const nifti_2_header& h) {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  for (int column = 0; column < 4; ++column) {
    affine(0, column) = h.srow_x[column];
    affine(1, column) = h.srow_y[column];
    affine(2, column) = h.srow_z[column];
  }
  return affine;
}

// Voxel edges in the file's units. An axis that the file does not have counts as 1 unit where it says no length.
std::array<double, 3> zooms_of(const nifti_2_header& h) {
  std::array<double, 3> zooms{h.pixdim[1], h.pixdim[2], h.pixdim[3]};
  for (int axis = 0; axis < 3; ++axis) {
    auto& zoom = zooms[static_cast<std::size_t>(axis)];
    if (axis >= h.dim[0] && !(zoom > 0 && std::isfinite(zoom))) zoom = 1;
  }
  return zooms;
}

bool all_positive(const std::array<double, 3>& zooms) {
  for (const double zoom : zooms) {
    if (!(zoom > 0 && std::isfinite(zoom))) return false;
  }
  return true;
}

double qfac_of(const std::filesystem::path& path, const nifti_2_header& h) {
  const double qfac = h.pixdim[0];
  if (qfac == 1 || qfac == -1) return qfac;
  if (qfac != 0) {  // 0 is what many programs write for 1
    log_warning(fmt::format("'{}': the handedness (qfac) is {}, expected 1 or -1; 1 was taken", path.string(), qfac));
  }
  return 1;
}

bool quaternion_is_sound(const nifti_2_header& h) {
  const double norm = h.quatern_b * h.quatern_b + h.quatern_c * h.quatern_c + h.quatern_d * h.quatern_d;
  return norm <= 1.001 && std::isfinite(h.qoffset_x) && std::isfinite(h.qoffset_y) && std::isfinite(h.qoffset_z);
}

Eigen::Matrix4d qform_of(const nifti_2_header& h, const std::array<double, 3>& zooms, double qfac) {
  const nifti_dmat44 m = nifti_quatern_to_dmat44(h.quatern_b, h.quatern_c, h.quatern_d, h.qoffset_x, h.qoffset_y,
                                                 h.qoffset_z, zooms[0], zooms[1], zooms[2], qfac);
  Eigen::Matrix4d affine;
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) affine(row, column) = m.m[row][column];
  }
  return affine;
}

// Voxel sizes on the diagonal, the centre of the volume at the origin.
Eigen::Matrix4d base_affine(const std::array<std::int64_t, 3>& shape, const std::array<double, 3>& zooms) {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    affine(axis, axis) = zooms[a];
    affine(axis, 3) = -0.5 * static_cast<double>(shape[a] - 1) * zooms[a];
  }
  return affine;
}

void check_affine(const std::filesystem::path& path, int byte, const Eigen::Matrix4d& affine) {
  if (!affine.allFinite()) {
    throw FormatError(path, byte, fmt::format("the affine has numbers that are not finite; {}", kSetPlace));
  }
  const Eigen::Matrix3d axes = affine.topLeftCorner<3, 3>();
  const double edges = axes.colwise().norm().prod();
  if (!(edges > 0 && std::isfinite(edges) && std::abs(axes.determinant()) > 1e-6 * edges)) {
    throw FormatError(path, byte,
                      fmt::format("the affine is singular (two axes run the same way or one has no length); "
                                  "{}",
                                  kSetPlace));
  }
}

struct Place {
  Eigen::Matrix4d affine;  // in the file's units
  std::string_view source;
  int byte;  // of the header, where it comes from
};

Place place_of(const std::filesystem::path& path, const NiftiFields& fields, const std::array<std::int64_t, 3>& shape,
               const std::array<double, 3>& zooms) {
  const nifti_2_header& h = fields.h;
  const auto& at = nifti_offsets(fields.version);
  if (!all_positive(zooms)) {
    const std::string what = fmt::format("the voxel sizes are {}, {}, {}", zooms[0], zooms[1], zooms[2]);
    if (h.sform_code <= 0) {
      throw FormatError(path, at.pixdim, fmt::format("{}, expected positive numbers; {}", what, kSetPlace));
    }
    log_warning(fmt::format("'{}': {}, not all positive; the sform makes them unneeded", path.string(), what));
  }
  if (h.sform_code > 0) return {sform_of(h), "sform", at.srow};
  if (h.qform_code > 0) {
    if (!quaternion_is_sound(h)) {
      throw FormatError(
          path, at.quatern,
          fmt::format("the quaternion ({}, {}, {}) with offset ({}, {}, {}) is no rotation; {}", h.quatern_b,
                      h.quatern_c, h.quatern_d, h.qoffset_x, h.qoffset_y, h.qoffset_z, kSetPlace));
    }
    return {qform_of(h, zooms, qfac_of(path, h)), "qform", at.quatern};
  }
  log_warning(
      fmt::format("'{}': the header has neither sform nor qform; axes were taken as RAS with the centre of the "
                  "volume at the origin, so left and right may be exchanged",
                  path.string()));
  return {base_affine(shape, zooms), "none", at.pixdim};
}

}  // namespace

void decode_nifti_place(const std::filesystem::path& path, const NiftiFields& fields, NiftiHeader& header) {
  const nifti_2_header& h = fields.h;
  Grid& disk = header.image.disk_grid;
  const auto zooms = zooms_of(h);
  const Place place = place_of(path, fields, disk.shape, zooms);
  check_affine(path, place.byte, place.affine);
  header.facts.affine_source = place.source;
  header.facts.sform_code = h.sform_code;
  header.facts.qform_code = h.qform_code;
  const double mm = mm_per_unit(h.xyzt_units, header.facts.space_units);
  const auto in_mm = [mm](Eigen::Matrix4d affine) {
    affine.topRows<3>() *= mm;
    return affine;
  };
  disk.ras_from_voxel = in_mm(place.affine);
  header.image.sform_code = known_code(path, "sform", h.sform_code);
  const int qform_code = known_code(path, "qform", h.qform_code);
  if (qform_code > 0 && quaternion_is_sound(h) && all_positive(zooms)) {
    const Grid by_qform{disk.shape, in_mm(qform_of(h, zooms, h.pixdim[0] == -1 ? -1 : 1))};
    if (same_grid(disk, by_qform)) header.image.qform_code = qform_code;
  }
  header.image.disk_orientation = orientation_of(disk.ras_from_voxel);
  header.image.grid = to_canonical(disk, header.image.disk_orientation);
}

}  // namespace noema
