#include "noema/pipelines/to_surface.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

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

/// The vertices of each hemisphere that have values.
std::shared_ptr<const BrainModels> brain_models(const Job& job, const std::vector<std::set<std::int32_t>>& vertices) {
  auto models = std::make_shared<BrainModels>();
  for (std::size_t c = 0; c < job.cortices.size(); ++c) {
    const SurfaceMesh& mesh = job.cortices[c].mesh;
    models->models.push_back({mesh.structure, mesh.vertices(), {vertices[c].begin(), vertices[c].end()}, {}});
  }
  return models;
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

/// Where the files of a run begin: "…/func/<run>".
std::string stem_of(const Job& job, const Run& run) {
  fs::path folder = job.options->output / ("sub-" + run.subject());
  if (!run.entity("ses").empty()) folder /= "ses-" + run.entity("ses");
  make_folder(folder / "func");
  return (folder / "func" / run.id()).string();
}

std::string hemisphere_file(const Job& job, const Run& run, const Cortex& cortex) {
  return fmt::format("{}_hemi-{}{}_bold.func.gii", stem_of(job, run), cortex.letter(), job.space);
}

/// A run on its way: what was said of it, and the vertices of each hemisphere that have a value throughout.
struct HalfDone {
  const Run* run = nullptr;
  SampledRun result;
  double tr_s = 0;
  std::vector<std::vector<std::int32_t>> complete;
};

/// Writes the files of the hemispheres.
void sample_run(const Job& job, HalfDone& half) {
  const Run& run = *half.run;
  ImageReader file(run.bold);
  if (file.header().grid.grayordinates != nullptr) {
    throw UsageError(fmt::format("'{}' holds grayordinates, which lie on a surface already; choose volumes (--space)",
                                 run.bold.string()));
  }
  half.tr_s = agreed_tr(run, file.header());
  half.result.volumes = file.header().volumes;
  std::vector<MatrixF> values = sample(job, file);
  for (std::size_t c = 0; c < values.size(); ++c) {
    const SurfaceMesh& mesh = job.cortices[c].mesh;
    half.complete.push_back(clear_incomplete(values[c]));
    const auto complete = static_cast<std::int64_t>(half.complete.back().size());
    if (complete == 0) {
      throw DataError(fmt::format("no vertex of {} lies in the volume; are the meshes in the space of the run '{}'?",
                                  short_structure(mesh.structure), run.bold.string()));
    }
    half.result.vertices += mesh.vertices();
    half.result.empty += mesh.vertices() - complete;
  }
  for (std::size_t c = 0; c < values.size(); ++c) {
    const Cortex& cortex = job.cortices[c];
    smooth(cortex.mesh, half.complete[c], job.options->fwhm_mm, values[c]);
    write_vertex_values(hemisphere_file(job, run, cortex), values[c], cortex.mesh.structure);
  }
}

/// Puts the files of the hemispheres together.
void write_grayordinates(const Job& job, const HalfDone& half, const std::shared_ptr<const BrainModels>& models) {
  std::vector<MatrixF> values;
  for (const Cortex& cortex : job.cortices) {
    values.push_back(read_vertex_values(hemisphere_file(job, *half.run, cortex)));
  }
  Image image;
  image.header.grid = grid_of(models);
  image.header.volumes = half.result.volumes;
  image.header.tr_s = half.tr_s;
  for (Eigen::Index t = 0; t < half.result.volumes; ++t) {
    for (std::size_t c = 0; c < values.size(); ++c) {
      for (const std::int32_t v : models->models[c].vertices) image.values.push_back(values[c](t, v));
    }
  }
  const std::string both = stem_of(job, *half.run) + job.space + "_bold";
  write_file(both + ".json", sidecar(job, *half.run, half.tr_s));
  write_image(both + ".dtseries.nii", image);  // last: once it is there, the run is finished
}

/// Does a step of a run that has not failed; a failure is said by the log and remembered.
template <class Step>
void attempt(HalfDone& half, const Step& step) {
  check_cancelled();
  if (!half.result.error.empty()) return;
  try {
    with_context(fmt::format("run '{}'", half.result.id), [&] { step(half); });
  } catch (const Cancelled&) {
    throw;
  } catch (const Error& error) {
    log(LogLevel::error, error.what());
    half.result = {half.result.id, 0, 0, 0, error.what()};
  }
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
  std::vector<HalfDone> halves;
  std::vector<std::set<std::int32_t>> vertices(job.cortices.size());
  Progress progress("sampling runs at the surface", 2 * static_cast<std::int64_t>(dataset.runs.size()));
  for (const Run& run : dataset.runs) {
    HalfDone& half = halves.emplace_back(HalfDone{&run, {run.id(), 0, 0, 0, ""}, 0, {}});
    attempt(half, [&](HalfDone& it) { sample_run(job, it); });
    for (std::size_t c = 0; c < vertices.size() && half.result.error.empty(); ++c) {
      vertices[c].insert(half.complete[c].begin(), half.complete[c].end());
    }
    progress.advance();
  }
  // Which vertices have a value in some run is known now; all runs list the same, so that they go together.
  const std::shared_ptr<const BrainModels> models = brain_models(job, vertices);
  std::vector<SampledRun> results;
  for (HalfDone& half : halves) {
    attempt(half, [&](const HalfDone& it) { write_grayordinates(job, it, models); });
    results.push_back(half.result);
    progress.advance();
  }
  return results;
}

}  // namespace noema
