#include "noema/glm/single_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/glm/least_squares.h"

namespace noema {
namespace {

constexpr double kEstimable = 1e-6;
/// Trials whose response shows less than this of the middle one's (at the end of a run, say) have no useful estimate.
constexpr double kSmallestShare = 0.1;
constexpr std::int64_t kBlock = 512;  // columns of data

/// The columns of a run's model.
struct TrialColumns {
  std::vector<Event> trials;
  Eigen::MatrixXd of_trials;   // (T, K)
  Eigen::MatrixXd conditions;  // (T, C), of events that are no trials
  Eigen::MatrixXd others;      // (T, R): drifts, regressors, constant
};

/// Sorts before every label and is none.
std::string trial_name(std::size_t trial) { return fmt::format("\x01{:08}", trial); }

TrialColumns trial_columns(std::vector<Event> events, const std::vector<std::string>& conditions,
                           const Eigen::VectorXd& frame_times_s, const DesignOptions& options) {
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.onset_s < b.onset_s; });
  TrialColumns columns;
  std::set<std::string> names;
  for (Event& event : events) {
    if (conditions.empty() || std::count(conditions.begin(), conditions.end(), event.label) > 0) {
      columns.trials.push_back(event);
      event.label = trial_name(columns.trials.size());
    }
    names.insert(event.label);
  }
  const Eigen::MatrixXd all = make_design(events, frame_times_s, options).values;
  columns.others = make_design({}, frame_times_s, options).values;
  if (all.cols() - columns.others.cols() != std::ssize(names)) {
    throw UsageError("single trials need a response of one column: leave out derivatives and further delays");
  }
  const auto trials = std::ssize(columns.trials);
  columns.of_trials = all.leftCols(trials);
  columns.conditions = all.middleCols(trials, std::ssize(names) - trials);
  return columns;
}

std::vector<Eigen::Index> kept_rows(Eigen::Index volumes, std::span<const std::uint8_t> keep) {
  if (!keep.empty() && std::ssize(keep) != volumes) {
    throw ShapeError(fmt::format("there are {} volumes and {} marks of those kept", volumes, keep.size()));
  }
  std::vector<Eigen::Index> kept;
  for (Eigen::Index t = 0; t < volumes; ++t) {
    if (keep.empty() || keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
  }
  return kept;
}

Eigen::MatrixXd without(const Eigen::MatrixXd& columns, const DesignBasis& basis) {
  return columns - basis.columns * (basis.columns.transpose() * columns);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Trials that the kept volumes show.
std::vector<Eigen::Index> shown_trials(const Eigen::MatrixXd& trials) {
  std::vector<double> sizes;
  for (Eigen::Index k = 0; k < trials.cols(); ++k) sizes.push_back(trials.col(k).norm());
  const double smallest = sizes.empty() ? 0 : std::max(kSmallestShare * median(sizes), kEstimable);
  std::vector<Eigen::Index> shown;
  for (Eigen::Index k = 0; k < trials.cols(); ++k) {
    if (sizes[static_cast<std::size_t>(k)] > smallest) shown.push_back(k);
  }
  return shown;
}

void require_freedom(Eigen::Index columns, Eigen::Index volumes) {
  if (columns < volumes) return;
  throw DataError(
      fmt::format("single trials need more volumes than columns; found {} independent columns for {} volumes: use the "
                  "model lss, fewer regressors or trials, or keep more volumes",
                  columns, volumes));
}

/// Row k gives the coefficient of trial k beside all others; rows of trials that others take the place of are 0.
Eigen::MatrixXd weights_of_all(const Eigen::MatrixXd& trials, const Eigen::MatrixXd& conditions) {
  Eigen::MatrixXd together(trials.rows(), trials.cols() + conditions.cols());
  together << trials, conditions;
  const DesignBasis basis = make_basis(together);
  Eigen::MatrixXd weights = basis.weights.topRows(trials.cols()) * basis.columns.transpose();
  for (Eigen::Index k = 0; k < trials.cols(); ++k) {
    const Eigen::VectorXd unit = Eigen::VectorXd::Unit(together.cols(), k);
    if ((unit - basis.estimable * unit).norm() > kEstimable) weights.row(k).setZero();
  }
  return weights;
}

/// Row k gives the coefficient of trial k beside the sum of the others of its group, those of the other groups, and
/// the conditions that are no trials.
Eigen::MatrixXd weights_of_each(const Eigen::MatrixXd& trials, const std::vector<std::string>& groups,
                                const Eigen::MatrixXd& conditions) {
  std::map<std::string, Eigen::VectorXd> sums;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    sums.try_emplace(groups[k], Eigen::VectorXd::Zero(trials.rows())).first->second +=
        trials.col(static_cast<Eigen::Index>(k));
  }
  Eigen::MatrixXd weights(trials.cols(), trials.rows());
  parallel_tasks(trials.cols(), [&](std::int64_t k) {
    check_cancelled();
    Eigen::MatrixXd rest(trials.rows(), std::ssize(sums) + conditions.cols());
    Eigen::Index place = 0;
    for (const auto& [group, sum] : sums) {
      rest.col(place++) = group == groups[static_cast<std::size_t>(k)] ? Eigen::VectorXd(sum - trials.col(k)) : sum;
    }
    rest.rightCols(conditions.cols()) = conditions;
    const Eigen::VectorXd own = without(trials.col(k), make_basis(rest));
    const bool is_told = own.norm() > kEstimable * trials.col(k).norm();
    weights.row(k).setZero();
    if (is_told) weights.row(k) = own.transpose() / own.squaredNorm();
  });
  return weights;
}

}  // namespace

