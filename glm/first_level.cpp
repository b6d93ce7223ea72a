#include "noema/glm/first_level.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"

namespace noema {
namespace {

constexpr double kPercent = 100;
/// In units of the noise: what rounding leaves of the mean of a standardised series lies far below, any image far
/// above.
constexpr double kSmallestMean = 1e-4;
constexpr std::int64_t kGrain = 4096;  // voxels

void check(const std::vector<RunData>& runs, const std::vector<ContrastRequest>& contrasts) {
  if (runs.empty() || contrasts.empty()) {
    throw UsageError(
        fmt::format("a first-level model needs runs and contrasts; got {} and {}", runs.size(), contrasts.size()));
  }
  for (const RunData& run : runs) {
    if (run.series == nullptr) throw UsageError(fmt::format("run '{}' has no series", run.name));
    if (run.series->values.cols() == runs[0].series->values.cols()) continue;
    throw ShapeError(fmt::format("run '{}' has {} voxels, run '{}' has {}; read all runs within one mask", runs[0].name,
                                 runs[0].series->values.cols(), run.name, run.series->values.cols()));
  }
}

DesignMatrix design_of(const RunData& run, const FirstLevelOptions& options) {
  DesignOptions design = options.design;
  design.regressors = run.confounds;
  design.regressor_names = run.confound_names;
  const Series& series = *run.series;
  return make_design(run.events,
                     frame_times(series.volumes(), series.tr_s, series.start_s, options.slice_time_reference), design);
}

std::vector<std::string> all_columns(const std::vector<DesignMatrix>& designs) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const DesignMatrix& design : designs) {
    for (const std::string& name : design.names) {
      if (known.insert(name).second) names.push_back(name);
    }
  }
  return names;
}

/// A contrast as weights of the columns of any run.
struct Question {
  std::string name;
  Eigen::MatrixXd rows;
  bool is_f = false;
};

std::vector<Question> questions_of(const std::vector<ContrastRequest>& contrasts,
                                   const std::vector<std::string>& columns) {
  std::vector<Question> questions;
  for (const ContrastRequest& contrast : contrasts) {
    questions.push_back({contrast.name, independent_rows(parse_contrast_rows(contrast.formula, columns)),
                         is_f_formula(contrast.formula)});
  }
  return questions;
}

/// Weights of the columns of any run as weights of one run's columns; the first column it lacks otherwise.
struct RunQuestion {
  Eigen::MatrixXd rows;
  std::optional<std::string> missing;
};
RunQuestion question_for(const std::vector<std::string>& run_columns, const std::vector<std::string>& columns,
                         const Eigen::MatrixXd& rows) {
  RunQuestion question{Eigen::MatrixXd::Zero(rows.rows(), std::ssize(run_columns)), {}};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const auto weights = rows.col(static_cast<Eigen::Index>(c));
    if (weights.isZero(0)) continue;
    const auto place = std::find(run_columns.begin(), run_columns.end(), columns[c]);
    if (place == run_columns.end()) {
      question.missing = columns[c];
      return question;
    }
    question.rows.col(place - run_columns.begin()) = weights;
  }
  return question;
}

Eigen::VectorXd mean_of_kept(const Series& series) {
  Eigen::VectorXd sums = Eigen::VectorXd::Zero(series.values.cols());
  const auto keeps = [&](std::int64_t t) {
    return series.keep.empty() || series.keep[static_cast<std::size_t>(t)] != 0;
  };
  std::int64_t kept = 0;
  for (std::int64_t t = 0; t < series.volumes(); ++t) kept += keeps(t) ? 1 : 0;
  parallel_for(series.values.cols(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = 0; t < series.volumes(); ++t) {
      if (keeps(t)) sums.segment(begin, end - begin) += series.values.row(t).segment(begin, end - begin).cast<double>();
    }
  });
  return sums / static_cast<double>(kept);
}

/// Changes a fit of raw values y into that of 100·(y/mean − 1), which for a design with a constant is the same fit
/// scaled. Returns how many voxels have a mean of 0 and were left at 0.
std::int64_t scale_to_percent(GlmFit& fit, const Eigen::VectorXd& means) {
  const Eigen::Index constant = fit.coefficients.rows() - 1;  // last in every design
  std::int64_t without_mean = 0;
  for (Eigen::Index v = 0; v < fit.voxels(); ++v) {
    if (fit.dispersion[v] == 0) continue;
    const bool has_mean = std::abs(means[v]) > kSmallestMean * std::sqrt(fit.dispersion[v]);
    const double scale = has_mean ? kPercent / means[v] : 0;
    without_mean += has_mean ? 0 : 1;
    fit.coefficients.col(v) *= scale;
    if (has_mean) fit.coefficients(constant, v) -= kPercent;
    fit.dispersion[v] *= scale * scale;
  }
  return without_mean;
}

