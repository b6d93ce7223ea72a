#include "noema/preprocess/cosine_drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "noema/core/error.h"

namespace noema {

MatrixD cosine_drift(std::int64_t volumes, double tr_s, double high_pass_hz) {
  if (volumes < 1 || !(tr_s > 0) || !std::isfinite(tr_s) || !(high_pass_hz >= 0) || !std::isfinite(high_pass_hz)) {
    throw UsageError(
        fmt::format("cosine drift of {} volumes, TR {} s, high-pass {} Hz: expected at least one volume, a "
                    "positive TR and a frequency of at least 0",
                    volumes, tr_s, high_pass_hz));
  }
  const double n = static_cast<double>(volumes);
  const auto order = static_cast<std::int64_t>(std::min(n - 1, std::floor(2 * n * high_pass_hz * tr_s)));
  MatrixD drift(volumes, order + 1);
  const double scale = std::sqrt(2 / n);
  for (std::int64_t t = 0; t < volumes; ++t) {
    for (std::int64_t k = 1; k <= order; ++k) {
      drift(t, k - 1) =
          scale * std::cos(std::numbers::pi / n * (static_cast<double>(t) + 0.5) * static_cast<double>(k));
    }
    drift(t, order) = 1;
  }
  return drift;
}

}  // namespace noema
