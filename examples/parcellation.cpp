// Parcels that are learned from random weights: of a planted atlas whose parcels interlock where they meet, beside
// k-means of series, of smoothed series, of places and of both together; and of a measured run, trained on its first
// half and judged on its second, beside geometric parcels and k-means.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "comparison.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/k_means.h"
#include "noema/connectomics/learned_blocks.h"
#include "noema/connectomics/losses.h"
#include "noema/connectomics/parcel_quality.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/spatial.h"
#include "noema/connectomics/unit_series.h"
#include "noema/io/atlas.h"
#include "noema/io/dataset.h"
#include "noema/io/grid.h"
#include "noema/learn/adamw.h"
#include "noema/learn/torch_settings.h"
#include "noema/preprocess/mask.h"
#include "noema/preprocess/mean_image.h"
#include "noema/preprocess/run.h"
#include "noema/report/plots.h"

namespace {

struct Training {
  std::int64_t parcels = 0;
  int steps = 0;
  double learning_rate = 0.1;
  /// Weights of the losses; distances are relative to the extent of the coordinates.
  double compactness = 0;
  double balance = 0;
  /// Of the entropy of the voxels' weights; negative ones blur: parcels harden as they near 0.
  double first_entropy = 0, last_entropy = 0;
  std::uint64_t seed = 0;
};

struct Learned {
  at::Tensor labels;  // (V)
  double loss = 0;
};

/// Parcels learned from series (V, T) at coordinates (V, D), from random weights.
Learned learned_parcels(const at::Tensor& series, const at::Tensor& coordinates, const Training& training) {
  noema::Parcellation parcels(
      {.compartments = {{training.parcels, series.size(0)}}, .seed = training.seed, .type = series.scalar_type()});
  noema::AdamW optimiser({{.name = "logits", .tensor = parcels.parameters()[0]}}, 0);
  const at::Tensor z = noema::unit_series(series) * std::sqrt(static_cast<double>(series.size(1)));
  const double extent = coordinates.std(0).norm().item<double>();
  const auto voxels = static_cast<double>(series.size(0));
  const noema::Schedule entropy_weight =
      noema::ramp_schedule(training.first_entropy, training.last_entropy, 0, training.steps * 3 / 4);
  Learned result;
  for (int step = 0; step < training.steps; ++step) {
    const at::Tensor weights = parcels.weights()[0];
    const at::Tensor share = weights.sum(1) / voxels;  // (P)
    const noema::LossSum loss = noema::evaluate_losses(
        {{"unexplained", [&] { return (share * noema::second_moment(weights, z).mean(1)).sum(); },
          noema::constant_schedule(1)},
         {"compactness", [&] { return (share * noema::compactness(weights, coordinates)).sum() / extent; },
          noema::constant_schedule(training.compactness)},
         {"balance", [&] { return -noema::entropy(share); }, noema::constant_schedule(training.balance)},
         {"entropy", [&] { return noema::entropy(weights.t()).mean(); }, entropy_weight}},
        step);
    optimiser.clear_gradients();
    loss.total.backward();
    optimiser.step(training.learning_rate);
    result.loss = loss.total.item<double>();
  }
  result.labels = parcels.labels();
  return result;
}

at::Tensor clusters_of(const at::Tensor& points, std::int64_t clusters, int starts, std::uint64_t seed) {
  return noema::k_means(points, {.clusters = clusters, .starts = starts, .seed = seed}).labels;
}

/// Points (V, T + D) whose squared distances are those of series of norm 1 plus weight² times those of places, the
/// latter relative to the extent of the coordinates.
at::Tensor series_and_places(const at::Tensor& series, const at::Tensor& coordinates, double weight) {
  const double extent = coordinates.std(0).norm().item<double>();
  return at::cat({noema::unit_series(series), weight / extent * (coordinates - coordinates.mean(0))}, 1);
}

// The planted atlas.

constexpr std::int64_t kSide = 36, kPlanted = 16, kFrames = 180;
constexpr double kNoise = 3.75;  // standard deviation of a voxel's own noise; its parcel's series has 1
/// Standard deviation, in voxels, of what is added to a voxel's distance from each seed before the nearest one is
/// taken: parcels interlock over so many voxels, and smoothing mixes their series there.
constexpr double kInterlock = 2.5;
constexpr int kStarts = 10;  // of every method

struct Planted {
  at::Tensor coordinates;  // (V, 2)
  at::Tensor labels;       // (V)
  at::Tensor series;       // (V, T)
};

Planted planted_atlas(std::uint64_t seed) {
  const at::Tensor axis = at::arange(kSide, at::kFloat);
  const std::vector<at::Tensor> grid = at::meshgrid({axis, axis}, "ij");
  Planted result;
  result.coordinates = at::stack({grid[0].flatten(), grid[1].flatten()}, 1);
  // Seeds spread by k-means of random points, so that parcels are irregular and of unequal size.
  const at::Tensor seeds = noema::k_means(noema::uniform_numbers({6 * kPlanted, 2}, seed, "seeds"),
                                          {.clusters = kPlanted, .starts = 1, .seed = seed})
                               .centres.to(at::kFloat) *
                           static_cast<double>(kSide);
  const at::Tensor shift = kInterlock * noema::normal_numbers({kSide * kSide, kPlanted}, seed, "interlock");
  result.labels = (noema::distance_matrix(result.coordinates, seeds) + shift).argmin(1);
  const at::Tensor own = noema::normal_numbers({kPlanted, kFrames}, seed, "parcels");
  const at::Tensor noise = noema::normal_numbers({kSide * kSide, kFrames}, seed, "noise");
  result.series = (own.index_select(0, result.labels) + kNoise * noise).to(at::kFloat);
  return result;
}

/// Series (V, T) of the planted grid smoothed over it.
at::Tensor smoothed(const at::Tensor& series, double sigma) {
  const at::Tensor volume = series.t().reshape({kFrames, kSide, kSide, 1});
  const at::Tensor widths = at::tensor({sigma, sigma, 0.0}).to(series.scalar_type());
  return noema::smooth_volume(volume, widths).reshape({kFrames, -1}).t();
}

/// Of as many random starts as k-means has, the one of least loss.
at::Tensor recovered(const Planted& atlas, std::uint64_t seed) {
  Learned best{.labels = {}, .loss = std::numeric_limits<double>::infinity()};
  for (std::uint64_t start = 0; start < kStarts; ++start) {
    const Learned found = learned_parcels(atlas.series, atlas.coordinates,
                                          {.parcels = kPlanted,
                                           .steps = 300,
                                           .compactness = 0.12,
                                           .balance = 0.02,
                                           .first_entropy = -0.06,
                                           .last_entropy = -0.004,
                                           .seed = 100 * seed + start});
    if (found.loss < best.loss) best = found;
  }
  return best.labels;
}

std::vector<noema::ComparisonRow> recover_planted() {
  const std::vector<double> sigmas{0.4, 0.5, 0.75}, weights{0.2, 0.3, 0.4};
  std::vector<noema::ComparisonRow> rows{{"k-means of series", {}}, {"k-means of places", {}}};
  for (const double sigma : sigmas) rows.push_back({fmt::format("k-means of series smoothed by {} voxels", sigma), {}});
  for (const double weight : weights) {
    rows.push_back({fmt::format("k-means of series and places ({})", weight), {}});
  }
  for (const double weight : weights) {
    rows.push_back({fmt::format("k-means of series smoothed by 0.5, and places ({})", weight), {}});
  }
  rows.push_back({"learned parcels", {}});
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Planted atlas = planted_atlas(seed);
    std::vector<at::Tensor> points{noema::unit_series(atlas.series), atlas.coordinates};
    for (const double sigma : sigmas) points.push_back(noema::unit_series(smoothed(atlas.series, sigma)));
    for (const double weight : weights) {
      points.push_back(series_and_places(atlas.series, atlas.coordinates, weight));
    }
    for (const double weight : weights) {
      points.push_back(series_and_places(smoothed(atlas.series, 0.5), atlas.coordinates, weight));
    }
    std::vector<at::Tensor> found;
    for (const at::Tensor& each : points) found.push_back(clusters_of(each, kPlanted, kStarts, seed));
    found.push_back(recovered(atlas, seed));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].values.push_back(noema::adjusted_rand_index(found[i], atlas.labels));
    }
  }
  return rows;
}

