#include "noema/preprocess/nuisance.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"

namespace noema {

NuisanceSeries nuisance_series(const ConfoundTable* table, std::span<const double> global_signal) {
  const auto volumes = static_cast<Eigen::Index>(global_signal.size());
  if (table != nullptr && table->values.rows() != volumes) {
    throw ShapeError(
        fmt::format("'{}': {} rows for a run of {} volumes", table->path.string(), table->values.rows(), volumes));
  }
  NuisanceSeries result;
  if (table != nullptr) {
    for (const char* name : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"}) {
      if (table->has(name)) result.names.emplace_back(name);
    }
  }
  const auto from_table = static_cast<Eigen::Index>(result.names.size());
  result.values.resize(volumes, from_table + 2);
  for (Eigen::Index c = 0; c < from_table; ++c) {
    result.values.col(c) = table->values.col(table->index(result.names[static_cast<std::size_t>(c)]));
  }
  result.values = result.values.unaryExpr([](double value) { return std::isfinite(value) ? value : 0.0; });
  for (Eigen::Index t = 0; t < volumes; ++t) {
    result.values(t, from_table) = global_signal[static_cast<std::size_t>(t)];
    result.values(t, from_table + 1) = static_cast<double>(t) / static_cast<double>(volumes);
  }
  result.names.emplace_back("global_signal");
  result.names.emplace_back("position");
  return result;
}

}  // namespace noema
