#include "noema/simulate/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/core/random.h"
#include "noema/core/version.h"
#include "noema/io/atomic_file.h"
#include "noema/io/dataset.h"
#include "noema/io/events.h"
#include "noema/io/nifti.h"
#include "noema/io/table.h"
#include "noema/simulate/design.h"
#include "noema/simulate/maps.h"
#include "noema/simulate/run.h"

namespace noema {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kBidsVersion = "1.8.0";

void write_json(const fs::path& path, const ordered_json& json) { write_file(path, json.dump(2) + "\n"); }

ordered_json generator() { return ordered_json::array({{{"Name", "noema"}, {"Version", build_info().version}}}); }

/// The dataset while it is written: where things go and what they share.
struct Writing {
  const SimulationOptions& options;
  fs::path root;
  Phantom phantom;
  MatrixF common;

  fs::path derivatives() const { return root / "derivatives" / "simulated"; }
  fs::path truth() const { return root / "ground-truth"; }
  /// "01": as many digits as the count needs, at least two.
  static std::string number(int index, int count) {
    return fmt::format("{:0{}}", index + 1, std::max<std::size_t>(2, std::to_string(count).size()));
  }
  std::string subject_label(int subject) const { return number(subject, options.subjects); }
  Entities entities(int subject, int run) const {
    return {{"sub", subject_label(subject)}, {"task", options.task}, {"run", number(run, options.runs)}};
  }
  fs::path func(const fs::path& tree, int subject) const { return tree / ("sub-" + subject_label(subject)) / "func"; }
  ImageHeader header(std::int64_t volumes, double tr_s) const {
    ImageHeader made;
    made.grid = phantom.brain.grid;
    made.volumes = volumes;
    made.tr_s = tr_s;
    made.space = options.space;
    return made;
  }
};

void write_descriptions(const Writing& writing) {
  write_json(writing.root / "dataset_description.json", {{"Name", "Simulated states"},
                                                         {"BIDSVersion", kBidsVersion},
                                                         {"DatasetType", "raw"},
                                                         {"GeneratedBy", generator()}});
  write_json(writing.derivatives() / "dataset_description.json", {{"Name", "Simulated states, preprocessed"},
                                                                  {"BIDSVersion", kBidsVersion},
                                                                  {"DatasetType", "derivative"},
                                                                  {"GeneratedBy", generator()}});
  write_file(writing.root / ".bidsignore", "ground-truth/\n");
  write_file(
      writing.root / "README",
      "A simulated dataset with known ground truth: the options and the maps of the states are in ground-truth/.\n"
      "There are no raw images; preprocessed ones are in derivatives/simulated/.\n");
  write_json(writing.root / fmt::format("task-{}_bold.json", writing.options.task),
             {{"TaskName", writing.options.task}, {"RepetitionTime", writing.options.tr_s}});
}

void write_participants(const Writing& writing) {
  Table participants;
  std::vector<std::string> names, ages, sexes;
  for (int subject = 0; subject < writing.options.subjects; ++subject) {
    RandomStream random(writing.options.seed, "participant", {static_cast<std::uint64_t>(subject)});
    names.push_back("sub-" + writing.subject_label(subject));
    ages.push_back(std::to_string(20 + random.below(16)));
    sexes.push_back(random.below(2) == 0 ? "F" : "M");
  }
  participants.add("participant_id", names);
  participants.add("age", ages);
  participants.add("sex", sexes);
  write_table(writing.root / "participants.tsv", participants);
}

Image image_of(const Writing& writing, const MatrixF& maps) {
  Image image;
  image.header = writing.header(maps.rows(), 0);
  for (Eigen::Index k = 0; k < maps.rows(); ++k) {
    const Eigen::RowVectorXf map = maps.row(k);
    const Image one = unmask(writing.phantom.brain, std::span(map.data(), static_cast<std::size_t>(map.size())));
    image.values.insert(image.values.end(), one.values.begin(), one.values.end());
  }
  return image;
}

Image brain_image(const Writing& writing) { return image_of(writing, MatrixF::Ones(1, writing.phantom.brain.size())); }

ordered_json parameters(const Writing& writing) {
  const SimulationOptions& o = writing.options;
  ordered_json responses = ordered_json::object();
  for (int subject = 0; subject < o.subjects; ++subject) {
    const HrfShape shape = draw_hrf(o, subject);
    responses["sub-" + writing.subject_label(subject)] = {{"delay_s", shape.delay_s},
                                                          {"undershoot_s", shape.undershoot_s},
                                                          {"dispersion_s", shape.dispersion_s},
                                                          {"undershoot_dispersion_s", shape.undershoot_dispersion_s},
                                                          {"ratio", shape.ratio}};
  }
  return {{"seed", o.seed},
          {"subjects", o.subjects},
          {"runs", o.runs},
          {"states", o.state_names()},
          {"task", o.task},
          {"space", o.space},
          {"shape", o.shape},
          {"voxel_mm", o.voxel_mm},
          {"tr_s", o.tr_s},
          {"design", o.design == DesignKind::blocks ? "blocks" : "events"},
          {"blocks", o.blocks},
          {"block_volumes", o.block_volumes},
          {"rest_volumes", o.rest_volumes},
          {"events", o.events},
          {"event_s", o.event_s},
          {"least_gap_s", o.least_gap_s},
          {"mean_gap_s", o.mean_gap_s},
          {"level", o.level},
          {"own_map", o.own_map},
          {"maps", o.maps == MapKind::blobs ? "blobs" : "fields"},
          {"blobs_per_map", o.blobs_per_map},
          {"map_sd_voxels", o.map_sd_voxels},
          {"hrf_delay_sd_s", o.hrf_delay_sd_s},
          {"hrf_width_sd", o.hrf_width_sd},
          {"noise_sd_voxels", o.noise_sd_voxels},
          {"noise_ar", o.noise_ar},
          {"drift", o.drift},
          {"spikes", o.spikes},
          {"spike_mm", o.spike_mm},
          {"spike_amplitude", o.spike_amplitude},
          {"mean_intensity", o.mean_intensity},
          {"noise_intensity", o.noise_intensity},
          {"brain_voxels", writing.phantom.brain.size()},
          {"hrf", responses}};
}

void write_truth(const Writing& writing) {
  make_folder(writing.truth());
  write_image(writing.truth() / "maps.nii.gz", image_of(writing, writing.common));
  write_image(writing.truth() / "brain.nii.gz", brain_image(writing), {.type = NiftiType::uint8});
  write_json(writing.truth() / "parameters.json", parameters(writing));
}

void write_subject(const Writing& writing, int subject) {
  make_folder(writing.func(writing.root, subject));
  make_folder(writing.func(writing.derivatives(), subject));
  const MatrixF maps = subject_maps(writing.phantom, writing.options, writing.common, subject);
  write_image(writing.truth() / fmt::format("sub-{}_maps.nii.gz", writing.subject_label(subject)),
              image_of(writing, maps));
}

void write_run(const Writing& writing, int subject, int run) {
  const SimulationOptions& options = writing.options;
  const Entities raw = writing.entities(subject, run);
  Entities spatial = raw;
  spatial["space"] = options.space;
  const auto described = [](Entities entities, const char* description) {
    entities["desc"] = description;
    return entities;
  };
  const fs::path folder = writing.func(writing.derivatives(), subject);
  const MatrixF maps = subject_maps(writing.phantom, options, writing.common, subject);
  const std::int64_t volumes = draw_design(options, subject, run).volumes;
  NiftiWriter bold(folder / bids_name(described(spatial, "preproc"), "bold", ".nii.gz"),
                   writing.header(volumes, options.tr_s));
  const SimulatedRun made = simulate_run(writing.phantom, options, maps, subject, run,
                                         [&](std::span<const float> volume) { bold.write_volume(volume); });
  bold.commit();
  write_json(folder / bids_name(described(spatial, "preproc"), "bold", ".json"), {{"TaskName", options.task},
                                                                                  {"RepetitionTime", options.tr_s},
                                                                                  {"StartTime", options.tr_s / 2},
                                                                                  {"SliceTimingCorrected", true},
                                                                                  {"SkullStripped", false}});
  write_image(folder / bids_name(described(spatial, "brain"), "mask", ".nii.gz"), brain_image(writing),
              {.type = NiftiType::uint8});
  write_table(folder / bids_name(described(raw, "confounds"), "timeseries", ".tsv"), made.confounds);
  write_events(writing.func(writing.root, subject) / bids_name(raw, "events", ".tsv"), made.design.events);
}

}  // namespace

void simulate_dataset(const fs::path& folder, const SimulationOptions& options, bool replace) {
  options.validate();
  AtomicFolder target(folder, replace);
  Writing writing{options, target.temporary(), make_phantom(options), {}};
  writing.common = state_maps(writing.phantom, options);
  make_folder(writing.derivatives());
  write_descriptions(writing);
  write_participants(writing);
  write_truth(writing);
  for (int subject = 0; subject < options.subjects; ++subject) write_subject(writing, subject);
  const std::int64_t runs = std::int64_t{options.subjects} * options.runs;
  Progress progress("simulating runs", runs);
  parallel_tasks(runs, [&](std::int64_t index) {
    write_run(writing, static_cast<int>(index / options.runs), static_cast<int>(index % options.runs));
    progress.advance();
  });
  target.commit();
}

}  // namespace noema
