#include "noema/connectomics/entropy_cascade.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"

namespace noema {

EntropyCascade entropy_cascade(std::int64_t steps, const EntropyCascadeOptions& options) {
  const double climbs = options.largest / options.rise;
  if (!(options.first > 0 && options.least > 0 && options.rise > 0 && options.largest > 0) ||
      std::abs(climbs - std::round(climbs)) > 1e-9 || climbs > 1e6) {
    throw UsageError(
        fmt::format("entropy cascade: found weights {}, {} and {} by {}, expected all above 0 and the largest a whole "
                    "number of rises",
                    options.first, options.least, options.largest, options.rise));
  }
  std::vector<double> plateaus{options.first, options.least, options.first};
  for (int climb = 1; climb <= static_cast<int>(std::lround(climbs)); ++climb) {
    plateaus.push_back(options.rise * climb);
  }
  const auto count = static_cast<std::int64_t>(plateaus.size());
  if (steps < count) {
    throw UsageError(
        fmt::format("entropy cascade: found {} steps for {} plateaus, expected as many or more", steps, count));
  }
  std::vector<std::int64_t> centres;
  for (std::int64_t plateau = 1; plateau < count; ++plateau) centres.push_back(plateau * steps / count);
  EntropyCascade plan;
  plan.entropy = cascade_schedule(plateaus, centres, options.width);
  plan.average_from = steps * 32 / 100;
  for (std::int64_t percent = 41; percent < 100; percent += 10) plan.copy_back.push_back(steps * percent / 100);
  return plan;
}

}  // namespace noema
