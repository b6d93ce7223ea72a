#include "noema/pipelines/connectome.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/connectome_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/region_places.h"
#include "noema/pipelines/staged_output.h"
#include "noema/pipelines/surfaces.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

PrepareOptions with_regions(const PrepareOptions& asked) {
  PrepareOptions prepare = asked;
  if (prepare.atlas.empty() && prepare.spheres.empty() && prepare.features == "auto") prepare.features = "parcels";
  return prepare;
}

void require_regions(const FeatureSpace& features) {
  const std::int64_t count = features.count();
  if (count >= 2 && count <= kMostConnectomeRegions) return;
  throw UsageError(fmt::format("connectivity: found {} features, expected 2 to {}: give an --atlas, or --parcels N",
                               count, kMostConnectomeRegions));
}

/// Before anything is read or written.
void require_runs(const std::vector<ConnectivityKind>& kinds, const std::vector<LearningRun>& runs) {
  if (runs.size() > 1 || std::find(kinds.begin(), kinds.end(), ConnectivityKind::tangent) == kinds.end()) return;
  throw DataError("--kind tangent: found one run, expected two or more: it tells how runs differ from their mean");
}

std::vector<MatrixD> matrices_of(const at::Tensor& all) {
  std::vector<MatrixD> matrices;
  for (std::int64_t n = 0; n < all.size(0); ++n) matrices.push_back(to_matrix(all[n]));
  return matrices;
}

std::string group_title(const std::string& kind, const std::vector<LearningRun>& runs, std::size_t subjects) {
  const std::string of = fmt::format("{} runs of {} subjects", runs.size(), subjects);
  return kind == "tangent" ? fmt::format("tangent: the reference, a mean covariance of {}", of)
                           : fmt::format("{}, mean of {}", kind, of);
}

/// (F, kept T): what a run's series holds at the volumes that were not censored.
at::Tensor kept_series(const LearningRun& run) {
  std::vector<int> kept;
  for (std::int64_t t = 0; t < run.series.volumes(); ++t) {
    if (run.series.keep[static_cast<std::size_t>(t)]) kept.push_back(static_cast<int>(t));
  }
  if (kept.empty()) throw DataError(fmt::format("run '{}': found all volumes censored, expected some kept", run.id));
  const MatrixD values = run.series.values(kept, Eigen::all).cast<double>().transpose();
  return tensor_of(values);
}

/// Regressed confounds and filters take dimensions from the series, which the number of kept volumes does not show.
void require_rank(const ConnectomeOptions& options, const LearningRun& run, const at::Tensor& series) {
  const auto needs_it = [](ConnectivityKind kind) {
    return kind != ConnectivityKind::correlation && kind != ConnectivityKind::covariance;
  };
  if (options.estimator != CovarianceEstimator::empirical || series.size(1) <= series.size(0)) return;
  if (std::none_of(options.kinds.begin(), options.kinds.end(), needs_it)) return;
  const at::Tensor s = at::linalg_svdvals(series - series.mean(1, true));
  // What rounding of the series' float32 values leaves.
  const double rounding =
      std::numeric_limits<float>::epsilon() * static_cast<double>(std::max(series.size(0), series.size(1)));
  const auto rank = (s > rounding * s.max()).sum().item<std::int64_t>();
  if (rank == series.size(0)) return;
  throw DataError(
      fmt::format("run '{}': found {} independent dimensions in {} kept volumes of {} regions after what was regressed "
                  "and filtered "
                  "out, expected {}, one a region: take fewer regions or confounds, or an estimator with shrinkage",
                  run.id, rank, series.size(1), series.size(0), series.size(0)));
}

ConnectomeOutput measure(const ConnectomeOptions& options, const PreparedData& data) {
  const std::vector<LearningRun>& runs = *data.runs;
  ConnectomeOutput output{connectome_of_runs(runs), {}};
  std::vector<at::Tensor> series;
  for (const LearningRun& run : runs) {
    series.push_back(kept_series(run));
    require_rank(options, run, series.back());
  }
  const std::set<std::string> subjects(output.file.subjects.begin(), output.file.subjects.end());
  output.file.regions = region_places(*data.features, read_meshes(options.prepare.surfaces, data.features->mask.grid));
  Progress progress("connectivity", static_cast<std::int64_t>(options.kinds.size()));
  for (const ConnectivityKind kind : options.kinds) {
    check_cancelled();
    const std::string name = to_string(kind);
    const GroupConnectivity found = with_context(name, [&] {
      return measure_connectivity(series, at::tensor(subject_shares(runs), at::kDouble),
                                  {kind, options.estimator, options.reference, options.published});
    });
    output.file.kinds.push_back({name, matrices_of(found.matrices), to_matrix(found.group)});
    output.titles.push_back(group_title(name, runs, subjects.size()));
    progress.advance();
  }
  return output;
}

std::vector<std::string> method_sentences(const ConnectomeOptions& options) {
  std::vector<std::string> kinds;
  for (const ConnectivityKind kind : options.kinds) kinds.push_back(to_string(kind));
  std::vector<std::string> sentences{fmt::format(
      "Connectivity ({}) of the volumes of each run that were not censored, from {} covariances; the group's matrices "
      "give every subject the same weight.",
      fmt::join(kinds, ", "), to_string(options.estimator))};
  if (std::find(kinds.begin(), kinds.end(), "tangent") != kinds.end()) {
    sentences.emplace_back(
        "Tangent matrices are displacements from a mean of these very runs: for prediction take noema decode with "
        "--connectivity tangent, which makes the reference of the training runs alone.");
  }
  return sentences;
}

}  // namespace

Results run_connectome(const ConnectomeOptions& options) {
  const PrepareOptions prepare = with_regions(options.prepare);
  const fs::path& folder = prepare.output;
  const WarningCollector warnings;
  Stopwatch watch;
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    if (prepare.level != AnalysisLevel::participant) require_runs(options.kinds, runs);
    open_output_folder(folder, "connectome", prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("connectome", data);
  const std::vector<SurfaceMesh> meshes = read_meshes(prepare.surfaces, data.features->mask.grid);
  if (prepare.level == AnalysisLevel::participant) {
    results.surfaces = keep_meshes(folder, meshes);
    return results;
  }
  require_regions(*data.features);
  ConnectomeOutput output = watch.time("connectivity", [&] { return measure(options, data); });
  Provenance provenance = make_provenance(prepare.seed, prepare.configuration);
  provenance.inputs = data.inputs;
  output.file.provenance = provenance.to_json().dump();
  StagedOutput staged(folder);
  results.surfaces = keep_meshes(staged.folder(), meshes);
  write_connectome(staged.folder(), output, results);
  results.title = fmt::format("Connectivity of {}", data.dataset.name);
  results.method.features = method_sentences(options);
  results.seconds = watch.seconds();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  finish_connectome(staged, data, provenance, results);
  return results;
}

}  // namespace noema
