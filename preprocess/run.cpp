#include "noema/preprocess/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/confounds.h"
#include "noema/io/tedana.h"
#include "noema/preprocess/high_variance.h"
#include "noema/preprocess/masked_run.h"
#include "noema/preprocess/motion_metrics.h"
#include "noema/preprocess/nuisance.h"

namespace noema {
namespace {

constexpr double kMostUnusable = 0.1;

/// The strategy with the thresholds that were given.
ConfoundsOptions confounds_options(const PreprocessOptions& options) {
  ConfoundsOptions result = confounds_strategy(options.confounds);
  if (!result.scrub && (options.fd_threshold_mm || options.std_dvars_threshold)) {
    constexpr double kNone = std::numeric_limits<double>::infinity();
    result.scrub = ScrubOptions{kNone, kNone};
  }
  if (!result.scrub) return result;
  if (options.fd_threshold_mm) result.scrub->fd_threshold_mm = *options.fd_threshold_mm;
  if (options.std_dvars_threshold) result.scrub->std_dvars_threshold = *options.std_dvars_threshold;
  if (options.shortest_segment) result.scrub->shortest_segment = *options.shortest_segment;
  return result;
}

void check_rows(const ConfoundTable& table, const Run& run, std::int64_t volumes) {
  if (table.values.rows() == volumes) return;
  throw DataError(fmt::format("'{}' has {} rows but '{}' has {} volumes; are they of the same run?",
                              table.path.string(), table.values.rows(), run.bold.string(), volumes));
}

std::optional<ConfoundTable> read_fmriprep_table(const Run& run, const PreprocessOptions& options,
                                                 std::int64_t volumes) {
  if (run.confounds.empty()) {
    if (!confounds_options(options).needs_table()) return {};
    if (options.compute_missing) return ConfoundTable{run.bold, {}, MatrixD(volumes, 0), {}};
    throw DataError(fmt::format(
        "run '{}' has no confounds file, which {} needs; use '--confounds none' (or high-variance, of the data) "
        "without censoring",
        run.bold.string(), options.confounds == "none" ? "censoring" : "the strategy " + options.confounds));
  }
  ConfoundTable table = read_confounds(run.confounds);
  check_rows(table, run, volumes);
  return table;
}

/// fMRIPrep's columns and, where they are asked for, tedana's.
std::optional<ConfoundTable> read_table_of(const Run& run, const PreprocessOptions& options, std::int64_t volumes) {
  std::optional<ConfoundTable> table = read_fmriprep_table(run, options, volumes);
  if (!confounds_options(options).tedana) return table;
  const std::optional<TedanaFiles> files = tedana_files_beside(run.bold);
  if (!files) {
    throw DataError(
        fmt::format("beside '{}' there are no '…_desc-ICA_mixing.tsv' and '…_desc-tedana_metrics.tsv', from "
                    "which the confounds of tedana are read; choose other confounds",
                    run.bold.string()));
  }
  ConfoundTable components = read_tedana(*files);
  check_rows(components, run, volumes);
  if (!table) return components;
  table->names.insert(table->names.end(), components.names.begin(), components.names.end());
  MatrixD values(volumes, table->values.cols() + components.values.cols());
  values.leftCols(table->values.cols()) = table->values;
  values.rightCols(components.values.cols()) = components.values;
  table->values = std::move(values);
  return table;
}

bool judged_by(double threshold) { return std::isfinite(threshold); }

void add_column(ConfoundTable& table, const char* name, const std::vector<double>& values) {
  table.names.emplace_back(name);
  table.values.conservativeResize(Eigen::NoChange, table.values.cols() + 1);
  table.values.rightCols(1) = Eigen::Map<const Eigen::VectorXd>(values.data(), table.values.rows());
}

/// Adds what censoring needs and the table lacks, as far as it can be computed. Returns a sentence for each.
std::vector<std::string> compute_missing(ConfoundTable& table, const ScrubOptions& scrub, MaskedRun& file) {
  std::vector<std::string> notes;
  const auto is_there = [&](const char* name) { return table.has(name); };
  constexpr std::array<const char*, 6> kMotion{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  if (judged_by(scrub.fd_threshold_mm) && !is_there(kDisplacementColumn) &&
      std::all_of(kMotion.begin(), kMotion.end(), is_there)) {
    MatrixD parameters(table.values.rows(), 6);
    for (std::size_t c = 0; c < kMotion.size(); ++c) {
      parameters.col(static_cast<Eigen::Index>(c)) = table.values.col(table.index(kMotion[c]));
    }
    add_column(table, kDisplacementColumn, framewise_displacement(parameters));
    notes.emplace_back("Framewise displacement was computed from the motion parameters (sphere of 50 mm).");
  }
  if (judged_by(scrub.std_dvars_threshold) && !is_there(kDvarsColumn)) {
    std::vector<double> values = dvars(file.read_voxels()).standardised;
    values.insert(values.begin(), static_cast<std::size_t>(table.values.rows()) - values.size(),
                  std::numeric_limits<double>::quiet_NaN());
    add_column(table, kDvarsColumn, values);
    notes.emplace_back("Standardised DVARS was computed from the voxels of the mask.");
  }
  return notes;
}

/// Rows from `first` on.
void drop_rows(Confounds& confounds, ConfoundTable* table, int first) {
  confounds.values = confounds.values.bottomRows(confounds.values.rows() - first).eval();
  confounds.keep.erase(confounds.keep.begin(), confounds.keep.begin() + first);
  if (table != nullptr) table->values = table->values.bottomRows(table->values.rows() - first).eval();
}

Confounds confounds_of(const ConfoundTable* table, const ConfoundsOptions& options, std::int64_t volumes) {
  if (table != nullptr) return select_confounds(*table, options);
  return {MatrixD(volumes, 0), {}, std::vector<std::uint8_t>(static_cast<std::size_t>(volumes), 1)};
}

/// Adds columns that are taken of the voxels' kept volumes; 0 at the others, which count for nothing.
void add_high_variance(int count, MaskedRun& file, Confounds& confounds) {
  MatrixF voxels = file.read_voxels();
  std::vector<Eigen::Index> kept;
  for (std::size_t t = 0; t < confounds.keep.size(); ++t) {
    if (confounds.keep[t]) kept.push_back(static_cast<Eigen::Index>(t));
  }
  const MatrixD found = high_variance_confounds(MatrixD(voxels(kept, Eigen::all).cast<double>()), {.confounds = count});
  const Eigen::Index old = confounds.values.cols();
  MatrixD values = MatrixD::Zero(voxels.rows(), old + found.cols());
  values.leftCols(old) = confounds.values;
  values(kept, Eigen::seqN(old, found.cols())) = found;
  confounds.values = std::move(values);
  for (Eigen::Index c = 0; c < found.cols(); ++c) confounds.names.push_back(fmt::format("high_variance_{}", c + 1));
}

void check_unusable(const Run& run, std::int64_t unusable, std::int64_t voxels) {
  if (unusable == 0) return;
  const double share = static_cast<double>(unusable) / static_cast<double>(voxels);
  const std::string found = fmt::format("'{}': {} of {} voxels of the mask ({:.1f} %) are constant or not finite",
                                        run.bold.string(), unusable, voxels, 100 * share);
  if (share > kMostUnusable) {
    throw DataError(found + "; at most 10 % may be. Does the mask belong to this run, and is the file whole?");
  }
  log_warning(found + "; they were left out");
}

/// Features whose kept values vary and are finite; the others become 0.
std::vector<std::uint8_t> usable_features(MatrixF& values, const std::vector<std::uint8_t>& keep) {
  const auto first = static_cast<Eigen::Index>(std::find(keep.begin(), keep.end(), 1) - keep.begin());
  const Eigen::Index features = values.cols();
  std::vector<std::uint8_t> varies(static_cast<std::size_t>(features), 0), finite(varies.size(), 1);
  for (Eigen::Index t = 0; t < values.rows(); ++t) {
    const bool kept = keep[static_cast<std::size_t>(t)] != 0;
    for (Eigen::Index f = 0; f < features; ++f) {
      const auto at = static_cast<std::size_t>(f);
      varies[at] |= static_cast<std::uint8_t>(kept && values(t, f) != values(first, f));
      finite[at] &= static_cast<std::uint8_t>(std::isfinite(values(t, f)));
    }
  }
  for (Eigen::Index f = 0; f < features; ++f) {
    const auto at = static_cast<std::size_t>(f);
    varies[at] &= finite[at];
    if (!varies[at]) values.col(f).setZero();
  }
  return varies;
}

std::string filter_note(const CleanOptions& clean) {
  std::vector<std::string> parts;
  if (clean.detrend) parts.emplace_back("linear detrending");
  if (clean.filter == TemporalFilter::cosine) {
    parts.push_back(fmt::format("high-pass {:.4g} Hz by cosines", *clean.high_pass_hz));
  }
  if (clean.filter == TemporalFilter::butterworth) {
    const std::string high = clean.high_pass_hz ? fmt::format("high-pass {:.4g} Hz", *clean.high_pass_hz) : "";
    const std::string low = clean.low_pass_hz ? fmt::format("low-pass {:.4g} Hz", *clean.low_pass_hz) : "";
    parts.push_back(fmt::format("Butterworth filter of order 5, forward and backward ({}{}{})", high,
                                high.empty() || low.empty() ? "" : ", ", low));
  }
  if (parts.empty()) parts.emplace_back("none");
  return fmt::format("Slow drifts: {}.", fmt::join(parts, ", "));
}

std::vector<std::string> describe_steps(const PreprocessOptions& options, const CleanOptions& clean,
                                        const Confounds& confounds, const FeatureSpace& features) {
  std::vector<std::string> notes;
  if (options.drop_first > 0) notes.push_back(fmt::format("The first {} volumes were dropped.", options.drop_first));
  if (options.fwhm_mm > 0) {
    notes.push_back(fmt::format(
        "Smoothed with a Gaussian of {:g} mm FWHM{}.", options.fwhm_mm,
        features.mask.grid.grayordinates == nullptr ? "" : " (about) along the cortex and within each deep structure"));
  }
  const std::string parcels = fmt::format("parcels ({} over voxels)", region_statistic_name(options.region_statistic));
  const char* kinds[] = {"voxels of the mask", parcels.c_str(), "spatial maps (least squares)"};
  notes.push_back(fmt::format("{} features: {}.", features.count(), kinds[static_cast<std::size_t>(features.kind)]));
  const auto censored = std::count(confounds.keep.begin(), confounds.keep.end(), 0);
  if (censored > 0) notes.push_back(fmt::format("{} of {} volumes were censored.", censored, confounds.keep.size()));
  notes.push_back(filter_note(clean));
  if (!confounds.names.empty() && options.regress_confounds) {
    notes.push_back(fmt::format("{} confounds were regressed out (strategy {}): {}.", confounds.names.size(),
                                options.confounds, fmt::join(confounds.names, ", ")));
  }
  if (clean.standardize == Standardize::zscore || clean.standardize == Standardize::zscore_population) {
    notes.emplace_back("Each feature was z-scored over the kept volumes.");
  }
  if (clean.standardize == Standardize::percent) notes.emplace_back("Values are percent of the mean over time.");
  return notes;
}

}  // namespace

void PreprocessOptions::validate() const {
  if (!(fwhm_mm >= 0) || !std::isfinite(fwhm_mm)) {
    throw UsageError(fmt::format("smoothing: found a width of {} mm, expected at least 0", fwhm_mm));
  }
  for (const std::optional<double>& threshold : {fd_threshold_mm, std_dvars_threshold}) {
    if (threshold && !(*threshold > 0)) {
      throw UsageError(fmt::format("censoring: found the threshold {}, expected a positive one", *threshold));
    }
  }
  if (shortest_segment.value_or(0) < 0 || drop_first < 0) {
    throw UsageError(fmt::format("found a shortest segment of {} and {} first volumes to drop, expected at least 0",
                                 shortest_segment.value_or(0), drop_first));
  }
  static_cast<void>(confounds_strategy(confounds));
  CleanOptions checked = clean;
  if (!(checked.tr_s > 0)) {  // not known yet: so short that every cut-off is below Nyquist
    checked.tr_s = 1e-6;
  }
  checked.validate();
}

PreprocessedRun preprocess_run(const Run& run, const std::shared_ptr<const FeatureSpace>& features,
                               const PreprocessOptions& options) {
  return with_context(fmt::format("preprocessing {}", run.id()), [&] {
    options.validate();
    if (options.region_statistic != RegionStatistic::mean && features->kind != FeatureKind::parcels) {
      throw UsageError(
          fmt::format("the {} was asked for as the value of regions, and the features are {}; give regions "
                      "(labels, spheres or parcels), or leave the statistic out",
                      region_statistic_name(options.region_statistic),
                      features->kind == FeatureKind::voxels ? "voxels" : "maps, fitted by least squares"));
    }
    const ConfoundsOptions wanted = confounds_options(options);
    check_image_for(run.bold, wanted);
    MaskedRun file(run, *features, options);
    std::optional<ConfoundTable> table = read_table_of(run, options, file.header().volumes);
    ConfoundTable* known = table ? &*table : nullptr;
    std::vector<std::string> computed;
    if (table && wanted.scrub && options.compute_missing) computed = compute_missing(*table, *wanted.scrub, file);
    Confounds confounds = confounds_of(known, wanted, file.header().volumes);
    drop_rows(confounds, known, options.drop_first);
    const auto regressors = [&] { return options.regress_confounds ? confounds.values : MatrixD(); };
    CleanOptions cleaning = options.clean;
    cleaning.tr_s = agreed_tr(run, file.header());
    // Everything that can be refused without the values is refused here.
    with_context(fmt::format("'{}'", run.bold.string()),
                 [&] { clean(MatrixF(file.volumes(), 0), regressors(), confounds.keep, cleaning); });
    if (wanted.high_variance) add_high_variance(*wanted.high_variance, file, confounds);

    PreprocessedRun result;
    MatrixF values(file.volumes(), features->count());
    VoxelRecord record(features->mask.size());
    file.read(Extractor(*features, {}, options.region_statistic), values, &record);
    const std::vector<std::uint8_t> usable = record.usable();
    const auto unusable = std::count(usable.begin(), usable.end(), 0);
    check_unusable(run, unusable, features->mask.size());
    if (unusable > 0 && features->kind != FeatureKind::voxels) {
      file.read(Extractor(*features, usable, options.region_statistic), values, nullptr);
    }
    result.usable = usable_features(values, confounds.keep);
    if (features->kind == FeatureKind::voxels) {
      for (std::size_t v = 0; v < usable.size(); ++v) {
        if (result.usable[v] && !usable[v]) values.col(static_cast<Eigen::Index>(v)).setZero();
        result.usable[v] &= usable[v];
      }
    }
    result.series.values = clean(std::move(values), regressors(), confounds.keep, cleaning);
    result.series.features = features;
    result.series.tr_s = cleaning.tr_s;
    result.series.start_s =
        (run.slice_time_s ? *run.slice_time_s - cleaning.tr_s / 2 : 0) + options.drop_first * cleaning.tr_s;
    result.series.keep = confounds.keep;
    NuisanceSeries nuisance = nuisance_series(known, record.global_signal());
    result.nuisance = std::move(nuisance.values);
    result.nuisance_names = std::move(nuisance.names);
    result.mean = record.mean();
    result.notes = describe_steps(options, cleaning, confounds, *features);
    result.notes.insert(result.notes.end(), computed.begin(), computed.end());
    if (const auto resampling = file.resampling()) result.notes.insert(result.notes.begin(), *resampling);
    if (unusable > 0) {
      result.notes.push_back(fmt::format("{} of {} voxels of the mask were constant or not finite and left out.",
                                         unusable, features->mask.size()));
    }
    result.confounds = std::move(confounds);
    return result;
  });
}

}  // namespace noema
