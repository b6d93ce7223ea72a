#include "noema/pipelines/connectome.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/memory.h"
#include "noema/core/progress.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/region_places.h"
#include "noema/pipelines/results_page.h"
#include "noema/pipelines/surfaces.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// "correlation" → "sub-01/func/sub-01_task-rest_stat-correlation_relmat.tsv"
std::string run_file(const LearningRun& run, const std::string& kind) {
  return fmt::format("sub-{}/func/{}_stat-{}_relmat.tsv", run.subject, run.id, bids_model_label(kind));
}

std::string group_file(const std::string& kind) {
  return fmt::format("group/group_stat-{}_relmat.tsv", bids_model_label(kind));
}

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

std::vector<MatrixD> matrices_of(const at::Tensor& all) {
  std::vector<MatrixD> matrices;
  for (std::int64_t n = 0; n < all.size(0); ++n) matrices.push_back(to_matrix(all[n]));
  return matrices;
}

struct Measures {
  ConnectomeFile file;
  std::vector<std::string> written;
  std::vector<ConnectomeRecord> records;
};

std::string group_title(const std::string& kind, const std::vector<LearningRun>& runs, std::size_t subjects) {
  const std::string of = fmt::format("{} runs of {} subjects", runs.size(), subjects);
  return kind == "tangent" ? fmt::format("tangent: the reference, a mean covariance of {}", of)
                           : fmt::format("{}, mean of {}", kind, of);
}

Measures measure(const ConnectomeOptions& options, const PreparedData& data) {
  const std::vector<LearningRun>& runs = *data.runs;
  const fs::path& folder = options.prepare.output;
  std::vector<at::Tensor> series;
  std::map<std::string, int> runs_of;
  Measures done;
  for (const LearningRun& run : runs) {
    series.push_back(kept_series(run));
    done.file.runs.push_back(run.id);
    done.file.subjects.push_back(run.subject);
    ++runs_of[run.subject];
  }
  const at::Tensor shares = subject_shares(runs);
  done.file.regions = region_places(*data.features, read_meshes(options.prepare.surfaces, data.features->mask.grid));
  Progress progress("connectivity", static_cast<std::int64_t>(options.kinds.size()));
  for (const ConnectivityKind kind : options.kinds) {
    check_cancelled();
    const std::string name = to_string(kind);
    const GroupConnectivity found = with_context(name, [&] {
      return measure_connectivity(series, shares, {kind, options.estimator, options.reference, options.published});
    });
    done.file.kinds.push_back({name, matrices_of(found.matrices), to_matrix(found.group)});
    progress.advance();
  }
  for (const ConnectomeMatrices& matrices : done.file.kinds) {  // when all could be measured
    const std::string& name = matrices.kind;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      done.written.push_back(run_file(runs[r], name));
      write_matrix(folder / done.written.back(), done.file.regions, matrices.runs[r]);
    }
    done.written.push_back(group_file(name));
    write_matrix(folder / done.written.back(), done.file.regions, matrices.group);
    done.records.push_back({name, group_title(name, runs, runs_of.size()), group_file(name)});
  }
  return done;
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

at::Tensor kept_series(const LearningRun& run) {
  std::vector<int> kept;
  for (std::int64_t t = 0; t < run.series.volumes(); ++t) {
    if (run.series.keep[static_cast<std::size_t>(t)]) kept.push_back(static_cast<int>(t));
  }
  if (kept.empty()) throw DataError(fmt::format("run '{}': found all volumes censored, expected some kept", run.id));
  const MatrixD values = run.series.values(kept, Eigen::all).cast<double>().transpose();
  return tensor_of(values);
}

at::Tensor subject_shares(const std::vector<LearningRun>& runs) {
  std::map<std::string, double> runs_of;
  for (const LearningRun& run : runs) ++runs_of[run.subject];
  std::vector<double> shares;
  for (const LearningRun& run : runs) shares.push_back(1 / runs_of[run.subject]);
  return at::tensor(shares, at::kDouble);
}

