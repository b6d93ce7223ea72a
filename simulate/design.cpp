#include "noema/simulate/design.h"

#include <algorithm>
#include <cmath>

#include "noema/core/random.h"

namespace noema {
namespace {

constexpr double kMargin_s = 16;
constexpr double kStep_s = 0.01;

RandomStream stream(const SimulationOptions& options, int subject, int run) {
  return {options.seed, "design", {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(run)}};
}

/// Rounds of all states, each round in random order.
std::vector<int> draw_order(RandomStream& random, int states, int rounds) {
  std::vector<int> order;
  for (int round = 0; round < rounds; ++round) {
    for (const std::int64_t state : random.permutation(states)) order.push_back(static_cast<int>(state));
  }
  return order;
}

SimulatedDesign draw_blocks(const SimulationOptions& options, RandomStream random) {
  SimulatedDesign design;
  const auto names = options.state_names();
  design.volumes = options.rest_volumes;
  for (const int state : draw_order(random, options.states, options.blocks)) {
    design.events.push_back({static_cast<double>(design.volumes) * options.tr_s, options.block_volumes * options.tr_s,
                             names[static_cast<std::size_t>(state)], 1});
    design.volumes += options.block_volumes + options.rest_volumes;
  }
  return design;
}

SimulatedDesign draw_events(const SimulationOptions& options, RandomStream random) {
  SimulatedDesign design;
  const auto names = options.state_names();
  double time_s = kMargin_s;
  for (const int state : draw_order(random, options.states, options.events)) {
    const double onset_s = std::round(time_s * 1000) / 1000;  // as it is written
    design.events.push_back({onset_s, options.event_s, names[static_cast<std::size_t>(state)], 1});
    const double extra_s = -std::log(1 - random.uniform()) * (options.mean_gap_s - options.least_gap_s);
    time_s = onset_s + options.event_s + options.least_gap_s + extra_s;
  }
  design.volumes = static_cast<std::int64_t>(std::ceil((design.events.back().end_s() + kMargin_s) / options.tr_s));
  return design;
}

/// The integral of a response from 0 to any time, 1 from 32 s on.
class CumulatedHrf {
 public:
  explicit CumulatedHrf(const HrfShape& shape) {
    const auto steps = static_cast<int>(kHrfLength_s / kStep_s);
    for (int i = 0; i < steps; ++i) sums_.push_back(sums_.back() + hrf_at(shape, (i + 0.5) * kStep_s));
    for (double& sum : sums_) sum /= sums_.back();
  }
  double at(double time_s) const {
    if (time_s <= 0) return 0;
    const double place = time_s / kStep_s;
    const auto below = static_cast<std::size_t>(place);
    if (below + 1 >= sums_.size()) return 1;
    return sums_[below] + (place - std::floor(place)) * (sums_[below + 1] - sums_[below]);
  }

 private:
  std::vector<double> sums_{0};
};

}  // namespace

SimulatedDesign draw_design(const SimulationOptions& options, int subject, int run) {
  return options.design == DesignKind::blocks ? draw_blocks(options, stream(options, subject, run))
                                              : draw_events(options, stream(options, subject, run));
}

HrfShape draw_hrf(const SimulationOptions& options, int subject) {
  RandomStream random(options.seed, "hrf", {static_cast<std::uint64_t>(subject)});
  HrfShape shape = spm_shape();
  const double shift_s = std::max(options.hrf_delay_sd_s * random.normal(), -shape.delay_s * 2 / 3);
  shape.delay_s += shift_s;
  shape.undershoot_s += shift_s;
  const double width = std::max(1 + options.hrf_width_sd * random.normal(), 1.0 / 3);
  shape.dispersion_s *= width;
  shape.undershoot_dispersion_s *= width;
  return shape;
}

MatrixD state_responses(const SimulatedDesign& design, const SimulationOptions& options, const HrfShape& shape) {
  const CumulatedHrf response(shape);
  const auto names = options.state_names();
  MatrixD responses = MatrixD::Zero(design.volumes, options.states);
  for (const Event& event : design.events) {
    const auto state = std::find(names.begin(), names.end(), event.label) - names.begin();
    for (std::int64_t t = 0; t < design.volumes; ++t) {
      const double time_s = (static_cast<double>(t) + 0.5) * options.tr_s;
      responses(t, state) += response.at(time_s - event.onset_s) - response.at(time_s - event.end_s());
    }
  }
  return responses;
}

}  // namespace noema
