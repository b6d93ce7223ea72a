#include "noema/pipelines/connectome_output.h"

#include <fmt/format.h>

#include <map>

#include "noema/core/error.h"
#include "noema/core/memory.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/results_page.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

constexpr int kDigits = 12;

void write_regions(const fs::path& path, const std::vector<ConnectomeRegion>& regions) {
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
  table.add("voxels", voxels, kDigits);
  table.add("x_mm", x);
  table.add("y_mm", y);
  table.add("z_mm", z);
  write_table(path, table);
}

/// A matrix with a column of names first.
void write_matrix(const fs::path& path, const std::vector<ConnectomeRegion>& regions, const MatrixD& matrix) {
  if (matrix.rows() != matrix.cols() || matrix.rows() != static_cast<Eigen::Index>(regions.size())) {
    throw ShapeError(
        fmt::format("found a matrix of {} × {} of {} regions", matrix.rows(), matrix.cols(), regions.size()));
  }
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

}  // namespace

ConnectomeFile connectome_of_runs(const std::vector<LearningRun>& runs) {
  ConnectomeFile file;
  for (const LearningRun& run : runs) {
    file.runs.push_back(run.id);
    file.subjects.push_back(run.subject);
  }
  return file;
}

void write_connectome(const fs::path& folder, const ConnectomeOutput& output, Results& results) {
  const ConnectomeFile& file = output.file;
  const std::string regions = "regions" + output.suffix + ".tsv", store = "connectome" + output.suffix + ".h5";
  write_regions(folder / regions, file.regions);
  write_connectome_file(folder / store, file);
  results.files.insert(results.files.end(), {regions, store});
  ConnectomeFacts facts{regions, {}};
  for (std::size_t k = 0; k < file.kinds.size(); ++k) {
    const ConnectomeMatrices& matrices = file.kinds[k];
    const std::string ending = fmt::format("_stat-{}_relmat.tsv", bids_model_label(matrices.kind));
    for (std::size_t r = 0; output.run_tables && r < file.runs.size(); ++r) {
      results.files.push_back(fmt::format("sub-{}/func/{}{}", file.subjects[r], file.runs[r], ending));
      write_matrix(folder / results.files.back(), file.regions, matrices.runs[r]);
    }
    results.files.push_back("group/group" + ending);
    write_matrix(folder / results.files.back(), file.regions, matrices.group);
    facts.matrices.push_back({matrices.kind, output.titles.at(k), results.files.back()});
  }
  if (!results.connectome) results.connectome = facts;
}

std::vector<double> subject_shares(const std::vector<LearningRun>& runs) {
  std::map<std::string, double> runs_of;
  for (const LearningRun& run : runs) ++runs_of[run.subject];
  std::vector<double> shares;
  for (const LearningRun& run : runs)
    shares.push_back(1 / (runs_of[run.subject] * static_cast<double>(runs_of.size())));
  return shares;
}

void finish_connectome(StagedOutput& staged, const PreparedData& data, const Provenance& provenance, Results& results) {
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
  write_results(staged.folder(), results, provenance);
  write_report(staged.folder(), staged.output());
  staged.commit(results);
}

}  // namespace noema
