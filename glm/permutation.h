// glm/permutation: group tests whose p values come from rearranging the subjects, corrected for all voxels.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "noema/glm/design.h"
#include "noema/io/image.h"
#include "noema/io/series.h"

namespace noema {

struct PermutedOlsOptions {
  /// Random arrangements at most; where all there are are no more, those are taken and p values are exact.
  std::int64_t permutations = 10'000;
  /// Effects of both signs count; else positive ones alone. F counts both in any case.
  bool two_sided = true;
  /// A constant is fitted beside the confounds, unless the tested variate is constant itself.
  bool model_intercept = true;
  std::uint64_t seed = 0;
  /// Also threshold-free cluster enhancement.
  bool tfce = false;
  /// Also sizes and masses of clusters of voxels whose uncorrected p (of t, two-sided where the test is, or of F) is
  /// below this.
  std::optional<double> cluster_forming_p;
};

/// One statistic in every voxel, with the chance that its maximum over all voxels is as large without any effect.
struct MaxTest {
  Eigen::VectorXd stat;             // (V)
  Eigen::VectorXd p;                // (V), corrected for all voxels: (1 + number of maxima as large) / (1 + number)
  std::vector<double> null_maxima;  // one an arrangement, ascending
};

struct PermutedOlsResult {
  MaxTest voxels;  // t, or F
  std::optional<MaxTest> tfce;
  std::optional<MaxTest> cluster_size;  // of each voxel's cluster, in voxels; 0 (and p 1) outside of clusters
  std::optional<MaxTest> cluster_mass;  // of each voxel's cluster, Σ(|t| − threshold), or of F
  double df = 0;
  double df_numerator = 0;           ///< of F; 0: t
  double cluster_threshold = 0;      ///< of t, or F
  std::int64_t permutations = 0;     ///< arrangements looked at, besides the observed one
  bool exhaustive = false;           ///< those were all there are
  bool flips_signs = false;          ///< they are signs of rows, else their orders
  std::int64_t constant_voxels = 0;  ///< voxels without variation beside the confounds: t or F is 0, p is 1
};

/// Ordinary least squares of every column of `data` (n, V) on `tested` (n) beside `confounds` (n, C; C may be 0), and
/// permutation of what is left of both when the confounds are taken out, as nilearn's permuted_ols: rows of the tested
/// variate and of the confounds are shuffled together against the data (Freedman and Lane's scheme on residuals); where
/// the tested variate is constant (a one-sample test), the signs of rows are flipped instead.
///
/// Differences from there: a constant confound does not switch to flipping signs; p values of clusters count the
/// observed arrangement, as those of voxels do; maxima equal to the observed value within rounding count as as large;
/// few rows are enumerated.
///
/// The k-th arrangement depends on (seed, k) alone: results do not depend on the thread count. `mask` is needed for
/// TFCE and clusters (6 neighbours) alone. Memory: a copy of the data, and for each thread 8 maps. Cost: for each
/// permutation n·V·(1 + rank of the centred confounds) multiplications.
/// @throws ShapeError when lengths do not fit; UsageError; DataError for data that are not finite, a tested variate
/// that
///   the confounds explain, or no degree of freedom; Cancelled
PermutedOlsResult permuted_ols(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds,
                               const Mask* mask, const PermutedOlsOptions& options = {});

/// The same of a contrast (weights of the design's columns, P): the tested variate is the part of the design that the
/// contrast asks for, the confounds are the rest. `model_intercept` does not count: the design says whether there is a
/// constant.
///
/// Where the rest has the constant, as for differences of groups and slopes, subjects are shuffled. Where the contrast
/// asks for a mean, so that the rest has none, as for one group's, signs are flipped: without effect errors are as
/// likely to be positive as negative. Both take errors of all subjects to be alike; groups of unequal variances, and
/// families, are not told apart.
/// @throws as `permuted_ols`; DataError for a contrast that the design cannot estimate.
PermutedOlsResult permuted_contrast(const MatrixD& data, const DesignMatrix& design, const Eigen::VectorXd& weights,
                                    const Mask* mask, const PermutedOlsOptions& options = {});

/// The same of an F contrast, rows of weights (q, P), of which those that depend on others do not count. What is
/// rearranged is what the design's other directions leave, as above; F of all rows together takes the place of t, and
/// its clusters and TFCE know no sign. With one row F is the square of t.
/// @throws as `permuted_contrast`.
PermutedOlsResult permuted_f_contrast(const MatrixD& data, const DesignMatrix& design, const Eigen::MatrixXd& rows,
                                      const Mask* mask, const PermutedOlsOptions& options = {});

/// The same of a contrast (weights, P) of several effects of each subject together: the F of `joint_group_test`. All
/// effects of a subject are rearranged together, so they may vary and hang together in any way. Where they span fewer
/// directions F is 0.
/// @param effects  q times (n, V). Memory: a copy of each. Cost: for each permutation q times that of one effect and
///   V·q²·(q + C).
/// @throws as `permuted_contrast`; UsageError without effects.
PermutedOlsResult permuted_joint_contrast(std::span<const MatrixD> effects, const DesignMatrix& design,
                                          const Eigen::VectorXd& weights, const Mask* mask,
                                          const PermutedOlsOptions& options = {});

}  // namespace noema
