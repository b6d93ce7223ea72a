// preprocess/nuisance: what a decoder could use that is not the brain's response: the regressors of a nuisance-only
// baseline.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "noema/io/confounds.h"

namespace noema {

struct NuisanceSeries {
  MatrixD values;  // (T, Q)
  std::vector<std::string> names;
};

/// The six motion parameters and framewise displacement (those that `table` has; it may be null; missing numbers become
/// 0), the global signal, and the position in the run, t/T.
/// @throws ShapeError if the table has another number of volumes
NuisanceSeries nuisance_series(const ConfoundTable* table, std::span<const double> global_signal);

}  // namespace noema