std::string write_regions(const fs::path& folder, const std::vector<ConnectomeRegion>& regions) {
  std::vector<std::string> names;
  std::vector<double> index, voxels, x, y, z;
  for (const ConnectomeRegion& region : regions) {
    index.push_back(static_cast<double>(index.size() + 1));
    names.push_back(region.name);
    voxels.push_back(static_cast<double>(region.voxels));
    x.push_back(region.ras_mm[0]);
    y.push_back(region.ras_mm[1]);
    z.push_back(region.ras_mm[2]);
  }
  Table table;
  table.add("index", index);
  table.add("name", names);
  table.add("voxels", voxels, 12);
  table.add("x_mm", x);
  table.add("y_mm", y);
  table.add("z_mm", z);
  write_table(folder / "regions.tsv", table);
  return "regions.tsv";
}

void write_matrix(const fs::path& path, const std::vector<ConnectomeRegion>& regions, const MatrixD& matrix) {
  if (matrix.rows() != matrix.cols() || matrix.rows() != static_cast<Eigen::Index>(regions.size())) {
    throw ShapeError(
        fmt::format("found a matrix of {} × {} of {} regions", matrix.rows(), matrix.cols(), regions.size()));
  }
  constexpr int kDigits = 12;
  Table table;
  std::vector<std::string> names;
  for (const ConnectomeRegion& region : regions) names.push_back(region.name);
  table.add("region", names);
  for (std::size_t r = 0; r < regions.size(); ++r) {
    const Eigen::VectorXd column = matrix.col(static_cast<Eigen::Index>(r));
    table.add(regions[r].name, std::vector<double>(column.begin(), column.end()), kDigits);
  }
  make_folder(path.parent_path());
  write_table(path, table);
}

void finish_connectome(const fs::path& folder, const PreparedData& data, const Provenance& provenance,
                       Results& results) {
  results.task = data.files.front().entity("task");
  results.space = data.files.front().entity("space");
  std::map<std::string, SubjectRow> rows;
  for (const LearningRun& run : *data.runs) {
    SubjectRow& row = rows[run.subject];
    row.subject = run.subject;
    ++row.runs;
    row.volumes += run.series.volumes();
  }
  for (const auto& [subject, row] : rows) results.subject_rows.push_back(row);
  results.method.preprocessing = data.notes;
  results.peak_memory_mb = peak_memory_mb();
  results.files.emplace_back("report.html");
  write_results(folder, results, provenance);
  write_report(folder);
}

Results run_connectome(const ConnectomeOptions& options) {
  const PrepareOptions prepare = with_regions(options.prepare);
  const fs::path& folder = prepare.output;
  const WarningCollector warnings;
  Stopwatch watch;
  open_output_folder(folder, "connectome", prepare.configuration);
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare); });
  Results results = start_results("connectome", data);
  results.surfaces = keep_meshes(folder, read_meshes(prepare.surfaces, data.features->mask.grid));
  if (prepare.level == AnalysisLevel::participant) return results;
  require_regions(*data.features);
  Measures done = watch.time("connectivity", [&] { return measure(options, data); });
  Provenance provenance = make_provenance(prepare.seed, prepare.configuration);
  provenance.inputs = data.inputs;
  done.file.provenance = provenance.to_json().dump();
  write_connectome_file(folder / "connectome.h5", done.file);
  results.connectome = ConnectomeFacts{write_regions(folder, done.file.regions), done.records};
  for (const char* file : {"regions.tsv", "connectome.h5"}) results.files.emplace_back(file);
  results.files.insert(results.files.end(), done.written.begin(), done.written.end());
  results.title = fmt::format("Connectivity of {}", data.dataset.name);
  results.method.features = method_sentences(options);
  results.seconds = watch.seconds();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  finish_connectome(folder, data, provenance, results);
  return results;
}

}  // namespace noema
