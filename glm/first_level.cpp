#include "noema/glm/first_level.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
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

void add_missing(std::vector<std::string>& names, const std::vector<std::string>& more) {
  for (const std::string& name : more) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
}

/// A contrast as weights of the columns of any run.
struct Question {
  std::string name;
  Eigen::MatrixXd rows;
};

std::vector<Question> questions_of(const std::vector<ContrastRequest>& contrasts,
                                   const std::vector<std::string>& columns) {
  std::vector<Question> questions;
  for (const ContrastRequest& contrast : contrasts) {
    questions.push_back({contrast.name, independent_rows(parse_contrast_rows(contrast.formula, columns))});
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
/// scaled. Returns the scale of each voxel, 0 where it has a mean of 0 and was left at 0.
Eigen::VectorXd scale_to_percent(GlmFit& fit, const Eigen::VectorXd& means) {
  const Eigen::Index constant = fit.coefficients.rows() - 1;  // last in every design
  Eigen::VectorXd scales = Eigen::VectorXd::Zero(fit.voxels());
  for (Eigen::Index v = 0; v < fit.voxels(); ++v) {
    if (fit.dispersion[v] == 0) continue;
    const bool has_mean = std::abs(means[v]) > kSmallestMean * std::sqrt(fit.dispersion[v]);
    if (has_mean) scales[v] = kPercent / means[v];
    fit.coefficients.col(v) *= scales[v];
    if (has_mean) fit.coefficients(constant, v) -= kPercent;
    fit.dispersion[v] *= scales[v] * scales[v];
  }
  return scales;
}

/// (T): what makes each volume's mean over voxels 100; 1 unless volumes are scaled.
Eigen::VectorXd volume_scales(const Series& series, SignalScaling scaling) {
  Eigen::VectorXd scales = Eigen::VectorXd::Ones(series.volumes());
  if (scaling != SignalScaling::volume) return scales;
  for (Eigen::Index t = 0; t < scales.size(); ++t) {
    const double mean = series.values.row(t).cast<double>().mean();
    if (!(std::abs(mean) > 0)) throw DataError(fmt::format("volume {} has a mean of 0, so no percent of it", t));
    scales[t] = kPercent / mean;
  }
  return scales;
}

Eigen::VectorXd scale_by_mean(GlmFit& fit, const Series& series, SignalScaling scaling) {
  Eigen::VectorXd means = mean_of_kept(series);
  if (scaling == SignalScaling::grand) means.setConstant(means.mean());
  return scale_to_percent(fit, means);
}

void say_without_mean(const RunData& run, std::int64_t without_mean, Eigen::Index voxels) {
  if (without_mean == 0) return;
  log_warning(
      fmt::format("run '{}': {} of {} voxels have a mean of 0, so no percent of it; their effects are 0 (is "
                  "the series standardised already? then ask for effects without percent)",
                  run.name, without_mean, voxels));
}

ContrastMaps maps_of(const ContrastRequest& request, const JointEffects& joint) {
  return is_f_formula(request.formula) ? f_maps(joint) : t_maps(joint);
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

SignalScaling parse_signal_scaling(std::string_view name) {
  for (const SignalScaling scaling :
       {SignalScaling::voxel, SignalScaling::grand, SignalScaling::volume, SignalScaling::none}) {
    if (name == signal_scaling_name(scaling)) return scaling;
  }
  throw UsageError(fmt::format("no scaling is called '{}'; there are 'voxel', 'grand', 'volume' and 'none'", name));
}

std::string_view signal_scaling_name(SignalScaling scaling) {
  switch (scaling) {
    case SignalScaling::voxel:
      return "voxel";
    case SignalScaling::grand:
      return "grand";
    case SignalScaling::volume:
      return "volume";
    case SignalScaling::none:
      break;
  }
  return "none";
}

std::string_view effect_unit(SignalScaling scaling) {
  switch (scaling) {
    case SignalScaling::voxel:
      return "percent of the voxel's mean";
    case SignalScaling::grand:
      return "percent of the run's mean over all voxels";
    case SignalScaling::volume:
      return "percent of each volume's mean";
    case SignalScaling::none:
      break;
  }
  return "the unit of the images";
}

DesignMatrix design_of_run(const RunData& run, const FirstLevelOptions& options) {
  DesignOptions design = options.design;
  design.regressors = run.confounds;
  design.regressor_names = run.confound_names;
  const Series& series = *run.series;
  return make_design(run.events,
                     frame_times(series.volumes(), series.tr_s, series.start_s, options.slice_time_reference), design);
}

FirstLevelModel::FirstLevelModel(std::vector<ContrastRequest> contrasts, FirstLevelOptions options,
                                 std::vector<std::string> columns)
    : contrasts_(std::move(contrasts)),
      options_(std::move(options)),
      columns_(std::move(columns)),
      answers_(contrasts_.size()) {
  if (contrasts_.empty()) throw UsageError("a first-level model needs contrasts; got none");
  for (const ContrastRequest& contrast : contrasts_) result_.contrasts.push_back({contrast, {}, {}});
}

void FirstLevelModel::add(const RunData& run) {
  if (run.series == nullptr) throw UsageError(fmt::format("run '{}' has no series", run.name));
  const Series& series = *run.series;
  if (empty_.size() == 0) empty_ = Eigen::VectorX<bool>::Constant(series.values.cols(), false);
  if (empty_.size() != series.values.cols()) {
    throw ShapeError(fmt::format("run '{}' has {} voxels, those before it {}; read all runs within one mask", run.name,
                                 series.values.cols(), empty_.size()));
  }
  with_context("run '" + run.name + "'", [&] {
    DesignMatrix design = design_of_run(run, options_);
    add_missing(columns_, design.names);
    const std::vector<Question> questions = questions_of(contrasts_, columns_);  // refused before the work
    last_volume_scale_ = volume_scales(series, options_.scaling);
    const bool by_volume = options_.scaling == SignalScaling::volume;
    last_fit_ = by_volume ? fit_glm(MatrixF(last_volume_scale_.cast<float>().asDiagonal() * series.values), design,
                                    options_.noise, series.keep)
                          : fit_glm(series.values, design, options_.noise, series.keep);
    last_scale_ = (last_fit_.dispersion.array() != 0).cast<double>();
    if (by_volume) last_fit_.coefficients.bottomRows(1) -= kPercent * last_scale_.transpose();  // of the constant
    if (options_.scaling == SignalScaling::voxel || options_.scaling == SignalScaling::grand) {
      const double before = last_scale_.sum();
      last_scale_ = scale_by_mean(last_fit_, series, options_.scaling);
      say_without_mean(run, static_cast<std::int64_t>(before) - (last_scale_.array() != 0).count(), last_scale_.size());
    }
    empty_ = empty_.array() || (last_fit_.dispersion.array() == 0);
    auto answers = answers_of(run, last_fit_, columns_, questions);
    for (std::size_t c = 0; c < contrasts_.size(); ++c) {
      if (!answers[c]) continue;
      answers_[c].push_back(std::move(*answers[c]));
      result_.contrasts[c].runs.push_back(result_.runs.size());
    }
    result_.runs.push_back({run.name, run.session, std::move(design), last_fit_.rank, last_fit_.df, series.tr_s,
                            last_fit_.r_squared.cast<float>()});
  });
}

MatrixF FirstLevelModel::last_residuals(const Series& series) const {
  if (result_.runs.empty()) throw UsageError("residuals need a fitted run");
  const MatrixD& design = result_.runs.back().design.values;
  if (series.values.rows() != design.rows() || series.values.cols() != last_scale_.size()) {
    throw ShapeError(fmt::format("the series is {} × {}, the fitted one was {} × {}", series.values.rows(),
                                 series.values.cols(), design.rows(), last_scale_.size()));
  }
  const double offset = options_.scaling == SignalScaling::none ? 0 : kPercent;
  MatrixF residuals(series.values.rows(), series.values.cols());
  parallel_for(residuals.cols(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const Eigen::ArrayXd scale = last_scale_.segment(begin, end - begin);
    const Eigen::ArrayXd shift = (scale != 0).cast<double>() * offset;
    const MatrixD fitted = design * last_fit_.coefficients.middleCols(begin, end - begin);
    for (Eigen::Index t = 0; t < residuals.rows(); ++t) {
      const Eigen::ArrayXd values = series.values.row(t).segment(begin, end - begin).cast<double>().transpose();
      residuals.row(t).segment(begin, end - begin) =
          (values * (scale * last_volume_scale_[t]) - shift - fitted.row(t).transpose().array())
              .cast<float>()
              .matrix()
              .transpose();
    }
  });
  return residuals;
}

/// The answers of all runs to one contrast as one.
JointEffects FirstLevelModel::combined(std::size_t contrast) {
  const ContrastResult& result = result_.contrasts[contrast];
  if (!options_.by_session) return fixed_effects(answers_[contrast], options_.run_weights);
  std::map<std::string, std::vector<JointEffects>> runs;
  std::map<std::string, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < result.runs.size(); ++i) {
    const std::string& session = result_.runs[result.runs[i]].session;
    runs[session].push_back(std::move(answers_[contrast][i]));
    places[session].push_back(result.runs[i]);
  }
  std::vector<JointEffects> sessions;
  for (const auto& [session, answers] : runs) {
    sessions.push_back(fixed_effects(answers, options_.run_weights));
    result_.sessions[session].push_back({result.request, maps_of(result.request, sessions.back()), places[session]});
  }
  return fixed_effects(sessions, options_.run_weights);
}

FirstLevelResult FirstLevelModel::result() {
  if (result_.runs.empty()) throw UsageError("a first-level model needs runs; got none");
  result_.empty_voxels = empty_.count();
  for (std::size_t c = 0; c < contrasts_.size(); ++c) {
    if (answers_[c].empty()) {
      throw DataError(fmt::format("no run can answer contrast '{}' ({}); see the warnings for what each run lacks",
                                  contrasts_[c].name, contrasts_[c].formula));
    }
    result_.contrasts[c].maps = maps_of(contrasts_[c], combined(c));
    answers_[c].clear();
  }
  return std::move(result_);
}

FirstLevelResult first_level(const std::vector<RunData>& runs, const std::vector<ContrastRequest>& contrasts,
                             const FirstLevelOptions& options) {
  std::vector<std::string> columns;
  for (const RunData& run : runs) {
    if (run.series == nullptr) throw UsageError(fmt::format("run '{}' has no series", run.name));
    with_context("run '" + run.name + "'", [&] { add_missing(columns, design_of_run(run, options).names); });
  }
  FirstLevelModel model(contrasts, options, std::move(columns));
  Progress progress("fitting runs", std::ssize(runs));
  for (const RunData& run : runs) {
    model.add(run);
    progress.advance();
  }
  return model.result();
}

}  // namespace noema
