// Parity with nilearn. The golden file's entry `inputs` has the formulas of its inputs; time filters there have TR 2 s,
// high-pass 0.01 Hz and low-pass 0.1 Hz.
#include "noema/tests/glm/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

#include "noema/preprocess/clean.h"
#include "noema/preprocess/cosine_drift.h"
#include "noema/preprocess/extract.h"
#include "noema/preprocess/high_variance.h"
#include "noema/preprocess/mask.h"
#include "noema/preprocess/regions.h"
#include "noema/preprocess/resample.h"
#include "noema/preprocess/smooth.h"

namespace noema {
namespace {

class NilearnGolden : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_golden_file()) GTEST_SKIP() << "no golden numbers at " << golden_file();
  }
};

CleanOptions options(TemporalFilter filter, std::optional<double> high_pass_hz, std::optional<double> low_pass_hz) {
  CleanOptions result;
  result.filter = filter;
  result.high_pass_hz = high_pass_hz;
  result.low_pass_hz = low_pass_hz;
  result.tr_s = 2;
  return result;
}

const auto kNone = TemporalFilter::none;
const auto kCosine = TemporalFilter::cosine;
const auto kButterworth = TemporalFilter::butterworth;

void expect_clean(const std::string& key, const CleanOptions& with, bool confounds, double tolerance) {
  const MatrixD found = clean(golden_matrix("X"), confounds ? golden_matrix("C") : MatrixD(), {}, with);
  EXPECT_LT(relative_difference(found, golden_matrix("clean/" + key)), tolerance) << key;
}

TEST_F(NilearnGolden, CleanWithoutFilter) {
  CleanOptions plain = options(kNone, {}, {});
  expect_clean("default", plain, false, 1e-13);
  expect_clean("conf", plain, true, 1e-12);
  plain.standardize = Standardize::none;
  expect_clean("nostd", plain, true, 1e-12);
  plain.standardize = Standardize::percent;
  expect_clean("psc", plain, false, 1e-13);
}

TEST_F(NilearnGolden, CleanButterworth) {
  expect_clean("butter_low", options(kButterworth, {}, 0.1), false, 1e-11);
  expect_clean("butter_high", options(kButterworth, 0.01, {}), false, 1e-11);
  expect_clean("butter_conf", options(kButterworth, 0.01, 0.1), true, 1e-11);
  CleanOptions percent = options(kButterworth, 0.01, {});
  percent.standardize = Standardize::percent;
  expect_clean("psc_butter", percent, false, 1e-11);
}

TEST_F(NilearnGolden, CosineDriftAndFilter) {
  EXPECT_LT(relative_difference(cosine_drift(60, 2, 0.01), golden_matrix("cosine_drift")), 1e-13);
  expect_clean("cosine_conf", options(kCosine, 0.01, {}), true, 1e-13);
}

TEST_F(NilearnGolden, Scrubbing) {
  const Eigen::VectorXd kept = golden_vector("clean/scrub_sample_mask");
  std::vector<std::uint8_t> keep(60, 0);
  for (const double t : kept) keep[static_cast<std::size_t>(t)] = 1;
  for (const auto& [key, with] : {std::pair{"clean/scrub_butter_conf", options(kButterworth, 0.01, 0.1)},
                                  std::pair{"clean/scrub_cosine_conf", options(kCosine, 0.01, {})}}) {
    const MatrixD found = clean(golden_matrix("X"), golden_matrix("C"), keep, with);
    MatrixD rows(kept.size(), found.cols());
    for (Eigen::Index i = 0; i < kept.size(); ++i) rows.row(i) = found.row(static_cast<Eigen::Index>(kept[i]));
    EXPECT_LT(relative_difference(rows, golden_matrix(key)), 1e-11) << key;
  }
}

