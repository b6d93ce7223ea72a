#include "noema/preprocess/high_variance.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "noema/core/error.h"
#include "noema/preprocess/detrend.h"

namespace noema {
namespace {

double percentile_of(std::vector<double> values, double percentile) {
  std::sort(values.begin(), values.end());
  const double place = percentile / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double share = place - static_cast<double>(below);
  return share > 0 ? values[below] + share * (values[below + 1] - values[below]) : values[below];
}

MatrixD most_variable(const MatrixD& series, double percentile) {
  const Eigen::RowVectorXd power = series.colwise().squaredNorm();
  std::vector<double> known;
  std::copy_if(power.begin(), power.end(), std::back_inserter(known), [](double p) { return std::isfinite(p); });
  std::vector<Eigen::Index> chosen;
  if (!known.empty()) {
    const double threshold = percentile_of(known, 100 - percentile);
    for (Eigen::Index f = 0; f < power.size(); ++f) {
      if (std::isfinite(power[f]) && power[f] > threshold) chosen.push_back(f);
    }
  }
  if (chosen.empty()) {
    throw DataError(
        fmt::format("confounds of high variance: none of {} series is more variable than the others", series.cols()));
  }
  return series(Eigen::all, chosen);
}

}  // namespace

MatrixD high_variance_confounds(MatrixD series, const HighVarianceOptions& options) {
  if (options.confounds < 1 || !(options.percentile > 0 && options.percentile <= 100)) {
    throw UsageError(
        fmt::format("confounds of high variance: found {} confounds of {} % of the series, expected at "
                    "least 1 and a share above 0 to 100",
                    options.confounds, options.percentile));
  }
  if (options.detrend) detrend(series);
  const MatrixD chosen = most_variable(series, options.percentile);
  const Eigen::MatrixXd products = chosen * chosen.transpose();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(products);
  const Eigen::VectorXd& values = solver.eigenvalues();  // ascending
  const Eigen::Index rows = values.size();
  const double smallest = static_cast<double>(rows) * std::numeric_limits<double>::epsilon() * values[rows - 1];
  const auto most = std::min<Eigen::Index>(options.confounds, (values.array() > smallest).count());
  return solver.eigenvectors().rightCols(most).rowwise().reverse();
}

}  // namespace noema
