// interpret/faithfulness: whether what a map calls important is what the model uses.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/interpret/attribution.h"
#include "noema/learn/classifier.h"

namespace noema {

struct DeletionOptions {
  /// Points of the curve after the first: shares 1/points … 1 of the features that the model can see.
  int points = 10;
  /// Random orders that the curve is compared with.
  int random_orders = 5;
  std::uint64_t seed = 0;
  int batch = 32;
};

/// Deletion curves: the target's margin as features are set to zero (for their whole window), those that speak most for
/// the target first, beside random orders. Features whose attribution is zero everywhere (screened out) are not
/// deleted.
struct DeletionCurves {
  std::vector<double> fraction;  // (points + 1), 0 … 1
  std::vector<double> margin;    // mean over samples, deleted in the order of the map
  std::vector<double> random;    // mean over samples and random orders
  /// (N): mean over the curve of (random − margin): above zero where the map is better than chance.
  std::vector<double> gain;
  double mean_gain = 0;
  /// Standard error of `mean_gain` over samples.
  double standard_error = 0;
  std::int64_t features = 0;
};

/// @param attribution  of these windows and targets.
/// @throws ShapeError, UsageError, DataError if every attribution is zero; Cancelled
DeletionCurves deletion_curves(const DifferentiableClassifier& model, const Windows& windows,
                               std::span<const int> targets, const Attribution& attribution,
                               const DeletionOptions& options = {});

}  // namespace noema