TEST_F(NilearnGolden, HighVarianceConfounds) {
  MatrixD series(30, 50);
  for (Eigen::Index t = 0; t < 30; ++t) {
    for (Eigen::Index q = 0; q < 50; ++q) {
      const double time = static_cast<double>(t), at = static_cast<double>(q);
      series(t, q) = std::sin(time * (0.1 + 2.8 * at / 49)) * (0.5 + 2.5 * at / 49) + std::cos(0.05 * time * at);
    }
  }
  const MatrixD found = high_variance_confounds(series, {.confounds = 3, .percentile = 20});
  ASSERT_EQ(found.cols(), 3);
  EXPECT_LT(relative_difference(found * found.transpose(), golden_matrix("hvc/projector")), 1e-10);
}

TEST_F(NilearnGolden, Float32PathIsWithinItsPrecision) {
  const MatrixF found =
      clean(MatrixF(golden_matrix("X").cast<float>()), golden_matrix("C"), {}, options(kButterworth, 0.01, 0.1));
  EXPECT_LT(relative_difference(found.cast<double>(), golden_matrix("clean/butter_conf")), 1e-6);
}

/// Values of f(i, j, k) on a grid of 9 × 10 × 11 voxels of the golden inputs.
std::vector<double> volume_of(const std::function<double(double, double, double)>& f) {
  std::vector<double> values;
  for (int k = 0; k < 11; ++k) {
    for (int j = 0; j < 10; ++j) {
      for (int i = 0; i < 9; ++i) values.push_back(f(i, j, k));
    }
  }
  return values;
}

Grid golden_grid() {
  Grid grid{{9, 10, 11}, Eigen::Matrix4d::Identity()};
  grid.ras_from_voxel.diagonal() << 2, 2, 3, 1;
  return grid;
}

double vol(double i, double j, double k) { return std::sin(0.5 * i) + std::cos(0.3 * j * k) + 0.1 * i * k; }

std::vector<double> volume_at(int t) {
  return volume_of([t](double i, double j, double k) {
    return vol(i, j, k) * std::cos(0.4 * t) + std::sin(0.7 * t + 0.21 * (i + 2 * j + 3 * k));
  });
}

TEST_F(NilearnGolden, Smoothing) {
  const auto expected = golden().at("smooth_fwhm4").get<std::vector<std::vector<std::vector<double>>>>();
  std::vector<double> found = volume_of(vol);
  std::vector<float> found_f(found.begin(), found.end());
  Smoother smoother(golden_grid(), 4);
  smoother.apply(found);
  smoother.apply(found_f);
  double largest = 0, difference = 0, difference_f = 0;
  for (std::int64_t v = 0; v < golden_grid().voxel_count(); ++v) {
    const auto [i, j, k] = golden_grid().voxel_at(v);
    const double value =
        expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)][static_cast<std::size_t>(k)];
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, std::abs(found[static_cast<std::size_t>(v)] - value));
    difference_f = std::max(difference_f, std::abs(static_cast<double>(found_f[static_cast<std::size_t>(v)]) - value));
  }
  EXPECT_LT(difference, 1e-13 * largest);
  EXPECT_LT(difference_f, 2e-6 * largest);
}

