// learn/response: when the blood response to a block is to be expected.
#pragma once

#include <vector>

namespace noema {

/// Seconds [begin_s, end_s).
struct TimeWindow {
  double begin_s = 0;
  double end_s = 0;
};

/// The SPM kernel convolved with one block: what its volumes should show, up to scale.
class PredictedResponse {
 public:
  /// A block shorter than 0.1 s counts as 0.1 s long.
  PredictedResponse(double onset_s, double end_s);

  double at(double time_s) const;
  /// The times around the maximum over which the response is at least half of it, to 10 ms.
  TimeWindow half_maximum() const;

 private:
  double onset_s_;
  double end_s_;
};

}  // namespace noema
