#include "noema/pipelines/to_surface.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"
#include "noema/core/provenance.h"
#include "noema/io/atomic_file.h"
#include "noema/io/brain_models.h"
#include "noema/io/image_reader.h"
#include "noema/io/nifti.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/surfaces.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// One hemisphere.
struct Cortex {
  SurfaceMesh mesh;
  SurfaceMesh inner;

  std::string letter() const { return mesh.structure.ends_with("RIGHT") ? "R" : "L"; }
};

struct Job {
  const ToSurfaceOptions* options;
  std::vector<Cortex> cortices;
  /// "_space-…" and perhaps "_den-…".
  std::string space;
  std::optional<Mask> mask;
};

std::vector<Cortex> read_cortices(const ToSurfaceOptions& options) {
  if (options.surfaces.empty()) {
    throw UsageError("sampling volumes at a surface needs its meshes; give --surface L.surf.gii R.surf.gii");
  }
  std::vector<Cortex> cortices;
  for (SurfaceMesh& mesh : with_context("--surface", [&] { return read_meshes(options.surfaces); })) {
    cortices.push_back({std::move(mesh), {}});
  }
  if (options.inner_surfaces.empty()) return cortices;
  std::vector<SurfaceMesh> inner = with_context("--inner-surface", [&] { return read_meshes(options.inner_surfaces); });
  for (Cortex& cortex : cortices) {
    const auto found = std::find_if(inner.begin(), inner.end(),
                                    [&](const SurfaceMesh& mesh) { return mesh.structure == cortex.mesh.structure; });
    if (found == inner.end() || inner.size() != cortices.size()) {
      throw UsageError("--inner-surface: expected a mesh of each hemisphere that --surface has, and no others");
    }
    cortex.inner = *found;
  }
  return cortices;
}

std::string space_of(const fs::path& mesh) {
  const Entities entities = parse_bids_name(mesh).entities;
  std::string space = "_space-surface";
  for (const char* key : {"tpl", "space"}) {
    if (const auto label = entities.find(key); label != entities.end()) space = "_space-" + label->second;
  }
  if (const auto density = entities.find("den"); density != entities.end()) space += "_den-" + density->second;
  return space;
}

SurfaceSampleOptions sample_options(const Job& job, const Cortex& cortex) {
  const ToSurfaceOptions& options = *job.options;
  SurfaceSampleOptions result;
  result.kind = options.kind.value_or(options.inner_surfaces.empty() ? SurfaceSampling::line : SurfaceSampling::depth);
  if (result.kind != SurfaceSampling::depth && !options.inner_surfaces.empty()) {
    throw UsageError("--inner-surface is for sampling by depth alone; leave one of the two out");
  }
  result.radius_mm = options.radius_mm;
  result.samples = options.samples;
  result.depths = options.depths;
  if (!options.inner_surfaces.empty()) result.inner = &cortex.inner;
  if (job.mask) result.mask = &*job.mask;
  return result;
}

/// (T, V) of each hemisphere.
std::vector<MatrixF> sample(const Job& job, ImageReader& file) {
  const ImageHeader& header = file.header();
  std::vector<SurfaceSampler> samplers;
  std::vector<MatrixF> values;
  for (const Cortex& cortex : job.cortices) {
    samplers.emplace_back(header.grid, cortex.mesh, sample_options(job, cortex));
    values.emplace_back(header.volumes, cortex.mesh.vertices());
  }
  std::vector<float> volume(static_cast<std::size_t>(header.grid.voxel_count()));
  for (std::int64_t t = 0; t < header.volumes; ++t) {
    check_cancelled();
    file.read_volume(std::span(volume));
    for (std::size_t c = 0; c < samplers.size(); ++c) {
      const std::vector<double> found = samplers[c].apply(volume);
      std::transform(found.begin(), found.end(), values[c].row(t).data(),
                     [](double v) { return static_cast<float>(v); });
    }
  }
  return values;
}

/// Vertices that lack a value in some volume have none in all; returns those that have.
std::vector<std::int32_t> clear_incomplete(MatrixF& values) {
  std::vector<std::int32_t> complete;
  for (Eigen::Index v = 0; v < values.cols(); ++v) {
    if (values.col(v).array().isFinite().all()) {
      complete.push_back(static_cast<std::int32_t>(v));
    } else {
      values.col(v).setConstant(std::numeric_limits<float>::quiet_NaN());
    }
  }
  return complete;
}

void smooth(const SurfaceMesh& mesh, const std::vector<std::int32_t>& vertices, double fwhm_mm, MatrixF& values) {
  if (!(fwhm_mm > 0) || vertices.empty()) return;
  const SurfaceSmoother smoother(mesh, fwhm_mm, vertices);
  std::vector<float> own(vertices.size());
  for (Eigen::Index t = 0; t < values.rows(); ++t) {
    check_cancelled();
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = values(t, vertices[i]);
    smoother.apply(std::span(own));
    for (std::size_t i = 0; i < own.size(); ++i) values(t, vertices[i]) = own[i];
  }
}