TEST_F(NilearnGolden, Resampling) {
  Grid source = golden_grid();
  source.ras_from_voxel.col(3) << -8, -9, -15, 1;
  const Grid target{{8, 8, 8}, golden_matrix("resample_affine")};
  const std::vector<double> volume = volume_of(vol);
  const std::pair<Interpolation, double> cases[] = {
      {Interpolation::cubic, 1e-12}, {Interpolation::linear, 1e-13}, {Interpolation::nearest, 1e-15}};
  for (const auto& [interpolation, tolerance] : cases) {
    const std::string key(interpolation == Interpolation::cubic ? "continuous" : interpolation_name(interpolation));
    const auto expected = golden().at("resample/" + key).get<std::vector<std::vector<std::vector<double>>>>();
    ResampleOptions options;
    options.interpolation = interpolation;
    std::vector<double> found(512);
    Resampler(source, target, options).apply(volume, std::span(found));
    // nilearn clips to the range of the source and 0.
    const auto [least, most] = std::minmax_element(volume.begin(), volume.end());
    double largest = 0, difference = 0;
    for (std::size_t v = 0; v < 512; ++v) {
      // On the first plane but for rounding (−1.1e-16 voxels): outside for nilearn.
      if (v == 6 + 64 * 2) continue;
      const double value = expected[v % 8][v / 8 % 8][v / 64];
      largest = std::max(largest, std::abs(value));
      difference = std::max(difference, std::abs(std::clamp(found[v], std::min(0.0, *least), *most) - value));
    }
    EXPECT_LT(difference, tolerance * largest) << key;
    EXPECT_GT(largest, 1) << key;
  }
  const Grid covering = covering_grid(source, Eigen::Matrix3d(2.5 * Eigen::Matrix3d::Identity()));
  EXPECT_LT(relative_difference(covering.ras_from_voxel, golden_matrix("resample3x3/affine")), 1e-13);
}

TEST_F(NilearnGolden, EpiMask) {
  const std::vector<double> values = volume_of([](double i, double j, double k) {
    const auto square = [](double x) { return x * x; };
    return 100 * std::exp(-(square(i - 4) / 8 + square(j - 4.5) / 9 + square(k - 5) / 10)) + 0.01 * (i + j + k) +
           3 * std::sin(1.3 * i + 0.7 * j * k);
  });
  Image image;
  image.header.grid = Grid{{9, 10, 11}, Eigen::Matrix4d::Identity()};
  image.values.assign(values.begin(), values.end());
  std::vector<std::int64_t> expected;
  for (const double index : golden_vector("epi_mask/flat_indices_C")) {  // z fastest
    const auto flat = static_cast<std::int64_t>(index);
    expected.push_back(image.header.grid.linear_index(flat / 110, flat / 11 % 10, flat % 11));
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(compute_epi_mask(image).voxels, expected);
}

TEST_F(NilearnGolden, LabelsAndMaps) {
  std::vector<std::int32_t> parcel;
  for (const double label : volume_of(
           [](double i, double j, double k) { return k == 5 ? 0 : std::floor(i / 3) + 3 * std::floor(j / 4) + 1; })) {
    parcel.push_back(static_cast<std::int32_t>(label) - 1);
  }
  MatrixD maps(990, 3);
  const double centres[3][3] = {{2, 3, 4}, {6, 3, 7}, {4, 7, 5}};
  for (int m = 0; m < 3; ++m) {
    const std::vector<double> weights = volume_of([&](double i, double j, double k) {
      const double dx = i - centres[m][0], dy = j - centres[m][1], dz = k - centres[m][2];
      return std::exp(-(dx * dx + dy * dy + dz * dz) / 6);
    });
    maps.col(m) = Eigen::Map<const Eigen::VectorXd>(weights.data(), 990);
  }
  const MapProjection projection(maps);
  EXPECT_TRUE(projection.full_rank());
  const Regions regions(parcel, 9);
  std::pair<RegionStatistic, MatrixD> labels[] = {{RegionStatistic::mean, MatrixD(12, 9)},
                                                  {RegionStatistic::median, MatrixD(12, 9)},
                                                  {RegionStatistic::standard_deviation, MatrixD(12, 9)}};
  MatrixD weights(12, 3);
  for (int t = 0; t < 12; ++t) {
    const std::vector<double> volume = volume_at(t);
    for (auto& [statistic, found] : labels) regions.apply(volume, statistic, {found.row(t).data(), 9});
    weights.row(t) = projection.apply(volume).transpose();
  }
  for (const auto& [statistic, found] : labels) {
    const std::string key = fmt::format("labels/{}", region_statistic_name(statistic));
    EXPECT_LT(relative_difference(found, golden_matrix(key)), 1e-13) << key;
  }
  EXPECT_LT(relative_difference(weights, golden_matrix("maps/all")), 1e-9);
}

}  // namespace
}  // namespace noema
