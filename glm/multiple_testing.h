// glm/multiple_testing: from which z on a voxel counts, when there are many.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace noema {

enum class HeightControl {
  fpr,         ///< the share of false voxels among those without effect
  fdr,         ///< the expected share of false voxels among those found (Benjamini and Hochberg 1995)
  bonferroni,  ///< the chance of any false voxel
};

/// "fpr", "fdr" or "bonferroni". @throws UsageError for another name.
HeightControl parse_height_control(std::string_view name);
std::string_view height_control_name(HeightControl control);

/// P(Z > z) of the standard normal, and the z of such a tail probability.
double normal_upper_tail(double z);
double normal_from_upper_tail(double p);

/// The z above which Benjamini and Hochberg's step-up rule finds voxels, one-sided: with z in falling order the last
/// for which p(z_i) < alpha·i/n, less 1e-12 so that it is itself above; infinity where there is none. As nilearn's
/// fdr_threshold. Cost: a sort. @throws UsageError unless 0 < alpha < 1; DataError without voxels or for NaN.
double fdr_threshold(std::span<const double> z, double alpha);

/// The height above which z counts at level `alpha`; two-sided: above which |z| counts, by alpha/2 on each side.
/// @throws as `fdr_threshold`.
double height_threshold(std::span<const double> z, HeightControl control, double alpha, bool two_sided);

}  // namespace noema