/// All vertices of all hemispheres.
Image grayordinates(const Job& job, const std::vector<MatrixF>& values, double tr_s) {
  auto models = std::make_shared<BrainModels>();
  for (const Cortex& cortex : job.cortices) {
    BrainModel model{cortex.mesh.structure, cortex.mesh.vertices(), {}, {}};
    for (std::int32_t v = 0; v < model.surface_vertices; ++v) model.vertices.push_back(v);
    models->models.push_back(std::move(model));
  }
  Image image;
  image.header.grid = grid_of(models);
  image.header.volumes = values.front().rows();
  image.header.tr_s = tr_s;
  for (Eigen::Index t = 0; t < values.front().rows(); ++t) {
    for (const MatrixF& cortex : values) {
      image.values.insert(image.values.end(), cortex.row(t).data(), cortex.row(t).data() + cortex.cols());
    }
  }
  return image;
}

std::string sidecar(const Job& job, const Run& run, double tr_s) {
  const ToSurfaceOptions& options = *job.options;
  const char* kinds[] = {"line along the normal", "ball", "depths between two surfaces"};
  nlohmann::ordered_json json{{"RepetitionTime", tr_s}, {"Sources", {run.bold.string()}}};
  for (const fs::path& file : options.surfaces) json["Sources"].push_back(file.string());
  for (const fs::path& file : options.inner_surfaces) json["Sources"].push_back(file.string());
  json["SurfaceSampling"] = kinds[static_cast<std::size_t>(sample_options(job, job.cortices.front()).kind)];
  if (options.fwhm_mm > 0) json["SurfaceSmoothingFWHM"] = options.fwhm_mm;
  if (run.slice_time_s) json["StartTime"] = *run.slice_time_s;
  json["Provenance"] = make_provenance(0, options.configuration).to_json();
  return json.dump(2) + "\n";
}

SampledRun sample_run(const Job& job, const Run& run) {
  SampledRun done{run.id(), 0, 0, 0, ""};
  ImageReader file(run.bold);
  if (file.header().grid.grayordinates != nullptr) {
    throw UsageError(fmt::format("'{}' holds grayordinates, which lie on a surface already; choose volumes (--space)",
                                 run.bold.string()));
  }
  const double tr_s = agreed_tr(run, file.header());
  done.volumes = file.header().volumes;
  std::vector<MatrixF> values = sample(job, file);
  fs::path stem = job.options->output / ("sub-" + run.subject());
  if (!run.entity("ses").empty()) stem /= "ses-" + run.entity("ses");
  make_folder(stem / "func");
  stem = stem / "func" / run.id();
  for (std::size_t c = 0; c < values.size(); ++c) {
    const Cortex& cortex = job.cortices[c];
    const std::vector<std::int32_t> complete = clear_incomplete(values[c]);
    if (complete.empty()) {
      throw DataError(fmt::format("no vertex of {} lies in the volume; are the meshes in the space of the run '{}'?",
                                  short_structure(cortex.mesh.structure), run.bold.string()));
    }
    done.vertices += cortex.mesh.vertices();
    done.empty += cortex.mesh.vertices() - static_cast<std::int64_t>(complete.size());
    smooth(cortex.mesh, complete, job.options->fwhm_mm, values[c]);
    write_vertex_values(fmt::format("{}_hemi-{}{}_bold.func.gii", stem.string(), cortex.letter(), job.space), values[c],
                        cortex.mesh.structure);
  }
  const std::string both = stem.string() + job.space + "_bold";
  write_file(both + ".json", sidecar(job, run, tr_s));
  write_image(both + ".dtseries.nii", grayordinates(job, values, tr_s));  // last: once it is there, the run is finished
  return done;
}

}  // namespace

std::vector<SampledRun> sample_dataset(const ToSurfaceOptions& options) {
  Job job{&options, read_cortices(options), "", {}};
  job.space = space_of(options.surfaces.front());
  if (!options.mask.empty()) job.mask = mask_from_image(read_image(options.mask));
  for (const Cortex& cortex : job.cortices) sample_options(job, cortex).validate(cortex.mesh);
  DatasetQuery query = options.query;
  query.needs_events = false;
  const Dataset dataset = index_dataset(options.root, query);
  open_output_folder(options.output, "preprocess", options.configuration);
  std::vector<SampledRun> runs;
  Progress progress("sampling runs at the surface", static_cast<std::int64_t>(dataset.runs.size()));
  for (const Run& run : dataset.runs) {
    check_cancelled();
    try {
      runs.push_back(with_context(fmt::format("run '{}'", run.id()), [&] { return sample_run(job, run); }));
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      log(LogLevel::error, error.what());
      runs.push_back({run.id(), 0, 0, 0, error.what()});
    }
    progress.advance();
  }
  return runs;
}

}  // namespace noema
