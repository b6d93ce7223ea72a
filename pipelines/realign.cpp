#include "noema/pipelines/realign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "noema/core/error.h"
#include "noema/core/provenance.h"
#include "noema/io/atomic_file.h"
#include "noema/io/confounds.h"
#include "noema/io/nifti.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/run_loop.h"
#include "noema/preprocess/affine_registration.h"
#include "noema/preprocess/mean_image.h"
#include "noema/preprocess/motion.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

struct Template {
  Image image;
  std::string label;
};

std::optional<Template> read_template(const fs::path& path) {
  if (path.empty()) return {};
  Template found{read_image(path), "template"};
  if (found.image.header.volumes != 1) {
    throw ShapeError(
        fmt::format("the template '{}' has {} volumes, expected one", path.string(), found.image.header.volumes));
  }
  const Entities entities = parse_bids_name(path).entities;
  for (const char* key : {"tpl", "space"}) {
    if (const auto label = entities.find(key); label != entities.end()) found.label = label->second;
  }
  return found;
}

/// Where the files of a run go: without suffix and extension.
class Names {
 public:
  Names(const fs::path& output, const Run& run, const std::string& space) : id_(run.id()), space_(space) {
    folder_ = output / ("sub-" + run.subject());
    if (!run.entity("ses").empty()) folder_ /= "ses-" + run.entity("ses");
    folder_ /= "func";
    make_folder(folder_);
  }
  /// Of an image in the space of the result.
  fs::path image(const std::string& rest) const {
    return folder_ / (id_ + (space_.empty() ? "" : "_space-" + space_) + rest);
  }
  fs::path file(const std::string& rest) const { return folder_ / (id_ + rest); }

 private:
  std::string id_, space_;
  fs::path folder_;
};

std::string transform_text(const std::string& remark, const std::vector<Eigen::Matrix4d>& transforms) {
  std::string text =
      "# " + remark + "\n# A line is a transform: twelve numbers, the first three rows of the matrix; RAS mm.\n";
  for (const Eigen::Matrix4d& transform : transforms) {
    for (int i = 0; i < 12; ++i) text += fmt::format("{}{:.9g}", i == 0 ? "" : " ", transform(i / 4, i % 4));
    text += "\n";
  }
  return text;
}

