// tests/report/made_up_report: a report with every part filled in with made-up content.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>

#include "noema/report/decode_report.h"

namespace noema {

/// A head-like ellipsoid with folds, or with `map` blobs of either sign inside it.
inline std::shared_ptr<Image> made_up_image(std::array<std::int64_t, 3> shape, double size_mm, int map = -1) {
  auto image = std::make_shared<Image>();
  Grid& grid = image->header.grid;
  grid.shape = shape;
  for (int a = 0; a < 3; ++a) {
    grid.ras_from_voxel(a, a) = size_mm;
    grid.ras_from_voxel(a, 3) = -size_mm * static_cast<double>(shape[static_cast<std::size_t>(a)]) / 2;
  }
  image->values.assign(static_cast<std::size_t>(grid.voxel_count()), 0.0f);
  std::uint64_t noise = 88172645463325252ull + static_cast<std::uint64_t>(map + 1);
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto voxel = grid.voxel_at(v);
    double p[3], radius = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      p[a] = shape[a] == 1 ? 0 : (2.0 * static_cast<double>(voxel[a]) + 1) / static_cast<double>(shape[a]) - 1;
      radius += p[a] * p[a] / 0.78;
    }
    noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17;
    const double jitter = static_cast<double>(noise % 1000) / 1000 - 0.5;
    if (map < 0) {
      const double folds = std::sin(17 * p[0] + 3 * p[1]) * std::cos(15 * p[1]) * std::cos(13 * p[2]);
      image->values[static_cast<std::size_t>(v)] =
          static_cast<float>(radius < 1 ? 700 + 180 * folds - 260 * radius + 60 * jitter : 25 + 30 * jitter);
    } else if (radius < 1) {
      const double turn = 0.9 * map;
      const double x = p[0] - 0.5 * std::cos(turn), y = p[1] - 0.5 * std::sin(turn), z = p[2] - 0.2;
      const double other_x = p[0] + 0.5 * std::cos(turn), other_y = p[1] + 0.4 * std::sin(turn);
      const double blobs = 6 * std::exp(-14 * (x * x + y * y + z * z)) -
                           4 * std::exp(-18 * (other_x * other_x + other_y * other_y + p[2] * p[2]));
      image->values[static_cast<std::size_t>(v)] = static_cast<float>(blobs + 1.6 * jitter);
    }
  }
  return image;
}

inline ModelResult made_up_model(const std::string& name, bool baseline, double level, int folds, int classes) {
  ModelResult model;
  model.name = name;
  model.is_baseline = baseline;
  model.samples = 12 * classes;
  model.seeds = baseline ? 1 : 3;
  model.balanced_accuracy = level;
  model.sd_over_seeds = baseline ? kMissing : 0.012;
  model.low = level - 0.06;
  model.high = level + 0.05;
  model.accuracy = level + 0.003;
  model.macro_f1 = level - 0.007;
  model.log_loss = baseline ? kMissing : 1.4 - level;
  for (int f = 0; f < folds; ++f)
    model.per_fold.push_back(std::clamp(level + 0.15 * std::sin(2.1 * f + level * 9), 0.0, 1.0));
  model.confusion = Eigen::MatrixXi::Zero(classes, classes);
  for (int truth = 0; truth < classes; ++truth)
    for (int n = 0; n < 12; ++n) model.confusion(truth, n < 12 * level ? truth : (truth * 3 + n * n) % classes) += 1;
  if (name == "ridge" || name == "logistic") {
    for (int n = 0; n < 200; ++n)
      model.null.push_back(1.0 / classes + 0.05 * std::sin(n * 0.7) * std::cos(n * 1.3) + 0.02 * std::sin(n * 3.1));
    model.p_permutation = 1.0 / 201;
  }
  return model;
}

