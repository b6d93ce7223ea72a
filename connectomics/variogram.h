// connectomics/variogram: how much a map changes with distance, and random maps that change as much.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace noema {

struct VariogramOptions {
  /// Variograms end at this quantile of the distances of all pairs.
  double reach = 0.25;
  /// Number of distances, evenly from the smallest to the reach, at which a variogram is taken.
  std::int64_t distances = 25;
  /// A surrogate is smoothed over one of these parts of all points: that with which its variogram fits best.
  std::vector<double> neighbourhoods = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
  /// Whether surrogates get the map's own values by rank (their variograms then fit less well), or are of mean 0.
  bool keep_values = false;

  /// @throws UsageError
  void validate() const;
};

/// Means of ½(x_i − x_j)² over pairs of points near each distance, with Gaussian weights of σ = 3/2.68 spacings:
/// maps (n, V) and distances (V, V) to (n, H). No gradient. O(V²·H + V²·n) in blocks of pairs.
/// @throws ShapeError; UsageError; DataError for values or distances that are not finite, or distances without spread
at::Tensor variogram(const at::Tensor& maps, const at::Tensor& distances, const VariogramOptions& options = {});

/// (n, V) random maps with about the map's variogram (Burt et al. 2020, doi:10.1016/j.neuroimage.2020.117038): the
/// map's values in random order, smoothed by exp(−d/d_max) over the nearest points without the point itself, then
/// √β·smoothed + √α·noise, where α + β·(variogram of smoothed) is the least-squares fit of the map's variogram, of the
/// neighbourhood that fits best. α and β are held at 0 and above, where the published method takes the magnitude of
/// negative ones.
///
/// Cost per neighbourhood O(V²·n), memory O(V² + V·n). @param map (V); @param distances (V, V) as along a surface
/// @throws as `variogram`; UsageError for count < 1; DataError for a constant map
at::Tensor variogram_surrogates(const at::Tensor& map, const at::Tensor& distances, std::int64_t count,
                                std::uint64_t seed, const VariogramOptions& options = {});

}  // namespace noema