void write_confounds(const fs::path& path, const MatrixD& parameters, const std::vector<double>& displacement_mm) {
  const char* names[] = {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  Table table;
  for (int c = 0; c < 6; ++c) {
    const Eigen::VectorXd column = parameters.col(c);
    table.add(names[c], std::vector<double>(column.begin(), column.end()));
  }
  table.add("framewise_displacement", displacement_mm);
  write_table(path, table);
}

/// A voxel that leaves the recorded volume at any time is 0 throughout: else it would flicker between a value and none.
void clear_incomplete(Image& run) {
  const auto voxels = static_cast<std::size_t>(run.header.grid.voxel_count());
  for (std::size_t v = 0; v < voxels; ++v) {
    bool complete = true;
    for (std::size_t i = v; i < run.values.size(); i += voxels) complete = complete && !std::isnan(run.values[i]);
    if (complete) continue;
    for (std::size_t i = v; i < run.values.size(); i += voxels) run.values[i] = 0;
  }
}

/// Programs do not agree on signs and centres, so the table says its own.
std::string motion_conventions(const Eigen::Vector3d& centre_mm) {
  const nlohmann::ordered_json json{
      {"Direction", "from points of the mean image to points of the recorded volume"},
      {"Axes", "RAS: x to the right, y to the front, z up"},
      {"TranslationUnits", "mm"},
      {"RotationUnits", "rad"},
      {"RotationOrder", "x first, then y, then z; counter-clockwise seen from the positive end of the axis"},
      {"RotationCentre", {centre_mm[0], centre_mm[1], centre_mm[2]}},
      {"Signs",
       "trans_x, trans_y, trans_z above 0: the head moved to the right, to the front, up; rot_x: the nose went up; "
       "rot_y: the top went to the right; rot_z: the nose went to the left"}};
  return json.dump(2) + "\n";
}

void describe_displacement(const std::vector<double>& displacement_mm, RealignedRun& done) {
  if (displacement_mm.size() < 2) return;
  double sum = 0;
  for (std::size_t t = 1; t < displacement_mm.size(); ++t) {
    sum += displacement_mm[t];
    done.largest_displacement_mm = std::max(done.largest_displacement_mm, displacement_mm[t]);
  }
  done.mean_displacement_mm = sum / static_cast<double>(displacement_mm.size() - 1);
}

void write_sidecar(const fs::path& path, const Run& run, double tr_s, const std::optional<AffineRegistration>& affine,
                   const RealignOptions& options) {
  nlohmann::ordered_json json{{"RepetitionTime", tr_s},
                              {"Sources", {run.bold.string()}},
                              {"SkullStripped", false},
                              {"MotionCorrection", "rigid, two passes, to the mean image; cubic B-spline"}};
  if (run.slice_time_s) json["StartTime"] = *run.slice_time_s;
  if (affine) {
    json["Registration"] = {{"Template", options.template_image.string()},
                            {"Transform", "affine"},
                            {"MutualInformation", affine->information}};
  }
  json["Provenance"] = make_provenance(0, options.configuration).to_json();
  write_file(path, json.dump(2) + "\n");
}

RealignedRun realign_run(const Run& run, const std::optional<Template>& target, const RealignOptions& options) {
  RealignedRun done{run.id(), 0, 0, 0, ""};
  const Names names(options.output, run, target ? target->label : "");
  const Image recorded = read_image(run.bold);
  const double tr_s = agreed_tr(run, recorded.header);
  done.volumes = recorded.header.volumes;
  const MotionEstimate motion = estimate_motion(recorded);
  const MatrixD parameters = parameters_of(motion.motion);
  const std::vector<double> displacement_mm = framewise_displacement(parameters);
  describe_displacement(displacement_mm, done);
  std::optional<AffineRegistration> affine;
  if (target) affine = register_affine(target->image, motion.reference);
  const std::vector<Eigen::Matrix4d> transforms =
      affine ? transforms_of(motion, affine->moving_from_fixed_mm) : transforms_of(motion);
  Image realigned = resample_moved(recorded, transforms, target ? target->image.header.grid : recorded.header.grid,
                                   std::numeric_limits<double>::quiet_NaN());
  clear_incomplete(realigned);
  realigned.header.tr_s = tr_s;
  write_image(names.image("_boldref.nii.gz"), mean_image(realigned));
  write_confounds(names.file("_desc-confounds_timeseries.tsv"), parameters, displacement_mm);
  write_file(names.file("_desc-confounds_timeseries.json"), motion_conventions(motion.centre_mm));
  write_file(names.file("_desc-motion_xfm.txt"),
             transform_text("for each volume, from points of the result to points of the recorded volume", transforms));
  if (affine) {
    write_file(
        names.file(fmt::format("_from-{}_to-boldref_xfm.txt", target->label)),
        transform_text("from points of the template to points of the mean image", {affine->moving_from_fixed_mm}));
  }
  write_sidecar(names.image("_desc-preproc_bold.json"), run, tr_s, affine, options);
  write_image(names.image("_desc-preproc_bold.nii.gz"), realigned);  // last: once it is there, the run is finished
  return done;
}

}  // namespace

std::vector<RealignedRun> realign_dataset(const RealignOptions& options) {
  DatasetQuery query = options.query;
  query.needs_events = false;
  if (query.space.empty()) query.space = "raw";
  const Dataset dataset = index_dataset(options.root, query);
  const std::optional<Template> target = read_template(options.template_image);
  open_output_folder(options.output, "preprocess", options.configuration);
  std::vector<RealignedRun> runs(dataset.runs.size());
  work_on_runs(
      dataset.runs, "realigning runs", [&](std::size_t r) { runs[r] = realign_run(dataset.runs[r], target, options); },
      [&](std::size_t r, const Error& error) {
        runs[r] = {dataset.runs[r].id(), 0, 0, 0, error.what()};
      });
  return runs;
}

}  // namespace noema