inline void add_curves(DecodeReport& report) {
  for (const std::string model : {"long-conv", "cnn3d"}) {
    TrainingCurves loss{model, "training loss", {}};
    for (int run = 0; run < 12; ++run) {
      loss.runs.emplace_back();
      for (int epoch = 0; epoch < 60; ++epoch)
        loss.runs.back().push_back(2.1 * std::exp(-epoch / (12.0 + run)) + 0.42 + 0.05 * std::sin(epoch * 1.7 + run));
    }
    report.training.push_back(loss);
  }
  for (int fold = 0; fold < 12; ++fold) {
    DelayCurve delay{"run-" + std::to_string(fold + 1), fold % 5 == 0 ? 4.5 : 4.0, fold != 7, {}, {}};
    for (double shift = 0; shift <= 8; shift += 1.25 / 2) {
      delay.shifts_s.push_back(shift);
      delay.mean_abs_correlation.push_back(0.32 * std::exp(-(shift - 4.2) * (shift - 4.2) / 9) +
                                           0.01 * std::sin(shift + fold));
    }
    report.delays.push_back(delay);
  }
  for (const std::string method :
       {"gradient", "input-x-gradient", "integrated-gradients", "smooth-gradient", "occlusion"}) {
    FaithfulnessCurve curve{"long-conv", method, {}, {}, {}};
    const double speed = 2.0 + 0.6 * static_cast<double>(method.size() % 5);
    for (int p = 0; p <= 10; ++p) {
      curve.fraction.push_back(p / 10.0);
      curve.margin.push_back(1.25 * std::exp(-speed * p / 5) - 0.25 + 0.025 * p);
      curve.random.push_back(1 - p / 10.0);
      curve.margin_error.push_back(0.05);
      curve.random_error.push_back(0.03);
    }
    curve.area = 0.31;
    curve.area_error = 0.02;
    curve.samples = 96;
    curve.completeness_residual = method == "integrated-gradients" ? 0.0021 : kMissing;
    report.faithfulness.push_back(curve);
  }
}

inline void add_maps(DecodeReport& report, std::array<std::int64_t, 3> shape, double size_mm) {
  report.mean_image = made_up_image(shape, size_mm);
  const std::array<std::array<std::string, 3>, 5> kinds{{{"GLM z", "GLM", "z"},
                                                         {"ridge weights", "linear weights, back-projected", "weight"},
                                                         {"long-conv gradient", "attribution", "gradient"},
                                                         {"long-conv integrated-gradients", "attribution", "relevance"},
                                                         {"truth", "simulated truth", "signal"}}};
  for (std::size_t l = 0; l < report.labels.size(); ++l) {
    for (std::size_t m = 0; m < kinds.size(); ++m) {
      auto image = made_up_image(shape, size_mm, static_cast<int>(l + 7 * m));
      if (m >= 3)
        for (float& value : image->values) value = std::max(0.0f, value);
      report.maps.push_back({kinds[m][0], kinds[m][1], report.labels[l], kinds[m][2], image});
    }
    for (std::size_t m = 1; m < 4; ++m)
      for (const std::string part : {"signed", "absolute"})
        report.agreement.push_back({"GLM z", kinds[m][0], report.labels[l], part, 0.5 + 0.08 * std::sin(3.0 * l + m),
                                    0.45, 0.2, 0.3, m == 2 ? kMissing : 0.4});
  }
}

inline void add_design(DecodeReport& report) {
  DesignFigure design{"sub-01_task-objectviewing_run-01", report.labels, {}};
  for (int d = 1; d <= 5; ++d) design.names.push_back("cosine " + std::to_string(d));
  for (const std::string name : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "constant"})
    design.names.push_back(name);
  design.values.resize(121, static_cast<Eigen::Index>(design.names.size()));
  for (Eigen::Index scan = 0; scan < design.values.rows(); ++scan)
    for (Eigen::Index c = 0; c < design.values.cols(); ++c) {
      const bool condition = c < static_cast<Eigen::Index>(report.labels.size());
      const bool constant = c + 1 == design.values.cols();
      const double center = 12.0 * static_cast<double>(c) + 10;
      design.values(scan, c) = condition  ? std::exp(-std::pow((static_cast<double>(scan) - center) / 5, 2))
                               : constant ? 1
                                          : std::cos(0.026 * static_cast<double>((c % 6 + 1) * scan));
    }
  report.designs.push_back(design);
}

