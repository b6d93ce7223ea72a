#include "noema/simulate/run.h"

#include <gtest/gtest.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/io/confounds.h"
#include "noema/simulate/confounds.h"

namespace noema {
namespace {

/// Noise alone.
SimulationOptions plain() {
  SimulationOptions options;
  options.level = 0;
  options.drift = 0;
  options.spikes = 0;
  options.hrf_delay_sd_s = 0;
  options.hrf_width_sd = 0;
  options.seed = 11;
  return options;
}

struct Made {
  Phantom phantom;
  MatrixF maps;
  SimulatedRun run;
  MatrixD all;    // (T, X·Y·Z), intensities
  MatrixD brain;  // (T, V), in units of the noise, without baseline
};

Made make(const SimulationOptions& options, int subject = 0) {
  Made made{make_phantom(options), {}, {}, {}, {}};
  made.maps = subject_maps(made.phantom, options, state_maps(made.phantom, options), subject);
  std::vector<std::vector<float>> volumes;
  made.run = simulate_run(made.phantom, options, made.maps, subject, 0,
                          [&](std::span<const float> volume) { volumes.emplace_back(volume.begin(), volume.end()); });
  made.all.resize(static_cast<Eigen::Index>(volumes.size()), static_cast<Eigen::Index>(volumes[0].size()));
  made.brain.resize(made.all.rows(), made.phantom.brain.size());
  for (Eigen::Index t = 0; t < made.all.rows(); ++t) {
    for (Eigen::Index v = 0; v < made.all.cols(); ++v) made.all(t, v) = volumes[std::size_t(t)][std::size_t(v)];
    for (Eigen::Index v = 0; v < made.brain.cols(); ++v) {
      const auto voxel = made.phantom.brain.voxels[std::size_t(v)];
      made.brain(t, v) = (made.all(t, voxel) - made.phantom.baseline[std::size_t(voxel)]) / options.noise_intensity;
    }
  }
  return made;
}

double mean_square(const MatrixD& values) { return values.array().square().mean(); }

/// What is left of the series after least squares on the columns and a constant.
MatrixD residuals(const MatrixD& columns, const MatrixD& series) {
  MatrixD design(series.rows(), columns.cols() + 1);
  design << columns, Eigen::VectorXd::Ones(series.rows());
  return series - design * Eigen::HouseholderQR<Eigen::MatrixXd>(design).solve(series);
}

MatrixD columns_of(const Table& table, const std::vector<std::string>& names) {
  MatrixD columns(static_cast<Eigen::Index>(table.rows()), static_cast<Eigen::Index>(names.size()));
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto values = table.numbers(names[c]);
    columns.col(static_cast<Eigen::Index>(c)) =
        Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
  }
  return columns;
}

const std::vector<std::string> kMotion{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};

// Temporal variance 1, correlation 0.3 from volume to volume and 0.3² over two, 0.78 between neighbours; outside a
// fifth.
TEST(SimulatedRunTest, Noise) {
  const SimulationOptions options = plain();
  const Made made = make(options);
  const Eigen::Index volumes = made.brain.rows();
  EXPECT_NEAR(mean_square(made.brain), 1, 0.02);
  EXPECT_NEAR(made.brain.mean(), 0, 0.02);
  const auto lagged = [&](Eigen::Index lag) {
    return made.brain.topRows(volumes - lag).cwiseProduct(made.brain.bottomRows(volumes - lag)).mean();
  };
  EXPECT_NEAR(lagged(1), 0.3, 0.02);
  EXPECT_NEAR(lagged(2), 0.09, 0.02);
  double neighbours = 0;
  int count = 0;
  for (Eigen::Index v = 1; v < made.brain.cols(); ++v) {
    if (made.phantom.brain.voxels[std::size_t(v)] != made.phantom.brain.voxels[std::size_t(v - 1)] + 1) continue;
    neighbours += made.brain.col(v).dot(made.brain.col(v - 1)) / static_cast<double>(volumes);
    ++count;
  }
  EXPECT_NEAR(neighbours / count, std::exp(-0.25), 0.02);
  const Eigen::VectorXd corner = made.all.col(0).array() - 50;
  EXPECT_NEAR(std::sqrt(corner.array().square().mean()), 0.2 * options.noise_intensity, 0.4);
  EXPECT_EQ(mean_square(make(options).brain), mean_square(made.brain));
  EXPECT_NE(make(options, 1).brain(0, 0), made.brain(0, 0));
}

// Regression on the responses gives level · map.
TEST(SimulatedRunTest, Level) {
  SimulationOptions options = plain();
  options.level = 2;
  const Made made = make(options);
  const MatrixD responses = state_responses(made.run.design, options, spm_shape());
  const MatrixD effects = Eigen::HouseholderQR<Eigen::MatrixXd>(responses).solve(made.brain);
  for (Eigen::Index k = 0; k < 4; ++k) {
    const Eigen::VectorXd map = made.maps.row(k).cast<double>();
    EXPECT_NEAR(effects.row(k).dot(map) / map.squaredNorm(), 2, 0.04) << k;
  }
  EXPECT_NEAR(mean_square(made.brain - 2 * responses * made.maps.cast<double>()), 1, 0.02);
}

// The drift's variance is what was asked for, and the cosines of the confounds take it away.
TEST(SimulatedRunTest, Drift) {
  SimulationOptions options = plain();
  options.drift = 5;
  const Made made = make(options);
  EXPECT_NEAR(mean_square(made.brain), 26, 5);
  std::vector<std::string> cosines;
  for (const std::string& name : made.run.confounds.names) {
    if (name.starts_with("cosine")) cosines.push_back(name);
  }
  ASSERT_EQ(cosines.size(), 6U);  // floor(2 · 392 s / 128 s)
  EXPECT_NEAR(mean_square(residuals(columns_of(made.run.confounds, cosines), made.brain)), 1, 0.08);
}

// Sudden movements show in the images where the displacement says so, and the six parameters explain them.
TEST(SimulatedRunTest, SpikesAreDescribedByConfounds) {
  SimulationOptions options = plain();
  options.spikes = 4;
  options.spike_amplitude = 20;
  const Made made = make(options);
  const auto displacement = made.run.confounds.numbers("framewise_displacement");
  const auto dvars = made.run.confounds.numbers("std_dvars");
  const auto global = made.run.confounds.numbers("global_signal");
  EXPECT_TRUE(std::isnan(displacement[0]) && std::isnan(dvars[0]));
  const MatrixD left = residuals(columns_of(made.run.confounds, kMotion), made.brain);
  int spikes = 0;
  for (Eigen::Index t = 1; t < made.brain.rows(); ++t) {
    const auto i = static_cast<std::size_t>(t);
    const bool moved = made.brain.row(t).mean() < -5;
    spikes += moved;
    if (moved) {
      EXPECT_GT(displacement[i], 0.5);
      EXPECT_GT(displacement[i + 1], 0.5);
      EXPECT_GT(dvars[i], 3);
      EXPECT_LT(global[i], global[i - 1] - 50);
      EXPECT_GT(mean_square(made.brain.row(t)), 100);
      EXPECT_LT(mean_square(left.row(t)), 2);
    } else {
      EXPECT_LT(mean_square(made.brain.row(t)), 2);
      if (made.brain.row(t - 1).mean() > -5) {
        EXPECT_LT(displacement[i], 0.3);
        EXPECT_LT(dvars[i], 1.5);
      }
    }
  }
  EXPECT_EQ(spikes, 4);
}

// The columns are what their names say.
TEST(SimulatedRunTest, ConfoundColumns) {
  const SimulationOptions options = plain();
  const Made made = make(options);
  const Table& table = made.run.confounds;
  ASSERT_EQ(static_cast<Eigen::Index>(table.rows()), made.all.rows());
  const auto global = table.numbers("global_signal");
  const auto csf = table.numbers("csf");
  const auto white = table.numbers("white_matter");
  const auto dvars = table.numbers("dvars");
  double sums[3] = {0, 0, 0};
  int counts[3] = {0, 0, 0};
  double squares = 0;
  for (const std::int64_t voxel : made.phantom.brain.voxels) {
    const Tissue tissue = made.phantom.tissue[std::size_t(voxel)];
    for (int which = 0; which < 3; ++which) {
      if ((which == 1 && tissue != Tissue::csf) || (which == 2 && tissue != Tissue::white)) continue;
      sums[which] += made.all(5, voxel);
      ++counts[which];
    }
    squares += std::pow(made.all(5, voxel) - made.all(4, voxel), 2);
  }
  EXPECT_NEAR(global[5], sums[0] / counts[0], 1e-4);
  EXPECT_NEAR(csf[5], sums[1] / counts[1], 1e-4);
  EXPECT_NEAR(white[5], sums[2] / counts[2], 1e-4);
  EXPECT_NEAR(dvars[5], std::sqrt(squares / counts[0]), 1e-6);
  auto standard = table.numbers("std_dvars");
  std::nth_element(standard.begin() + 1, standard.begin() + 98, standard.end());
  EXPECT_NEAR(standard[98], 1, 0.02);
  const auto x = table.numbers("trans_x");
  EXPECT_NEAR(table.numbers("trans_x_derivative1")[7], x[7] - x[6], 1e-8);
  EXPECT_NEAR(table.numbers("trans_x_power2")[7], x[7] * x[7], 1e-8);
  EXPECT_TRUE(std::isnan(table.numbers("rot_z_derivative1")[0]));
}

// Translations in mm and rotations as arcs of 50 mm.
TEST(SimulatedRunTest, FramewiseDisplacement) {
  MatrixD parameters = MatrixD::Zero(3, 6);
  parameters.row(1) << 0.1, -0.2, 0, 0.01, 0, -0.002;
  const auto displacement = framewise_displacement(parameters);
  EXPECT_TRUE(std::isnan(displacement[0]));
  EXPECT_NEAR(displacement[1], 0.3 + 50 * 0.012, 1e-12);
  EXPECT_NEAR(displacement[2], 0.9, 1e-12);
}

TEST(SimulatedRunTest, SlowCosines) {
  const MatrixD cosines = slow_cosines(100, 2);
  ASSERT_EQ(cosines.cols(), 3);
  EXPECT_TRUE((cosines.transpose() * cosines).isApprox(Eigen::Matrix3d::Identity(), 1e-12));
  EXPECT_GT(cosines(0, 0), 0);
  EXPECT_EQ(slow_cosines(10, 2).cols(), 0);
}

TEST(SimulatedRunTest, MapsOfAnotherShape) {
  const SimulationOptions options = plain();
  EXPECT_THROW(simulate_run(make_phantom(options), options, MatrixF::Zero(4, 3), 0, 0, [](auto) {}), ShapeError);
}

}  // namespace
}  // namespace noema
