#include "noema/learn/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"

namespace noema {

int LabelTable::index_of(std::string_view name) const {
  const auto found = std::lower_bound(names.begin(), names.end(), name);
  return found != names.end() && *found == name ? static_cast<int>(found - names.begin()) : -1;
}

VolumeRange volumes_between(const Series& series, double begin_s, double end_s) {
  const auto first_at_or_after = [&](double time_s) {
    const double volume = std::ceil((time_s - kTimeTolerance_s - series.start_s) / series.tr_s - 0.5);
    return static_cast<int>(std::clamp(volume, 0.0, static_cast<double>(series.volumes())));
  };
  return {first_at_or_after(begin_s), first_at_or_after(end_s)};
}

void check_keep_mask(const LearningRun& run) {
  if (run.series.keep.size() == static_cast<std::size_t>(run.series.volumes())) return;
  throw ShapeError(fmt::format("run '{}': the keep mask has {} entries, expected one for each of the {} volumes",
                               run.id, run.series.keep.size(), run.series.volumes()));
}

}  // namespace noema