GlmFit fit_run(const RunData& run, const DesignMatrix& design, const FirstLevelOptions& options) {
  GlmFit fit = fit_glm(run.series->values, design, options.noise, run.series->keep);
  if (!options.percent) return fit;
  const std::int64_t without_mean = scale_to_percent(fit, mean_of_kept(*run.series));
  if (without_mean > 0) {
    log_warning(
        fmt::format("run '{}': {} of {} voxels have a mean of 0, so no percent of it; their effects are 0 (is "
                    "the series standardised already? then ask for effects without percent)",
                    run.name, without_mean, fit.voxels()));
  }
  return fit;
}

bool can_estimate(const GlmFit& fit, const Eigen::MatrixXd& rows) {
  for (Eigen::Index row = 0; row < rows.rows(); ++row) {
    if (!is_estimable(fit, rows.row(row))) return false;
  }
  return true;
}

/// What one run can say to a contrast; nothing, with a warning, where it cannot.
std::optional<Eigen::MatrixXd> asked_of_run(const RunData& run, const GlmFit& fit, RunQuestion question,
                                            const std::string& contrast) {
  if (question.missing) {
    log_warning(
        fmt::format("run '{}' has no '{}' and is left out of contrast '{}'", run.name, *question.missing, contrast));
    return std::nullopt;
  }
  if (!can_estimate(fit, question.rows)) {
    log_warning(
        fmt::format("run '{}' cannot estimate contrast '{}' (columns depend on one another, or have no "
                    "event within the kept volumes) and is left out of it",
                    run.name, contrast));
    return std::nullopt;
  }
  return std::move(question.rows);
}

/// Answers of one run to each contrast, or nothing where it cannot say.
std::vector<std::optional<JointEffects>> answers_of(const RunData& run, const GlmFit& fit,
                                                    const std::vector<std::string>& columns,
                                                    const std::vector<Question>& questions) {
  std::vector<Eigen::MatrixXd> asked;
  std::vector<std::size_t> places;
  for (std::size_t c = 0; c < questions.size(); ++c) {
    auto rows = asked_of_run(run, fit, question_for(fit.names, columns, questions[c].rows), questions[c].name);
    if (!rows) continue;
    asked.push_back(std::move(*rows));
    places.push_back(c);
  }
  std::vector<std::optional<JointEffects>> answers(questions.size());
  auto found = joint_effects(fit, asked);
  for (std::size_t i = 0; i < places.size(); ++i) answers[places[i]] = std::move(found[i]);
  return answers;
}

}  // namespace

FirstLevelResult first_level(const std::vector<RunData>& runs, const std::vector<ContrastRequest>& contrasts,
                             const FirstLevelOptions& options) {
  check(runs, contrasts);
  FirstLevelResult result;
  for (const RunData& run : runs) {
    result.designs.push_back(with_context("run '" + run.name + "'", [&] { return design_of(run, options); }));
  }
  const std::vector<std::string> columns = all_columns(result.designs);
  const std::vector<Question> questions = questions_of(contrasts, columns);
  std::vector<std::vector<JointEffects>> of_contrast(contrasts.size());
  for (const ContrastRequest& contrast : contrasts) result.contrasts.push_back({contrast, {}, {}});
  Eigen::VectorX<bool> empty = Eigen::VectorX<bool>::Constant(runs[0].series->values.cols(), false);
  Progress progress("fitting runs", std::ssize(runs));
  for (std::size_t r = 0; r < runs.size(); ++r) {
    with_context("run '" + runs[r].name + "'", [&] {
      const GlmFit fit = fit_run(runs[r], result.designs[r], options);
      empty = empty.array() || (fit.dispersion.array() == 0);
      auto answers = answers_of(runs[r], fit, columns, questions);
      for (std::size_t c = 0; c < contrasts.size(); ++c) {
        if (!answers[c]) continue;
        of_contrast[c].push_back(std::move(*answers[c]));
        result.contrasts[c].runs.push_back(r);
      }
    });
    progress.advance();
  }
  result.empty_voxels = empty.count();
  for (std::size_t c = 0; c < contrasts.size(); ++c) {
    if (of_contrast[c].empty()) {
      throw DataError(fmt::format("no run can answer contrast '{}' ({}); see the warnings for what each run lacks",
                                  contrasts[c].name, contrasts[c].formula));
    }
    const JointEffects joint = fixed_effects(of_contrast[c], options.run_weights);
    result.contrasts[c].maps = questions[c].is_f ? f_maps(joint) : t_maps(joint);
    of_contrast[c].clear();
  }
  return result;
}

}  // namespace noema
