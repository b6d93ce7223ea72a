#include "noema/learn/response.h"

#include <algorithm>
#include <cmath>

#include "noema/glm/hrf.h"

namespace noema {
namespace {

constexpr double kStep_s = 0.01;
constexpr double kShortestBlock_s = 0.1;

/// Integral of the kernel from 0 to each multiple of kStep_s.
std::vector<double> make_cumulative_kernel() {
  std::vector<double> cumulative{0};
  for (double t = kStep_s; t <= kHrfLength_s; t += kStep_s) {
    cumulative.push_back(cumulative.back() + hrf_at(spm_shape(), t));
  }
  return cumulative;
}

double cumulative_kernel(double time_s) {
  static const std::vector<double> kCumulative = make_cumulative_kernel();
  const double position = std::clamp(time_s / kStep_s, 0.0, static_cast<double>(kCumulative.size() - 1));
  const std::size_t below = std::min(static_cast<std::size_t>(position), kCumulative.size() - 2);
  return std::lerp(kCumulative[below], kCumulative[below + 1], position - static_cast<double>(below));
}

}  // namespace

PredictedResponse::PredictedResponse(double onset_s, double end_s)
    : onset_s_(onset_s), end_s_(std::max(end_s, onset_s + kShortestBlock_s)) {}

double PredictedResponse::at(double time_s) const {
  return cumulative_kernel(time_s - onset_s_) - cumulative_kernel(time_s - end_s_);
}

TimeWindow PredictedResponse::half_maximum() const {
  std::vector<double> response;
  for (double t = 0; t <= end_s_ - onset_s_ + kHrfLength_s; t += kStep_s) response.push_back(at(onset_s_ + t));
  const auto peak = std::max_element(response.begin(), response.end());
  const double half = *peak / 2;
  auto first = peak, last = peak;
  while (first != response.begin() && *(first - 1) >= half) --first;
  while (last + 1 != response.end() && *(last + 1) >= half) ++last;
  const auto time_of = [&](auto place) { return onset_s_ + static_cast<double>(place - response.begin()) * kStep_s; };
  return {time_of(first), time_of(last) + kStep_s};
}

}  // namespace noema
