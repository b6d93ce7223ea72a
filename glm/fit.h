// glm/fit: least squares of each voxel's series on a design, with white or autoregressive noise.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/design.h"

namespace noema {

enum class NoiseModel {
  ols,  ///< white noise
  ar1,  ///< noise in which each volume remembers the one before
};

/// "ols" or "ar1". @throws UsageError for another name.
NoiseModel parse_noise_model(std::string_view name);
std::string_view noise_model_name(NoiseModel noise);

/// Voxels that share an autocorrelation, and the covariance (P, P) of their coefficients for a dispersion of 1.
struct NoiseGroup {
  double rho = 0;
  Eigen::MatrixXd covariance;
};

/// What was fitted; neither the data nor residuals are kept.
struct GlmFit {
  std::vector<std::string> names;
  MatrixD coefficients;        // (P, V)
  Eigen::VectorXd dispersion;  // (V), variance of the (whitened) noise; 0 where the series is constant
  std::vector<NoiseGroup> groups;
  std::vector<std::int32_t> group_of_voxel;  // (V)
  /// Projection (P, P) onto what the design can tell: a contrast c is estimable when c·estimable = c.
  Eigen::MatrixXd estimable;
  Eigen::Index rank = 0;
  /// Volumes used less the rank of the design.
  double df = 0;
  /// Voxels whose series does not vary: their coefficients are 0.
  std::int64_t constant_voxels = 0;

  Eigen::Index voxels() const { return coefficients.cols(); }
};

/// Fits every column of `data` (T, V).
///
/// ar1: ρ = (Σ y_t y_{t+1}/(n−1)) / (Σ y_t²/n) of the residuals y of ordinary least squares, each voxel's mean taken
/// away, cut toward zero to hundredths and at ±0.99; voxels of one ρ share the whitening x_t − ρ x_{t−1} of data and
/// design (the first row stays as it is) and are fitted again. This is nilearn's definition, with these differences:
/// the mean is each voxel's own (there: of all voxels; the same thing for designs that span a constant), and dispersion
/// is Σr²/(n − rank) for designs of any rank (there: n − columns), and |ρ| stays below 1. `keep` (T) drops volumes
/// marked 0 from the fit; autocorrelation then counts neighbours in time alone, and a volume that follows k−1 dropped
/// ones is whitened by ρᵏ and scaled by √((1−ρ²)/(1−ρ²ᵏ)), as AR(1) noise with gaps asks for.
///
/// Columns that depend on one another are allowed (pseudo-inverse, with a warning); a contrast of such columns may not
/// be estimable. Results do not depend on the thread count. Memory beyond the result: a few hundred voxels' series a
/// thread. Cost: O(T·P·V) flops, twice for ar1.
/// @throws ShapeError if data, design and `keep` differ in length; DataError when no degree of freedom is left and for
///   data that are not finite.
GlmFit fit_glm(const MatrixF& data, const DesignMatrix& design, NoiseModel noise,
               std::span<const std::uint8_t> keep = {});
GlmFit fit_glm(const MatrixD& data, const DesignMatrix& design, NoiseModel noise,
               std::span<const std::uint8_t> keep = {});

}  // namespace noema