// The measured run.

constexpr std::int64_t kParcels = 60;
constexpr double kPlaceWeight = 0.2;  // k-means of series and places: more homogeneous than with 0, 0.4 or 0.8

struct Measured {
  std::shared_ptr<const noema::FeatureSpace> voxels;
  at::Tensor coordinates;    // (V, 3) mm
  at::Tensor first, second;  // (V, T/2): halves of the run, each without its mean and trend
};

/// Frames [begin, end) as (V, T).
at::Tensor cleaned(const noema::MatrixF& series, std::int64_t begin, std::int64_t end) {
  const noema::MatrixF half = noema::clean(noema::MatrixF(series.middleRows(begin, end - begin)),
                                           noema::MatrixD(end - begin, 0), {}, noema::CleanOptions{});
  return at::from_blob(const_cast<float*>(half.data()), {half.rows(), half.cols()}, at::kFloat).t().contiguous();
}

/// The localizer run of the test data, where it is there.
std::optional<Measured> measured_run() {
  const char* folder = std::getenv("NOEMA_TEST_DATA");
  const std::filesystem::path root = std::filesystem::path(folder != nullptr ? folder : "../shared/data") / "localizer";
  if (!std::filesystem::exists(root)) {
    fmt::print("no measured run in {}\n", root.string());
    return std::nullopt;
  }
  const noema::Run run = noema::index_dataset(root, {.space = "raw", .needs_events = false}).runs.at(0);
  auto voxels = std::make_shared<noema::FeatureSpace>();
  voxels->mask = noema::compute_epi_mask(noema::mean_image(run.bold));
  noema::PreprocessOptions as_they_are;
  as_they_are.clean.detrend = false;
  as_they_are.clean.standardize = noema::Standardize::none;
  const noema::MatrixF series = noema::preprocess_run(run, voxels, as_they_are).series.values;
  Measured result{.voxels = voxels, .coordinates = {}, .first = {}, .second = {}};
  const std::int64_t middle = series.rows() / 2;
  result.first = cleaned(series, 0, middle);
  result.second = cleaned(series, middle, 2 * middle);
  std::vector<float> places;
  for (const std::int64_t voxel : voxels->mask.voxels) {
    const auto [i, j, k] = voxels->mask.grid.voxel_at(voxel);
    const Eigen::Vector4d place = voxels->mask.grid.ras_from_voxel * Eigen::Vector4d(i, j, k, 1);
    for (int axis = 0; axis < 3; ++axis) places.push_back(static_cast<float>(place[axis]));
  }
  result.coordinates = at::tensor(places).reshape({-1, 3});
  return result;
}

