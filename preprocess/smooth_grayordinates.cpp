#include "noema/preprocess/smooth_grayordinates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/hash.h"

namespace noema {
namespace {

/// How many voxels the Gaussian reaches, and at least so many that no box is thin.
std::array<std::int64_t, 3> margin(const Grid& grid, double fwhm_mm) {
  std::array<std::int64_t, 3> result{};
  const std::array<double, 3> size_mm = grid.voxel_size_mm();
  for (std::size_t a = 0; a < 3; ++a) {
    const double sigma_voxels = fwhm_mm / std::sqrt(8 * std::log(2.0)) / size_mm[a];
    result[a] = std::max<std::int64_t>(kThinAxis / 2, std::lround(std::floor(4 * sigma_voxels + 0.5)));
  }
  return result;
}

std::array<std::int64_t, 3> lowest(const BrainModel& model) {
  std::array<std::int64_t, 3> low;
  low.fill(std::numeric_limits<std::int64_t>::max());
  for (const auto& voxel : model.voxels) {
    for (std::size_t a = 0; a < 3; ++a) low[a] = std::min<std::int64_t>(low[a], voxel[a]);
  }
  return low;
}

/// Of the voxel sizes of the structure's volume; where it lies is no matter.
Grid box_around(const BrainModels& models, const BrainModel& model, double fwhm_mm) {
  Grid box;
  box.ras_from_voxel = models.ras_from_voxel;
  const std::array<std::int64_t, 3> low = lowest(model), beyond = margin(box, fwhm_mm);
  for (const auto& voxel : model.voxels) {
    for (std::size_t a = 0; a < 3; ++a) {
      box.shape[a] = std::max<std::int64_t>(box.shape[a], voxel[a] - low[a] + 1 + 2 * beyond[a]);
    }
  }
  return box;
}

const SurfaceMesh& mesh_of(const BrainModel& model, std::span<const SurfaceMesh> meshes) {
  const auto found = std::find_if(meshes.begin(), meshes.end(),
                                  [&](const SurfaceMesh& mesh) { return mesh.structure == model.structure; });
  if (found == meshes.end()) {
    throw UsageError(fmt::format(
        "--fwhm smooths grayordinates along the surface, and there is no mesh of {}; give those of the runs with "
        "--surface L.surf.gii R.surf.gii (for instance fsLR 32k midthickness), or leave --fwhm out",
        short_structure(model.structure)));
  }
  if (found->vertices() != model.surface_vertices) {
    throw ShapeError(
        fmt::format("the mesh of {} has {} vertices, the runs' {}; give the mesh of the runs with --surface",
                    short_structure(model.structure), found->vertices(), model.surface_vertices));
  }
  return *found;
}

}  // namespace

GrayordinateSmoother::Structure::Structure(const BrainModels& models, const BrainModel& model, double fwhm_mm)
    : box(box_around(models, model, fwhm_mm)), smoother(box, fwhm_mm) {
  const std::array<std::int64_t, 3> low = lowest(model), beyond = margin(box, fwhm_mm);
  for (const auto& voxel : model.voxels) {
    places.push_back(static_cast<std::size_t>(
        box.linear_index(voxel[0] - low[0] + beyond[0], voxel[1] - low[1] + beyond[1], voxel[2] - low[2] + beyond[2])));
  }
  weights = weights_of_finite(std::vector<float>(places.size(), 0));
}

std::vector<float> GrayordinateSmoother::Structure::weights_of_finite(std::span<const float> values) {
  volume.assign(static_cast<std::size_t>(box.voxel_count()), 0);
  for (std::size_t v = 0; v < places.size(); ++v) volume[places[v]] = std::isfinite(values[v]) ? 1.0F : 0.0F;
  smoother.apply(std::span(volume));
  std::vector<float> sums(places.size());
  for (std::size_t v = 0; v < places.size(); ++v) sums[v] = volume[places[v]];
  return sums;
}

void GrayordinateSmoother::Structure::apply(std::span<float> values) {
  const bool whole = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  const std::vector<float> sums = whole ? std::vector<float>() : weights_of_finite(values);
  volume.assign(static_cast<std::size_t>(box.voxel_count()), 0);
  for (std::size_t v = 0; v < places.size(); ++v) volume[places[v]] = values[v];
  smoother.apply(std::span(volume));  // takes what is not finite for 0
  for (std::size_t v = 0; v < places.size(); ++v) {
    if (std::isfinite(values[v])) values[v] = volume[places[v]] / (whole ? weights : sums)[v];
  }
}

GrayordinateSmoother::GrayordinateSmoother(const BrainModels& models, double fwhm_mm,
                                           std::span<const SurfaceMesh> meshes)
    : count_(static_cast<std::size_t>(models.count())) {
  if (!(fwhm_mm >= 0) || !std::isfinite(fwhm_mm)) {
    throw UsageError(fmt::format("smoothing: found a width of {} mm, expected at least 0", fwhm_mm));
  }
  if (fwhm_mm == 0) return;
  std::size_t first = 0;
  for (const BrainModel& model : models.models) {
    Part part{first, static_cast<std::size_t>(model.count()), {}, {}};
    if (model.is_surface()) part.surface.emplace_back(mesh_of(model, meshes), fwhm_mm, model.vertices);
    if (!model.is_surface()) part.voxels.emplace_back(models, model, fwhm_mm);
    first += part.count;
    parts_.push_back(std::move(part));
  }
}

void GrayordinateSmoother::apply(std::span<float> values) {
  if (values.size() != count_) {
    throw ShapeError(fmt::format("smoothing: {} values for {} grayordinates", values.size(), count_));
  }
  for (Part& part : parts_) {
    const std::span<float> own = values.subspan(part.first, part.count);
    for (const SurfaceSmoother& surface : part.surface) surface.apply(own);
    for (Structure& voxels : part.voxels) voxels.apply(own);
  }
}

std::string surfaces_fingerprint(std::span<const SurfaceMesh> meshes) {
  std::vector<std::string> digests;
  for (const SurfaceMesh& mesh : meshes) {
    const Eigen::Matrix<float, Eigen::Dynamic, 3, Eigen::RowMajor> points = mesh.points_mm.cast<float>();
    Hasher hasher;
    hasher.add(mesh.structure);
    hasher.add(std::as_bytes(std::span(points.data(), static_cast<std::size_t>(points.size()))));
    hasher.add(std::as_bytes(std::span(mesh.triangles.data(), static_cast<std::size_t>(mesh.triangles.size()))));
    digests.push_back(hasher.digest());
  }
  std::sort(digests.begin(), digests.end());
  Hasher all;
  for (const std::string& digest : digests) all.add(digest);
  return all.digest();
}

}  // namespace noema
