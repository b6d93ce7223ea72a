// preprocess/clean: cleans time series: trend, slow drifts, confounds and scale, in an order that lets none undo
// another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "noema/io/series.h"

namespace noema {

enum class TemporalFilter {
  none,
  cosine,       ///< slow cosines join the confounds (high-pass only)
  butterworth,  ///< order 5, zero phase; confounds are filtered alike
};
enum class Standardize {
  none,
  zscore,             ///< mean 0, standard deviation 1 of a sample (n − 1)
  zscore_population,  ///< mean 0, standard deviation 1 (n)
  percent,            ///< percent of the mean over time
};

/// From "none", "cosine", "butterworth"; from "none", "zscore", "zscore-population", "percent".
/// @throws UsageError for another name
TemporalFilter temporal_filter(std::string_view name);
Standardize standardize_by(std::string_view name);
std::string to_string(TemporalFilter filter);
std::string to_string(Standardize standardize);

struct CleanOptions {
  bool detrend = true;
  TemporalFilter filter = TemporalFilter::none;
  std::optional<double> high_pass_hz;
  std::optional<double> low_pass_hz;
  /// Needed by the filters.
  double tr_s = 0;
  Standardize standardize = Standardize::zscore;
  /// Confounds to mean 0 and standard deviation 1 before the regression; else divided by their largest magnitude.
  bool standardize_confounds = true;

  /// @throws UsageError for options that contradict or are out of range
  void validate() const;
};

/// Cleans each column. The order is that of nilearn's `signal.clean`: cosines join the confounds; censored volumes are
/// interpolated (Butterworth) or left out (else); signals and confounds are detrended and filtered alike; censored
/// volumes are left out; confounds are regressed out; the result is standardised.
///
/// - `confounds` (T, C), C may be 0. `keep` (T) is 0 at censored volumes; empty: all are kept.
/// - Censored volumes influence nothing. The Butterworth filter sees a cubic spline in their place, and no volume
/// before
///   the first or after the last kept one. In the result they hold values on the straight line between the kept
///   neighbours (at the ends the nearest kept value), so that series stay whole; the mask says which they are.
/// - Percent change refers to the mean before cleaning where detrending or a Butterworth high-pass removed it.
/// - A cosine that equals a confound (|r| > 0.999 over the kept volumes) is not added again.
/// - Constant columns come out as zeros when anything removes the mean, else unchanged.
/// - float32 series are computed in double, a few columns at a time. A result does not depend on other columns or the
///   thread count.
/// @throws UsageError as validate(); ShapeError for row counts that differ; DataError for too few (kept) volumes or
///         confounds that are not finite.
MatrixD clean(MatrixD signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options);  // (T, F)
MatrixF clean(const MatrixF& signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options);  // (T, F)
/// In place, for series that would not fit into memory twice.
MatrixF clean(MatrixF&& signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options);  // (T, F)

/// Runs that follow one another in one matrix, each cleaned on its own with the same options: `run_of` (T) tells the
/// run of each volume. @throws UsageError if the volumes of a run do not lie together; ShapeError; as above
MatrixD clean(MatrixD signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              std::span<const int> run_of, const CleanOptions& options);  // (T, F)
MatrixF clean(MatrixF signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              std::span<const int> run_of, const CleanOptions& options);  // (T, F)

}  // namespace noema