TrialModel parse_trial_model(std::string_view name) {
  for (const TrialModel model : {TrialModel::lsa, TrialModel::lss, TrialModel::lss_by_condition}) {
    if (name == trial_model_name(model)) return model;
  }
  throw UsageError(
      fmt::format("no model of single trials is called '{}'; there are 'lsa', 'lss' and 'lss-by-condition'", name));
}

std::string_view trial_model_name(TrialModel model) {
  if (model == TrialModel::lsa) return "lsa";
  return model == TrialModel::lss ? "lss" : "lss-by-condition";
}

TrialWeights trial_weights(const std::vector<Event>& events, const std::vector<std::string>& conditions,
                           const Eigen::VectorXd& frame_times_s, TrialModel model, const DesignOptions& options,
                           std::span<const std::uint8_t> keep) {
  const TrialColumns columns = trial_columns(events, conditions, frame_times_s, options);
  const std::vector<Eigen::Index> kept = kept_rows(frame_times_s.size(), keep);
  const DesignBasis nuisance = make_basis(columns.others(kept, Eigen::all));
  const Eigen::MatrixXd all_trials = without(columns.of_trials(kept, Eigen::all), nuisance);
  const Eigen::MatrixXd others = without(columns.conditions(kept, Eigen::all), nuisance);
  std::vector<Eigen::Index> used = shown_trials(all_trials);
  const Eigen::MatrixXd trials = all_trials(Eigen::all, used);
  std::vector<std::string> groups(used.size());
  if (model == TrialModel::lss_by_condition) {
    for (std::size_t k = 0; k < used.size(); ++k) groups[k] = columns.trials[static_cast<std::size_t>(used[k])].label;
  }
  const std::set<std::string> distinct(groups.begin(), groups.end());
  const Eigen::Index of_trials = model == TrialModel::lsa ? trials.cols() : std::ssize(distinct) + 1;
  require_freedom(nuisance.rank() + others.cols() + of_trials, std::ssize(kept));
  const Eigen::MatrixXd found =
      model == TrialModel::lsa ? weights_of_all(trials, others) : weights_of_each(trials, groups, others);

  std::vector<Eigen::Index> told;
  for (Eigen::Index k = 0; k < found.rows(); ++k) {
    if (!found.row(k).isZero(0)) told.push_back(k);
  }
  if (told.empty()) throw DataError(fmt::format("none of {} trials can be estimated", columns.trials.size()));
  if (told.size() < columns.trials.size()) {
    log_warning(fmt::format(
        "{} of {} trials cannot be estimated and are left out: no kept volume shows them, or others take their place",
        columns.trials.size() - told.size(), columns.trials.size()));
  }
  TrialWeights result;
  result.weights = MatrixD::Zero(std::ssize(told), frame_times_s.size());
  result.responses.resize(std::ssize(told), frame_times_s.size());
  for (std::size_t k = 0; k < told.size(); ++k) {
    const auto row = static_cast<Eigen::Index>(k);
    const Eigen::Index trial = used[static_cast<std::size_t>(told[k])];
    result.trials.push_back(columns.trials[static_cast<std::size_t>(trial)]);
    result.weights(row, kept) = found.row(told[k]);
    result.responses.row(row) = columns.of_trials.col(trial).transpose();
  }
  return result;
}

MatrixF trial_maps(const TrialWeights& weights, const MatrixF& data) {
  if (data.rows() != weights.weights.cols()) {
    throw ShapeError(
        fmt::format("the trials' weights are of {} volumes, the data have {}", weights.weights.cols(), data.rows()));
  }
  MatrixF maps(weights.weights.rows(), data.cols());
  parallel_tasks((data.cols() + kBlock - 1) / kBlock, [&](std::int64_t block) {
    check_cancelled();
    const std::int64_t count = std::min(kBlock, data.cols() - block * kBlock);
    const MatrixD series = data.middleCols(block * kBlock, count).cast<double>();
    maps.middleCols(block * kBlock, count) = (weights.weights * series).cast<float>();
  });
  return maps;
}

}  // namespace noema
