// glm/fit: least squares of each voxel's series on a design, with white or autoregressive noise.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/design.h"

namespace noema {

/// How noise remembers: each volume is a weighted sum of the `order` volumes before, and something new. 0: white noise.
struct NoiseModel {
  int order = 0;

  static const NoiseModel ols;
  static const NoiseModel ar1;
  bool operator==(const NoiseModel&) const = default;
};
inline constexpr NoiseModel NoiseModel::ols{0};
inline constexpr NoiseModel NoiseModel::ar1{1};

/// "ols" or "ar" with an order from 1 to 20, such as "ar1". @throws UsageError for another name.
NoiseModel parse_noise_model(std::string_view name);
std::string noise_model_name(NoiseModel noise);

class NoiseGeometry;

/// What was fitted; neither the data nor residuals are kept.
struct GlmFit {
  std::vector<std::string> names;
  MatrixD coefficients;        // (P, V)
  Eigen::VectorXd dispersion;  // (V), variance of the (whitened) noise; 0 where the series is constant
  MatrixD autoregression;      // (order, V), weights of the volumes before in the noise
  /// (V): the share of the variance of the series (not whitened, kept volumes) that the model explains; 0 where the
  /// series is constant.
  Eigen::VectorXd r_squared;
  /// Projection (P, P) onto what the design can tell: a contrast c is estimable when c·estimable = c.
  Eigen::MatrixXd estimable;
  Eigen::Index rank = 0;
  /// Volumes used less the rank of the design.
  double df = 0;
  /// Voxels whose series does not vary: their coefficients are 0.
  std::int64_t constant_voxels = 0;
  /// From which covariances of coefficients are made again when a contrast asks for them.
  std::shared_ptr<const NoiseGeometry> geometry;

  Eigen::Index voxels() const { return coefficients.cols(); }
};

/// Fits every column of `data` (T, V).
///
/// With noise of order N ≥ 1 each voxel's residuals of ordinary least squares tell its ρ by the Yule–Walker equations
/// (`yule_walker`), data and design are whitened, x_t − Σ ρ_i x_{t−i} (first rows keep partial sums), and fitted again.
/// Order 1 cuts ρ toward zero to hundredths, so that voxels share their covariance: nilearn's definition. Higher orders
/// keep each voxel's own ρ (there: centres of clusters found by chance). Other differences: the mean taken from
/// residuals is each voxel's own (there: of all voxels; the same thing for designs that span a constant), dispersion is
/// Σr²/(n − rank) for designs of any rank (there: n − columns), and partial autocorrelations stay within ±0.99. `keep`
/// (T) drops volumes marked 0 from the fit; autocovariances then come from pairs that are so far apart in time, and
/// whitening is that of the covariance which the kept volumes have.
///
/// Columns that depend on one another are allowed (pseudo-inverse, with a warning); a contrast of such columns may not
/// be estimable. Results do not depend on the thread count. Reads the data once; memory beyond the result: a few
/// hundred voxels' series a thread. Cost: O(T·P·V) flops, and O((P + D)³·V) more for orders above 1, with
/// D volumes dropped between kept ones.
/// @throws ShapeError if data, design and `keep` differ in length; UsageError for an order out of range; DataError when
///   no degree of freedom is left and for data that are not finite.
GlmFit fit_glm(const MatrixF& data, const DesignMatrix& design, NoiseModel noise,
               std::span<const std::uint8_t> keep = {});
GlmFit fit_glm(const MatrixD& data, const DesignMatrix& design, NoiseModel noise,
               std::span<const std::uint8_t> keep = {});

/// Covariance (P, P) of a voxel's coefficients, for a dispersion of 1.
Eigen::MatrixXd unit_covariance(const GlmFit& fit, Eigen::Index voxel);

}  // namespace noema
