#include "noema/glm/design.h"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/butterworth.h"
#include "noema/preprocess/cosine_drift.h"

namespace noema {
namespace {

/// Evenly spaced times finer than the volumes, on which boxcars are drawn.
struct FineGrid {
  std::vector<double> times_s;

  /// The first sample at or after a time, at most the last one.
  std::int64_t index_at(double time_s) const {
    const auto place = std::lower_bound(times_s.begin(), times_s.end(), time_s);
    return std::min<std::int64_t>(place - times_s.begin(), static_cast<std::int64_t>(times_s.size()) - 1);
  }
};

FineGrid make_fine_grid(const Eigen::VectorXd& frame_times_s, const DesignOptions& options) {
  const auto intervals = static_cast<double>(frame_times_s.size() - 1);
  const double first_s = frame_times_s[0];
  const double last_s = frame_times_s[frame_times_s.size() - 1];
  const double begin_s = first_s + options.min_onset_s;
  const double end_s = last_s * (1 + 1 / intervals);
  const double samples = intervals / (last_s - first_s) * (end_s - first_s - options.min_onset_s);
  const auto count = static_cast<std::size_t>(std::nearbyint(samples * options.oversampling + 1));
  const double step_s = (end_s - begin_s) / static_cast<double>(count - 1);
  FineGrid grid;
  grid.times_s.resize(count);
  for (std::size_t i = 0; i < count; ++i) grid.times_s[i] = static_cast<double>(i) * step_s + begin_s;
  grid.times_s.back() = end_s;
  return grid;
}

struct Boxcar {
  std::int64_t begin = 0, end = 0;  // fine samples
  double height = 0;
};

std::vector<Boxcar> make_boxcars(const std::vector<const Event*>& events, const FineGrid& grid) {
  const auto last = static_cast<std::int64_t>(grid.times_s.size()) - 1;
  std::vector<Boxcar> boxcars;
  for (const Event* event : events) {
    Boxcar boxcar{grid.index_at(event->onset_s), grid.index_at(event->end_s()), event->modulation};
    if (boxcar.begin == boxcar.end && boxcar.begin < last) ++boxcar.end;
    boxcars.push_back(boxcar);
  }
  return boxcars;
}

/// The boxcars convolved with a kernel and read at the frame times. A boxcar convolved is a difference of two values of
/// the kernel's running sum, so only the two fine samples around each frame time are ever computed.
Eigen::VectorXd convolve_at(const std::vector<Boxcar>& boxcars, const HrfKernel& response, const FineGrid& grid,
                            const Eigen::VectorXd& frame_times_s) {
  const Eigen::VectorXd& kernel = response.values;
  Eigen::VectorXd sums(kernel.size() + 1);  // sums[k]: of the first k samples
  sums[0] = 0;
  for (Eigen::Index k = 0; k < kernel.size(); ++k) sums[k + 1] = sums[k] + kernel[k];
  const auto sum_until = [&](std::int64_t samples) {
    return sums[std::clamp<std::int64_t>(samples, 0, kernel.size())];
  };
  const auto value_at = [&](std::int64_t sample) {
    const std::int64_t fine = sample + response.read_ahead;
    double value = 0;
    for (const Boxcar& boxcar : boxcars) {
      value += boxcar.height * (sum_until(fine - boxcar.begin + 1) - sum_until(fine - boxcar.end + 1));
    }
    return value;
  };
  Eigen::VectorXd regressor(frame_times_s.size());
  for (Eigen::Index t = 0; t < frame_times_s.size(); ++t) {
    const std::int64_t above = std::max<std::int64_t>(grid.index_at(frame_times_s[t]), 1);
    const double below_s = grid.times_s[static_cast<std::size_t>(above - 1)];
    const double above_s = grid.times_s[static_cast<std::size_t>(above)];
    const double low = value_at(above - 1);
    regressor[t] = (value_at(above) - low) / (above_s - below_s) * (frame_times_s[t] - below_s) + low;
  }
  return regressor;
}

/// Makes each column orthogonal to those before it.
void orthogonalize(Eigen::MatrixXd& columns) {
  for (Eigen::Index i = 1; i < columns.cols(); ++i) {
    const Eigen::MatrixXd before = columns.leftCols(i);
    const Eigen::VectorXd explained = before * before.completeOrthogonalDecomposition().solve(columns.col(i));
    columns.col(i) -= explained;
  }
}

Eigen::MatrixXd polynomial_drifts(const Eigen::VectorXd& frame_times_s, int order) {
  Eigen::MatrixXd powers(frame_times_s.size(), order + 1);
  for (int k = 0; k <= order; ++k) powers.col(k) = (frame_times_s / frame_times_s.maxCoeff()).array().pow(k);
  orthogonalize(powers);
  return powers.rightCols(order);
}

double mean_interval(const Eigen::VectorXd& frame_times_s) {
  const Eigen::Index intervals = frame_times_s.size() - 1;
  return (frame_times_s[intervals] - frame_times_s[0]) / static_cast<double>(intervals);
}

Eigen::MatrixXd make_drifts(const Eigen::VectorXd& frame_times_s, const DesignOptions& options) {
  const Eigen::Index volumes = frame_times_s.size();
  switch (options.drift) {
    case DriftModel::cosine: {
      const MatrixD cosines = cosine_drift(volumes, mean_interval(frame_times_s), options.high_pass_hz);
      return cosines.leftCols(cosines.cols() - 1);  // the constant comes last in the design
    }
    case DriftModel::polynomial:
      return polynomial_drifts(frame_times_s, options.polynomial_order);
    case DriftModel::none:
      break;
  }
  return Eigen::MatrixXd(volumes, 0);
}

double shortest_interval(const Eigen::VectorXd& frame_times_s) {
  const Eigen::Index intervals = frame_times_s.size() - 1;
  return (frame_times_s.tail(intervals) - frame_times_s.head(intervals)).minCoeff();
}

void check(const Eigen::VectorXd& frame_times_s, const DesignOptions& options) {
  if (frame_times_s.size() < 2 || !frame_times_s.allFinite() || !(shortest_interval(frame_times_s) > 0)) {
    throw UsageError(
        fmt::format("a design needs at least two ascending frame times; got {} volumes (is the repetition "
                    "time known?)",
                    frame_times_s.size()));
  }
  if (options.oversampling < 1 || !(options.min_onset_s <= 0) || options.polynomial_order < 0 ||
      !(options.high_pass_hz >= 0)) {
    throw UsageError(
        fmt::format("a design needs oversampling ≥ 1, min_onset_s ≤ 0, polynomial_order ≥ 0 and high_pass_hz ≥ 0; got "
                    "{}, {}, {}, {}",
                    options.oversampling, options.min_onset_s, options.polynomial_order, options.high_pass_hz));
  }
  if (options.drift == DriftModel::cosine) check_high_pass(options.high_pass_hz, mean_interval(frame_times_s));
  if (options.regressors.cols() != static_cast<Eigen::Index>(options.regressor_names.size()) ||
      (options.regressors.cols() > 0 && options.regressors.rows() != frame_times_s.size())) {
    throw ShapeError(fmt::format("the added regressors are {} × {} with {} names; the run has {} volumes",
                                 options.regressors.rows(), options.regressors.cols(), options.regressor_names.size(),
                                 frame_times_s.size()));
  }
  for (Eigen::Index r = 0; r < options.regressors.cols(); ++r) {
    if (options.regressors.col(r).allFinite()) continue;
    throw DataError(fmt::format("regressor '{}' has values that are not finite; fill or drop them first",
                                options.regressor_names[static_cast<std::size_t>(r)]));
  }
}

void check(const Event& event) {
  if (std::isfinite(event.onset_s) && std::isfinite(event.duration_s) && std::isfinite(event.modulation) &&
      event.duration_s >= 0) {
    return;
  }
  throw DataError(fmt::format(
      "event '{}' has onset {} s, duration {} s and modulation {}; these must be finite, and the duration not negative",
      event.label, event.onset_s, event.duration_s, event.modulation));
}

/// Says where events of one condition overlap, and refuses what contradicts itself.
void check_overlaps(const std::string& label, std::vector<const Event*> events) {
  std::sort(events.begin(), events.end(), [](const Event* a, const Event* b) { return a->onset_s < b->onset_s; });
  int overlapping = 0;
  double latest_end_s = -std::numeric_limits<double>::infinity();
  for (std::size_t e = 0; e < events.size(); ++e) {
    const Event& event = *events[e];
    if (e > 0 && event.onset_s == events[e - 1]->onset_s && event.duration_s != events[e - 1]->duration_s) {
      throw DataError(fmt::format(
          "two events '{}' begin at {:g} s, one lasts {:g} s and the other {:g} s; correct the events, or give the two "
          "different labels",
          label, event.onset_s, events[e - 1]->duration_s, event.duration_s));
    }
    overlapping += event.onset_s < latest_end_s ? 1 : 0;
    latest_end_s = std::max(latest_end_s, event.end_s());
  }
  if (overlapping > 0) {
    log_warning(
        fmt::format("{} of {} events '{}' begin before another one of them is over; where they overlap they "
                    "add up",
                    overlapping, events.size(), label));
  }
}

/// The events by condition, without those over before the fine grid begins.
std::map<std::string, std::vector<const Event*>> group_by_condition(const std::vector<Event>& events, double begin_s,
                                                                    double end_s) {
  std::map<std::string, std::vector<const Event*>> conditions;
  int before = 0, after = 0, momentary = 0;
  for (const Event& event : events) {
    check(event);
    momentary += event.duration_s == 0 ? 1 : 0;
    std::vector<const Event*>& kept = conditions[event.label];
    if (event.end_s() < begin_s) {
      ++before;
    } else {
      kept.push_back(&event);
      after += event.onset_s >= end_s ? 1 : 0;
    }
  }
  for (const auto& [label, of_condition] : conditions) check_overlaps(label, of_condition);
  if (momentary > 0) {
    log_warning(fmt::format(
        "{} of {} events have no duration and are taken to be very short; sizes of their effects have no unit",
        momentary, events.size()));
  }
  if (before > 0) {
    log_warning(fmt::format("{} of {} events are over {:.6g} s before the first volume or earlier and were left out",
                            before, events.size(), -begin_s));
  }
  if (after > 0) {
    log_warning(
        fmt::format("{} of {} events begin after the last volume and add nothing to the design", after, events.size()));
  }
  return conditions;
}

std::vector<HrfKernel> kernels_of(const DesignOptions& options, double tr_s) {
  if (!options.custom_hrf) return hrf_kernels(options.hrf, tr_s, options.oversampling, options.fir_delays);
  std::vector<HrfKernel> kernels = options.custom_hrf(tr_s, options.oversampling);
  const bool is_sound = std::all_of(kernels.begin(), kernels.end(), [](const HrfKernel& kernel) {
    return kernel.values.size() > 0 && kernel.values.allFinite() && kernel.read_ahead >= 0;
  });
  if (kernels.empty() || !is_sound) {
    throw UsageError("a haemodynamic response of your own needs at least one kernel, each with finite values");
  }
  return kernels;
}

class DesignBuilder {
 public:
  explicit DesignBuilder(Eigen::Index volumes) : volumes_(volumes) {}