inline DecodeReport made_up_report(std::array<std::int64_t, 3> shape, double size_mm, std::vector<std::string> labels) {
  DecodeReport report;
  report.dataset = "Visual object recognition";
  report.task = "objectviewing";
  report.space = "MNI152NLin2009cAsym";
  report.labels = std::move(labels);
  report.samples_by_label.assign(report.labels.size(), 12);
  for (int s = 1; s <= 8; ++s) report.subjects.push_back({"sub-0" + std::to_string(s), 12, 1452, 96, 96});
  const int classes = static_cast<int>(report.labels.size());
  report.chance = 1.0 / classes;
  report.models = {made_up_model("ridge", true, 0.865, 12, classes),
                   made_up_model("logistic", true, 0.792, 12, classes),
                   made_up_model("majority", true, 1.0 / classes, 12, classes),
                   made_up_model("nuisance", true, 1.2 / classes, 12, classes),
                   made_up_model("long-conv", false, 0.84, 12, classes),
                   made_up_model("cnn3d", false, 0.71, 12, classes)};
  report.differences = {{"long-conv", "ridge", -0.025, -0.061, 0.014, 0.25}};
  report.leaks = {{"ridge", 0.812, 0.675, "volumes shuffled into 12 folds"}};
  report.split.description = "One run is left out at a time: 12 folds.";
  report.split.hash = "5f2a9c0d7be14f3386c1aa0e9d2b7c44";
  for (int f = 1; f <= 12; ++f) report.split.fold_names.push_back("run-" + std::to_string(f));
  report.split.checks = {"No run is on both sides of a fold.", "No two runs with equal values are on both sides."};
  report.split.notes = {"Detrending and z-scoring use whole runs and no labels."};
  report.delay_warning = "A delay of 0 s was declared, but the data respond 4.0 s after the events.";
  report.warnings = {{"sub-03_task-objectviewing_run-02: 14 of 121 volumes are censored", 1},
                     {"the image has one slice: smoothing skips that axis", 12}};
  add_curves(report);
  add_maps(report, shape, size_mm);
  add_design(report);
  report.method.preprocessing = {"Each run was masked with the mean image's threshold mask (473 voxels).",
                                 "Series were detrended linearly and z-scored."};
  report.method.high_pass_choice =
      "No high-pass filter beyond detrending: the longest interval between onsets of one "
      "condition is 290 s, and a cut-off below twice that would remove signal.";
  report.method.sample_unit = "block";
  report.method.delay_rule = "estimated";
  report.method.features = {"All 473 voxels are features; scaling and whitening are fitted in the training fold."};
  report.method.glm = {
      "Each run was modelled with the SPM response function, cosine drifts with a period above 128 s and "
      "AR(1) noise; runs were joined as fixed effects."};
  report.method.attributions = {"gradient", "integrated-gradients"};
  report.method.bootstrap_draws = 1000;
  report.method.bootstrap_groups = "runs";
  report.method.permutations = 200;
  report.provenance.command_line = "noema decode data/objects derivatives/noema --task objectviewing --seed 7";
  report.provenance.version = "0.1.0";
  report.provenance.git_revision = "f6ed672";
  report.provenance.seed = 7;
  report.provenance.threads = 2;
  report.provenance.created = "2026-03-04T05:06:07Z";
  report.provenance.configuration =
      "[decode]\ntask = \"objectviewing\"\nseed = 7\nmodel = [\"ridge\", \"long-conv\"]\n";
  report.provenance.inputs = {
      {"sub-01/func/sub-01_task-objectviewing_run-01_bold.nii.gz", 1523311, 0, "0123456789abcdef0123456789abcdef"}};
  report.files = {{"results.json", "all numbers, machine-readable"},
                  {"model.safetensors", "the trained model with its input contract"}};
  report.seconds_by_stage = {{"read and preprocess", 3.2}, {"cross-validation", 141}, {"maps", 12.5}};
  report.peak_memory_bytes = 1800ull << 20;
  return report;
}

}  // namespace noema
