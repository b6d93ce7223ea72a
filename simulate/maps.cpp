#include "noema/simulate/maps.h"

#include <cmath>

#include "noema/core/random.h"
#include "noema/simulate/field.h"

namespace noema {
namespace {

/// Squared distance from the centre, 1 on the ellipsoid that touches the outermost voxels.
double squared_radius(const std::array<std::int64_t, 3>& shape, const std::array<std::int64_t, 3>& voxel) {
  double sum = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (shape[axis] > 1) {
      sum += std::pow(2 * static_cast<double>(voxel[axis]) / static_cast<double>(shape[axis] - 1) - 1, 2);
    }
  }
  return sum;
}

Tissue tissue_at(double squared) {
  if (squared > 1 + 1e-9) return Tissue::outside;
  if (squared > 0.3) return Tissue::grey;
  return squared > 0.04 ? Tissue::white : Tissue::csf;
}

double brightness(Tissue tissue) {
  switch (tissue) {
    case Tissue::outside:
      return 0.05;
    case Tissue::grey:
      return 1;
    case Tissue::white:
      return 0.85;
    case Tissue::csf:
      return 1.3;
  }
  return 0;
}

/// Subject 0 stands for what all subjects share.
void draw_blobs(const Phantom& phantom, const SimulationOptions& options, int subject, int state,
                Eigen::Ref<Eigen::RowVectorXf> map) {
  RandomStream random(options.seed, "blobs", {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(state)});
  const Mask& brain = phantom.brain;
  map.setZero();
  for (int blob = 0; blob < options.blobs_per_map; ++blob) {
    const auto centre = brain.grid.voxel_at(brain.voxels[random.below(static_cast<std::uint64_t>(brain.size()))]);
    for (std::int64_t v = 0; v < brain.size(); ++v) {
      const auto voxel = brain.grid.voxel_at(brain.voxels[static_cast<std::size_t>(v)]);
      double squared = 0;
      for (std::size_t axis = 0; axis < 3; ++axis) squared += std::pow(voxel[axis] - centre[axis], 2);
      map[v] += static_cast<float>(std::exp(-0.5 * squared / std::pow(options.map_sd_voxels, 2)));
    }
  }
}

void draw_field(const Phantom& phantom, const SimulationOptions& options, int subject, int state,
                Eigen::Ref<Eigen::RowVectorXf> map) {
  std::vector<float> field(phantom.tissue.size());
  FieldSource(options.shape, options.map_sd_voxels)
      .draw({options.seed, "map", {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(state), 0}}, field);
  for (std::int64_t v = 0; v < phantom.brain.size(); ++v) {
    map[v] = field[static_cast<std::size_t>(phantom.brain.voxels[static_cast<std::size_t>(v)])];
  }
  map.array() -= map.mean();
}

MatrixF draw_maps(const Phantom& phantom, const SimulationOptions& options, int subject) {
  MatrixF maps(options.states, phantom.brain.size());
  for (int state = 0; state < options.states; ++state) {
    Eigen::RowVectorXf map(maps.cols());
    if (options.maps == MapKind::blobs) {
      draw_blobs(phantom, options, subject, state, map);
    } else {
      draw_field(phantom, options, subject, state, map);
    }
    const Eigen::RowVectorXd values = map.cast<double>();
    const double variance = (values.array() - values.mean()).square().mean();
    maps.row(state) = variance > 0 ? Eigen::RowVectorXf((values / std::sqrt(variance)).cast<float>()) : map;
  }
  return maps;
}

}  // namespace

Phantom make_phantom(const SimulationOptions& options) {
  Phantom phantom;
  Grid& grid = phantom.brain.grid;
  grid.shape = options.shape;
  for (int axis = 0; axis < 3; ++axis) {
    grid.ras_from_voxel(axis, axis) = options.voxel_mm;
    grid.ras_from_voxel(axis, 3) =
        -0.5 * options.voxel_mm * static_cast<double>(options.shape[static_cast<std::size_t>(axis)] - 1);
  }
  for (std::int64_t voxel = 0; voxel < grid.voxel_count(); ++voxel) {
    const Tissue tissue = tissue_at(squared_radius(options.shape, grid.voxel_at(voxel)));
    phantom.tissue.push_back(tissue);
    phantom.baseline.push_back(static_cast<float>(options.mean_intensity * brightness(tissue)));
    if (tissue != Tissue::outside) phantom.brain.voxels.push_back(voxel);
  }
  return phantom;
}

MatrixF state_maps(const Phantom& phantom, const SimulationOptions& options) { return draw_maps(phantom, options, 0); }

MatrixF subject_maps(const Phantom& phantom, const SimulationOptions& options, const MatrixF& common, int subject) {
  return common + static_cast<float>(options.own_map) * draw_maps(phantom, options, subject + 1);
}

}  // namespace noema