  void add(const std::string& name, const Eigen::VectorXd& column) {
    if (!known_.insert(name).second) {
      throw UsageError(
          fmt::format("two columns of the design are called '{}'; rename the condition or the regressor", name));
    }
    names_.push_back(name);
    columns_.push_back(column);
  }

  DesignMatrix build() const {
    DesignMatrix design{MatrixD(volumes_, columns_.size()), names_};
    for (std::size_t c = 0; c < columns_.size(); ++c) design.values.col(static_cast<Eigen::Index>(c)) = columns_[c];
    return design;
  }

 private:
  Eigen::Index volumes_;
  std::set<std::string> known_;
  std::vector<std::string> names_;
  std::vector<Eigen::VectorXd> columns_;
};

}  // namespace

Eigen::VectorXd frame_times(std::int64_t volumes, double tr_s, double start_s, double slice_time_reference) {
  Eigen::VectorXd times(volumes);
  for (Eigen::Index t = 0; t < volumes; ++t)
    times[t] = start_s + (static_cast<double>(t) + slice_time_reference) * tr_s;
  return times;
}

DesignMatrix make_design(const std::vector<Event>& events, const Eigen::VectorXd& frame_times_s,
                         const DesignOptions& options) {
  check(frame_times_s, options);
  const FineGrid grid = make_fine_grid(frame_times_s, options);
  const std::vector<HrfKernel> kernels = kernels_of(options, shortest_interval(frame_times_s));
  DesignBuilder builder(frame_times_s.size());
  for (const auto& [label, of_condition] : group_by_condition(events, grid.times_s.front(), grid.times_s.back())) {
    const std::vector<Boxcar> boxcars = make_boxcars(of_condition, grid);
    Eigen::MatrixXd columns(frame_times_s.size(), kernels.size());
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      columns.col(static_cast<Eigen::Index>(k)) = convolve_at(boxcars, kernels[k], grid, frame_times_s);
    }
    if (options.custom_hrf || options.hrf != HrfModel::fir) orthogonalize(columns);
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      builder.add(label + kernels[k].suffix, columns.col(static_cast<Eigen::Index>(k)));
    }
  }
  for (Eigen::Index r = 0; r < options.regressors.cols(); ++r) {
    builder.add(options.regressor_names[static_cast<std::size_t>(r)], options.regressors.col(r));
  }
  const Eigen::MatrixXd drifts = make_drifts(frame_times_s, options);
  for (Eigen::Index d = 0; d < drifts.cols(); ++d) builder.add(fmt::format("drift_{}", d + 1), drifts.col(d));
  builder.add("constant", Eigen::VectorXd::Ones(frame_times_s.size()));
  return builder.build();
}

}  // namespace noema