at::Tensor geometric_labels(const noema::Mask& mask, int count, std::uint64_t seed) {
  const noema::Atlas atlas = noema::geometric_parcels(mask, count, seed);
  std::vector<std::int64_t> labels;
  for (const std::int64_t voxel : mask.voxels)
    labels.push_back(static_cast<std::int64_t>(atlas.image.values[static_cast<std::size_t>(voxel)]));
  return at::tensor(labels);
}

/// Mean correlation inside of parcels, weighted by their voxels.
double homogeneity_of(const at::Tensor& series, const at::Tensor& labels) {
  const noema::SparseWeights parcels = noema::parcels_of_labels(labels, -1, at::ones({labels.size(0)})).weights;
  return noema::mean_over_series(noema::parcel_homogeneity(series, parcels), parcels).item<double>();
}

/// Mean distance of voxels from the centre of their parcel.
double spread_mm(const at::Tensor& coordinates, const at::Tensor& labels) {
  const at::Tensor members = at::one_hot(labels).t().to(at::kFloat);
  return ((noema::compactness(members, coordinates) * members.sum(1)).sum() / members.sum()).item<double>();
}

struct MeasuredRows {
  std::vector<noema::ComparisonRow> homogeneity, spread;
};

/// Five seeds of each method, all with as many parcels as that seed's learned ones have that are not empty.
MeasuredRows divide_measured(const Measured& run) {
  const std::vector<std::string> methods{"geometric parcels", "k-means of series", "k-means of series and places",
                                         "learned parcels"};
  MeasuredRows rows;
  for (const std::string& method : methods) {
    rows.homogeneity.push_back({method, {}});
    rows.spread.push_back({method, {}});
  }
  std::string counts;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const at::Tensor learned = learned_parcels(run.first, run.coordinates,
                                               {.parcels = kParcels,
                                                .steps = 60,
                                                .learning_rate = 0.2,
                                                .balance = 0.02,
                                                .first_entropy = -0.01,
                                                .last_entropy = -0.001,
                                                .seed = seed})
                                   .labels;
    const auto parcels = static_cast<int>(noema::parcels_of_labels(learned, -1).ids.size());
    const std::vector<at::Tensor> found{
        geometric_labels(run.voxels->mask, parcels, seed), clusters_of(noema::unit_series(run.first), parcels, 1, seed),
        clusters_of(series_and_places(run.first, run.coordinates, kPlaceWeight), parcels, 1, seed), learned};
    for (std::size_t i = 0; i < methods.size(); ++i) {
      rows.homogeneity[i].values.push_back(homogeneity_of(run.second, found[i]));
      rows.spread[i].values.push_back(spread_mm(run.coordinates, found[i]));
    }
    counts += fmt::format(" {}", parcels);
  }
  fmt::print("{} voxels, parcels that are not empty:{}\n", run.voxels->mask.size(), counts);
  return rows;
}

void compare(const std::filesystem::path& folder) {
  const noema::OneTorchThread one;  // the arrays are small
  const std::vector<noema::ComparisonRow> planted = recover_planted();
  noema::print_comparison("adjusted Rand index with the planted atlas", planted);
  std::vector<std::string> pictures{noema::comparison_plot("A planted atlas", "adjusted Rand index", planted)};
  if (const std::optional<Measured> run = measured_run()) {
    const MeasuredRows rows = divide_measured(*run);
    noema::print_comparison("homogeneity of the half of the run that was not trained on", rows.homogeneity);
    noema::print_comparison("mean distance of voxels from the centre of their parcel, mm", rows.spread);
    fmt::print(
        "k-means of the series, which minimises the unexplained variance alone, is the more homogeneous on this run; "
        "learning beats it where the planted atlas needs both series and places.\n");
    pictures.push_back(
        noema::comparison_plot("A measured run", "mean correlation inside of parcels", rows.homogeneity));
  }
  noema::write_figure(folder / "parcellation.svg", pictures);
}

}  // namespace

int main(int argc, char** argv) { return noema::run_example(argc, argv, compare); }
