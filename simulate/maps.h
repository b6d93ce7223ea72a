// simulate/maps: a made-up brain and where its states show.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/io/series.h"
#include "noema/simulate/options.h"

namespace noema {

enum class Tissue : std::uint8_t { outside, grey, white, csf };

/// An ellipsoid that fits into the box: grey matter around white matter around a ventricle.
struct Phantom {
  Mask brain;
  /// (X·Y·Z)
  std::vector<Tissue> tissue;
  /// (X·Y·Z): mean intensity without signal or noise; 5 % of the brain's outside of it.
  std::vector<float> baseline;
};

/// The box is centred on the origin of the world.
Phantom make_phantom(const SimulationOptions& options);

/// (K, V): the map of each state over the brain's voxels, of unit standard deviation, the same in all subjects.
MatrixF state_maps(const Phantom& phantom, const SimulationOptions& options);

/// (K, V): the maps of one subject: M + own_map·O, O of the same kind and standard deviation as M.
MatrixF subject_maps(const Phantom& phantom, const SimulationOptions& options, const MatrixF& common, int subject);

}  // namespace noema
