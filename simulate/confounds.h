// simulate/confounds: movements of the head, and the table of confounds as fMRIPrep writes it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"
#include "noema/io/table.h"
#include "noema/simulate/maps.h"
#include "noema/simulate/options.h"

namespace noema {

struct Motion {
  /// (T, 6): three translations in mm, three rotations in radians.
  MatrixD parameters;
  /// (T): size of the artefact, 0 but in volumes of a sudden movement, around 1 there. The movement of such a volume is
  /// proportional to it, in a direction that is the run's own, so the six parameters describe the artefact.
  std::vector<double> spikes;
};

/// A slow random walk with sudden movements that go back within one volume; no two of these are neighbours.
Motion draw_motion(const SimulationOptions& options, int subject, int run, std::int64_t volumes);

/// Collects what the table needs while volumes go by.
class ConfoundsCollector {
 public:
  explicit ConfoundsCollector(const Phantom& phantom);
  void add(std::span<const float> volume);

  /// The columns: trans_x … rot_z with their `_derivative1`, `_power2` and `_derivative1_power2`;
  /// framewise_displacement (Power: radius 50 mm), dvars and std_dvars (divided by the median of the run);
  /// global_signal, csf, white_matter (means over brain and tissue); cosine00 … of unit norm, for a cut-off of
  /// 128 s. What needs the volume before is n/a in the first row.
  Table table(const Motion& motion, double tr_s) const;

 private:
  const Phantom& phantom_;
  std::vector<float> before_;
  std::vector<double> global_, csf_, white_, dvars_;
};

/// (T, n): the discrete cosines slower than 128 s, of unit norm; n = floor(2·T·tr/128), at most T − 1.
MatrixD slow_cosines(std::int64_t volumes, double tr_s);

}  // namespace noema
