// interpret/agreement: how far two maps say the same.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace noema {

/// Which part of the two maps is compared. A relevance map (input × weight) follows the square of a signed map, so it
/// can agree with its absolute or positive part only.
enum class MapPart { signed_values, absolute, positive };
std::string_view to_string(MapPart part);

/// The share of features that count as a map's top in `Agreement::dice`.
inline constexpr double kTopFractions[] = {0.01, 0.05, 0.10};

struct Agreement {
  double pearson = 0;
  double spearman = 0;
  /// Overlap of the largest 1, 5 and 10 % of the features, 2|A∩B| / (|A|+|B|); by chance it is the fraction itself.
  std::vector<double> dice;
  std::int64_t features = 0;
};

/// Compares two maps feature by feature. Ties share their mean rank; at the edge of a top, the lower index wins.
///
/// NaN where a map is constant (correlations) or where neither map has a value above zero (Dice).
/// @throws ShapeError for different lengths or fewer than three features; NumericalError for values that are not
/// finite.
Agreement compare_maps(std::span<const double> a, std::span<const double> b, MapPart part);

}  // namespace noema
