// connectomics/covariance: covariance and correlation of channels over frames: weighted, masked, lagged, conditional,
// and of a stream of blocks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

/// How frames count. At most one of `weights` and `frame_matrix` is given; which one is said by name, never by shape.
struct CovarianceOptions {
  /// (…, T), ≥ 0, broadcast against the batch: importance of each frame; 0 leaves it out. Undefined: 1 each.
  at::Tensor weights;
  /// (…, T, T): weight of each pair of frames, as from `lag_matrix`. The result is symmetrised.
  at::Tensor frame_matrix;
  /// Subtracted from the number of frames: 1 is unbiased. With weights w the divisor is Σw − ddof·Σw²/Σw (numpy's for
  /// aweights), with a matrix W s − ddof·Σ_s(Σ_t W_st)²/s, s = ΣW.
  double ddof = 1;
  /// Added to the diagonal of `covariance`; only there.
  double ridge = 0;
};

/// (…, C, T) to (…, C, C). Frames of weight 0 are not looked at, so NaN may stand there. With all weights 1 it is
/// numpy's cov.
///
/// Differentiable in series, weights and matrix as often as needed. O(C²T).
/// @throws ShapeError; UsageError for two kinds of weights or negative ones; DataError unless the divisor is positive
/// (one frame, all
///   frames left out), which reads it: one synchronisation on a GPU.
at::Tensor covariance(const at::Tensor& series, const CovarianceOptions& options = {});

/// (…, C, T) and (…, D, T) to (…, C, D), by the same weights. As `covariance`; UsageError for a ridge.
at::Tensor cross_covariance(const at::Tensor& x, const at::Tensor& y, const CovarianceOptions& options = {});

/// Covariance over the frames where both channels are observed: (…, C, T) to (…, C, C). The boolean mask is (T) for
/// all, or (…, C, T), or (…, 1, T) for channels that share it: its last axis but one is always that of channels. Means
/// are those of the same frames. Not observed entries are not looked at and get gradient 0.
///
/// The result need not be positive definite. Four matrix products, O(C²T).
/// @throws ShapeError; DataError where a pair has not more than `ddof` common frames.
at::Tensor pairwise_covariance(const at::Tensor& series, const at::Tensor& observed, double ddof = 1);

/// A_ij/√(A_ii A_jj) with a diagonal of exactly 1, gradient 0 there. A channel without variance has correlation 0
/// with the others, and gradient 0. @throws ShapeError; NumericalError for a negative diagonal.
at::Tensor correlation_from_covariance(const at::Tensor& covariance);

/// Weighted as `covariance` is: numerator and variances alike. A channel that is constant within rounding (variance up
/// to (16 ε)² mean square) is one without variance, see `correlation_from_covariance`. The ridge is part of the
/// variances.
at::Tensor correlation(const at::Tensor& series, const CovarianceOptions& options = {});
/// (…, C, T) and (…, D, T) to (…, C, D).
at::Tensor cross_correlation(const at::Tensor& x, const at::Tensor& y, const CovarianceOptions& options = {});

/// Covariance of what least squares on `confounds` (…, K, T) and a constant leaves of `series`: Σ_XX − Σ_XY Σ_YY⁺ Σ_YX,
/// unbiased: the rank of the confounds (relative to the longest, each scaled to length 1) is added to ddof.
///
/// Differentiable in series, confounds and weights once where the rank does not change. O(T K² + C T K + C²T).
/// @throws ShapeError; UsageError for a frame matrix or ridge; DataError unless more frames than rank + ddof remain.
at::Tensor conditional_covariance(const at::Tensor& series, const at::Tensor& confounds,
                                  const CovarianceOptions& options = {});
/// Its correlation; a channel that the confounds explain within rounding is one without variance.
at::Tensor conditional_correlation(const at::Tensor& series, const at::Tensor& confounds,
                                   const CovarianceOptions& options = {});

/// (…, L) weights of the lags min_lag … min_lag + L − 1 to (…, T, T): entry (s, t) is the weight of lag |s − t|, 0
/// outside of the band. Differentiable. @throws ShapeError; UsageError if a lag is negative or ≥ T.
at::Tensor lag_matrix(const at::Tensor& weights, std::int64_t min_lag, std::int64_t frames);

/// Covariance of a stream of blocks of frames, in the memory of one block: exact, by Chan's update of means and
/// scatter. Gradients flow to every block that asked for them.
class StreamingCovariance {
 public:
  /// (…, C, T) of the same batch and channels every time; `weights` (…, T) as in CovarianceOptions.
  /// @throws ShapeError
  void add(const at::Tensor& block, const at::Tensor& weights = {});
  /// As if the other's blocks had been added here.
  void merge(const StreamingCovariance& other);
  /// (…, C, C). @throws DataError unless the divisor is positive.
  at::Tensor covariance(double ddof = 1) const;
  /// (…, C). @throws DataError before the first block.
  at::Tensor mean() const;

 private:
  at::Tensor weight_, squared_weight_;  // (…, 1)
  at::Tensor mean_;                     // (…, C)
  at::Tensor scatter_;                  // (…, C, C)
};

}  // namespace noema
