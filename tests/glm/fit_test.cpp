#include "noema/glm/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <Eigen/LU>
#include <Eigen/QR>
#include <cmath>
#include <utility>

#include "golden.h"
#include "made_up.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/settings.h"
#include "noema/glm/autoregression.h"
#include "noema/glm/contrast.h"

namespace noema {
namespace {

using FitGoldenTest = GoldenTest;
using testing::ElementsAre;

// nilearn: run_glm(Y, X, noise) on design/glover, contrast a - b.
void expect_reference(NoiseModel noise) {
  const DesignMatrix design{golden_matrix("design/glover"),
                            golden().at("design_cols/glover").get<std::vector<std::string>>()};
  const std::string key = "glm/" + std::string(noise_model_name(noise)) + "/";
  const GlmFit fit = fit_glm(golden_matrix("Y"), design, noise);
  const auto labels = golden().at(key + "labels").get<std::vector<std::string>>();
  for (std::size_t v = 0; v < labels.size(); ++v) {
    const double rho = noise.order == 0 ? 0 : fit.autoregression(0, static_cast<Eigen::Index>(v));
    EXPECT_EQ(rho, std::stod(labels[v]));
  }
  const ContrastMaps maps = t_contrast(fit, "a - b");
  EXPECT_EQ(maps.df, golden().at(key + "dof").get<double>());
  EXPECT_LE(relative_difference(maps.effect, golden_vector(key + "t/effect")), 1e-11);
  EXPECT_LE(relative_difference(maps.variance, golden_vector(key + "t/variance")), 1e-11);
  EXPECT_LE(relative_difference(maps.stat, golden_vector(key + "t/stat")), 1e-11);
  EXPECT_LE(relative_difference(one_sided_p(maps), golden_vector(key + "t/p")), 1e-10);
  EXPECT_LE((maps.z - golden_vector(key + "t/z")).cwiseAbs().maxCoeff(), 1e-9);
  const ContrastMaps f = f_contrast(fit, "a; b");
  EXPECT_EQ(f.df_numerator, 2);
  EXPECT_LE(relative_difference(f.stat, golden_vector(key + "F/stat")), 1e-11);
  EXPECT_LE(relative_difference(one_sided_p(f), golden_vector(key + "F/p")), 1e-10);
  EXPECT_LE((f.z - golden_vector(key + "F/z")).cwiseAbs().maxCoeff(), 1e-9);
}

TEST_F(FitGoldenTest, OlsEqualsReference) { expect_reference(NoiseModel::ols); }
TEST_F(FitGoldenTest, Ar1EqualsReference) { expect_reference(NoiseModel::ar1); }

TEST(Fit, RecoversPlantedEffects) {
  const DesignMatrix design = block_design(200);
  MatrixD data = ar1_noise(200, 500, 0.4, 1);
  data.rowwise() += Eigen::RowVectorXd::Constant(500, 100);
  data.col(7) += 3 * design.values.col(0) - 2 * design.values.col(1);
  for (const NoiseModel noise : {NoiseModel::ols, NoiseModel::ar1}) {
    const GlmFit fit = fit_glm(data, design, noise);
    EXPECT_EQ(fit.df, 200 - fit.rank);
    const ContrastMaps difference = t_contrast(fit, "a - b");
    EXPECT_NEAR(difference.effect[7], 5, 4 * std::sqrt(difference.variance[7]));
    EXPECT_GT(difference.stat[7], 10);
    EXPECT_NEAR(fit.coefficients(design.values.cols() - 1, 3), 100, 1);
  }
}

// Under AR(1) noise t values of no effect spread too far without whitening and by 1 with it.
TEST(Fit, RecoversRhoAndCalibratesT) {
  const DesignMatrix design =
      make_design({{4, 20, "a"}, {30, 20, "b"}, {200, 40, "a"}, {400, 100, "b"}, {700, 60, "a"}}, frame_times(500, 2),
                  {.drift = DriftModel::none});
  const MatrixD data = ar1_noise(500, 1500, 0.5, 2);
  const GlmFit fit = fit_glm(data, design, NoiseModel::ar1);
  EXPECT_NEAR(fit.autoregression.mean(), 0.5, 0.02);  // residuals remember a little less than the noise, and ρ is cut
  const auto spread = [](const GlmFit& of) {
    return std::sqrt(t_contrast(of, "a - b").stat.squaredNorm() / static_cast<double>(of.voxels()));
  };
  EXPECT_NEAR(spread(fit), 1, 0.07);
  EXPECT_GT(spread(fit_glm(data, design, NoiseModel::ols)), 1.3);
}

// Generalised least squares with the covariance of AR(1) noise at the kept volumes, written out.
TEST(Fit, DroppedVolumesFollowTheirCovariance) {
  const DesignMatrix design = block_design(60);
  const MatrixD data = ar1_noise(60, 3, 0.6, 3);
  std::vector<std::uint8_t> keep(60, 1);
  for (const int t : {10, 11, 12, 30, 47, 49}) keep[static_cast<std::size_t>(t)] = 0;
  const GlmFit fit = fit_glm(data, design, NoiseModel::ar1, keep);
  std::vector<Eigen::Index> kept;
  for (Eigen::Index t = 0; t < 60; ++t) {
    if (keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
  }
  const auto n = std::ssize(kept);
  EXPECT_EQ(fit.df, static_cast<double>(n - fit.rank));
  const Eigen::MatrixXd x = design.values(kept, Eigen::all);
  for (Eigen::Index v = 0; v < 3; ++v) {
    const double rho = fit.autoregression(0, v);
    ASSERT_NE(rho, 0);
    Eigen::MatrixXd noise(n, n);  // innovations of variance 1, but the first volume's variance is 1 by the definition
    for (Eigen::Index i = 0; i < n; ++i) {
      for (Eigen::Index j = 0; j <= i; ++j) {
        const auto volumes_from = [&](Eigen::Index to, Eigen::Index from) {
          return static_cast<double>(kept[static_cast<std::size_t>(to)] - kept[static_cast<std::size_t>(from)]);
        };
        const double own =
            (1 - std::pow(rho, 2 * volumes_from(j, 0))) / (1 - rho * rho) + std::pow(rho, 2 * volumes_from(j, 0));
        noise(i, j) = noise(j, i) = own * std::pow(rho, volumes_from(i, j));
      }
    }
    const Eigen::MatrixXd inverse = noise.inverse();
    const Eigen::MatrixXd covariance = (x.transpose() * inverse * x).inverse();
    const Eigen::VectorXd y = data(kept, v);
    const Eigen::VectorXd coefficients = covariance * x.transpose() * inverse * y;
    const Eigen::VectorXd residual = y - x * coefficients;
    EXPECT_LE(relative_difference(unit_covariance(fit, v), covariance), 1e-9);
    EXPECT_LE(relative_difference(fit.coefficients.col(v), coefficients), 1e-9);
    EXPECT_NEAR(fit.dispersion[v], residual.dot(inverse * residual) / fit.df, 1e-9 * fit.dispersion[v]);
  }
}

/// Weights of noise that remembers two volumes, and its autocovariances by their recursion.
struct SecondOrder {
  double first = 0.5, second = -0.3;

  double autocorrelation(int lag) const {
    double before = 1, now = first / (1 - second);
    if (lag == 0) return before;
    for (int k = 1; k < lag; ++k) before = std::exchange(now, first * now + second * before);
    return now;
  }
};

MatrixD ar2_noise(Eigen::Index volumes, Eigen::Index voxels, const SecondOrder& weights, unsigned seed) {
  MatrixD noise = ar1_noise(volumes + 50, voxels, 0, seed);
  for (Eigen::Index t = 2; t < noise.rows(); ++t) {
    noise.row(t) += weights.first * noise.row(t - 1) + weights.second * noise.row(t - 2);
  }
  return noise.bottomRows(volumes);
}

TEST(Autoregression, LevinsonSolvesYuleWalker) {
  const std::vector<double> covariances{2, 0.9, -0.3, 0.1, 0.2};
  Eigen::Matrix4d toeplitz;
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) toeplitz(i, j) = covariances[static_cast<std::size_t>(std::abs(i - j))];
  }
  const Eigen::VectorXd expected = toeplitz.lu().solve(Eigen::Vector4d(0.9, -0.3, 0.1, 0.2));
  EXPECT_LE((levinson(covariances) - expected).norm(), 1e-13);
  const SecondOrder truth;
  const Eigen::VectorXd found =
      levinson(std::vector<double>{1, truth.autocorrelation(1), truth.autocorrelation(2), truth.autocorrelation(3)});
  EXPECT_LE((found - Eigen::Vector3d(truth.first, truth.second, 0)).norm(), 1e-14);
  EXPECT_EQ(levinson(std::vector<double>{0, 0, 0}), Eigen::Vector2d::Zero());
  EXPECT_EQ(levinson(std::vector<double>{1, 1.2})[0], 0.99);
}

/// Inverse of the covariance that noise of these weights has at the kept volumes, the first of which remembers nothing.
Eigen::MatrixXd precision_at(const std::vector<Eigen::Index>& kept, const Eigen::VectorXd& rho) {
  const Eigen::Index volumes = kept.back() - kept.front() + 1;
  Eigen::MatrixXd innovations = Eigen::MatrixXd::Identity(volumes, volumes);
  for (Eigen::Index t = 0; t < volumes; ++t) {
    for (Eigen::Index lag = 1; lag <= std::min(t, rho.size()); ++lag) innovations(t, t - lag) = -rho[lag - 1];
  }
  std::vector<Eigen::Index> places;
  for (const Eigen::Index t : kept) places.push_back(t - kept.front());
  const Eigen::MatrixXd covariance = (innovations.transpose() * innovations).inverse();
  return covariance(places, places).inverse();
}

// Every number of a fit of higher order, written out as generalised least squares with the covariance of each voxel.
TEST(Fit, HigherOrdersAreLeastSquaresOfWhitenedData) {
  const DesignMatrix design = block_design(70);
  MatrixD data = ar2_noise(70, 11, {}, 21);
  data.array() += 1e4;
  std::vector<std::uint8_t> keep(70, 1);
  for (const bool gap : {false, true}) {
    for (const int t : {0, 1, 30, 31, 34, 45, 68}) keep[static_cast<std::size_t>(t)] = gap ? 0 : 1;
    std::vector<Eigen::Index> kept;
    for (Eigen::Index t = 0; t < 70; ++t) {
      if (keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
    }
    const auto n = std::ssize(kept);
    const Eigen::MatrixXd x = design.values(kept, Eigen::all);
    for (const int order : {2, 3}) {
      const GlmFit fit = fit_glm(data, design, NoiseModel{order}, keep);
      const ContrastMaps maps = t_contrast(fit, "a - 2*b");
      for (const Eigen::Index v : {0, 3, 10}) {
        const Eigen::VectorXd y = data(kept, v);
        Eigen::VectorXd rest = y - x * x.completeOrthogonalDecomposition().solve(y);
        rest.array() -= rest.mean();
        Eigen::VectorXd covariances = Eigen::VectorXd::Zero(order + 1);
        for (int lag = 0; lag <= order; ++lag) {
          double pairs = 0;
          for (Eigen::Index i = 0; i < n; ++i) {
            for (Eigen::Index j = 0; j < n; ++j) {
              if (kept[static_cast<std::size_t>(j)] != kept[static_cast<std::size_t>(i)] + lag) continue;
              covariances[lag] += rest[i] * rest[j];
              ++pairs;
            }
          }
          covariances[lag] /= pairs;
        }
        Eigen::MatrixXd toeplitz(order, order);
        for (int i = 0; i < order; ++i) {
          for (int j = 0; j < order; ++j) toeplitz(i, j) = covariances[std::abs(i - j)];
        }
        const Eigen::VectorXd rho = toeplitz.lu().solve(covariances.tail(order));
        EXPECT_LE((fit.autoregression.col(v) - rho).norm(), 1e-9);
        const Eigen::MatrixXd precision = precision_at(kept, rho);
        const Eigen::MatrixXd covariance = (x.transpose() * precision * x).inverse();
        const Eigen::VectorXd coefficients = covariance * x.transpose() * precision * y;
        const Eigen::VectorXd left = y - x * coefficients;
        const double dispersion = left.dot(precision * left) / fit.df;
        EXPECT_LE(relative_difference(fit.coefficients.col(v), coefficients), 1e-8);
        EXPECT_NEAR(fit.dispersion[v], dispersion, 1e-8 * dispersion);
        EXPECT_LE(relative_difference(unit_covariance(fit, v), covariance), 1e-8);
        const Eigen::VectorXd weights =
            parse_contrast("a - 2*b", design.names);  // and the contrast is made of just these
        EXPECT_NEAR(maps.variance[v], weights.dot(covariance * weights) * dispersion, 1e-8 * maps.variance[v]);
        EXPECT_NEAR(maps.effect[v], weights.dot(coefficients), 1e-8 * std::abs(coefficients.maxCoeff()));
      }
    }
  }
}

// A gap of one volume does not cost what is known of the volumes before it.
TEST(Fit, HigherOrdersGoOnAfterAGap) {
  const MatrixD data = ar2_noise(90, 3, {}, 23);
  std::vector<std::uint8_t> keep(90, 1);
  for (std::size_t t = 4; t < 90; t += 5) keep[t] = 0;
  const DesignMatrix design = block_design(90);
  const GlmFit second = fit_glm(data, design, NoiseModel{2}, keep);
  GlmFit first = second;
  first.autoregression.row(1).setZero();  // AR(2) whose second weight is 0 is AR(1), whose gaps have a closed form
  const GlmFit closed = fit_glm(data, design, NoiseModel::ar1, keep);
  for (Eigen::Index v = 0; v < 3; ++v) {
    first.autoregression(0, v) = closed.autoregression(0, v);
    EXPECT_LE(relative_difference(unit_covariance(first, v), unit_covariance(closed, v)), 1e-9);
    EXPECT_GT(relative_difference(unit_covariance(second, v), unit_covariance(closed, v)), 1e-3);
  }
}

TEST(Fit, RecoversSecondOrderNoise) {
  const MatrixD data = ar2_noise(400, 300, {}, 22);
  const GlmFit fit = fit_glm(data, block_design(400), NoiseModel{2});
  EXPECT_NEAR(fit.autoregression.row(0).mean(), 0.5, 0.05);
  EXPECT_NEAR(fit.autoregression.row(1).mean(), -0.3, 0.05);
}

TEST(Fit, DroppedVolumesHaveNoInfluence) {
  const DesignMatrix design = block_design(80);
  MatrixD data = ar1_noise(80, 5, 0.3, 4);
  std::vector<std::uint8_t> keep(80, 1);
  keep[20] = 0;
  const GlmFit fit = fit_glm(data, design, NoiseModel::ar1, keep);
  data.row(20).setConstant(1e6);
  EXPECT_EQ(fit_glm(data, design, NoiseModel::ar1, keep).coefficients, fit.coefficients);
  EXPECT_NE(fit_glm(data, design, NoiseModel::ar1).coefficients, fit.coefficients);
}

TEST(Fit, SinglePrecisionDataGiveTheSameNumbers) {
  const DesignMatrix design = block_design(100);
  const MatrixF data = ar1_noise(100, 300, 0.3, 5).cast<float>();
  const MatrixD wide = data.cast<double>();
  EXPECT_EQ(fit_glm(data, design, NoiseModel::ar1).coefficients, fit_glm(wide, design, NoiseModel::ar1).coefficients);
}

TEST(Fit, DoesNotDependOnThreads) {
  const DesignMatrix design = block_design(90);
  const MatrixD data = ar1_noise(90, 1500, 0.3, 6);
  const int before = thread_count();
  set_thread_count(1);
  const GlmFit one = fit_glm(data, design, NoiseModel::ar1);
  const ContrastMaps one_maps = t_contrast(one, "a");
  set_thread_count(3);
  const GlmFit three = fit_glm(data, design, NoiseModel::ar1);
  const ContrastMaps three_maps = t_contrast(three, "a");
  set_thread_count(before);
  EXPECT_EQ(one.coefficients, three.coefficients);
  EXPECT_EQ(one.dispersion, three.dispersion);
  EXPECT_EQ(one_maps.z, three_maps.z);
}

// Voxels that are factorised side by side have what they have alone.
TEST(Fit, VoxelsOfHigherOrdersDoNotDependOnOthers) {
  const DesignMatrix design = block_design(90);
  const MatrixD data = ar2_noise(90, 21, {}, 24);
  const GlmFit together = fit_glm(data, design, NoiseModel{2});
  const GlmFit alone = fit_glm(MatrixD(data.rightCols(3)), design, NoiseModel{2});
  EXPECT_EQ(together.coefficients.rightCols(3), alone.coefficients);
  EXPECT_EQ(together.dispersion.tail(3), alone.dispersion);
  EXPECT_EQ(t_contrast(together, "a").variance.tail(3), t_contrast(alone, "a").variance);
}

TEST(Fit, ConstantSeriesHaveNoEffect) {
  const DesignMatrix design = block_design(80);
  MatrixD data = ar1_noise(80, 4, 0.3, 7);
  data.col(1).setConstant(812.3);
  data.col(2).setZero();
  for (const NoiseModel noise : {NoiseModel::ols, NoiseModel::ar1}) {
    const GlmFit fit = fit_glm(data, design, noise);
    EXPECT_EQ(fit.constant_voxels, 2);
    const ContrastMaps maps = t_contrast(fit, "a");
    for (const Eigen::Index v : {1, 2}) {
      EXPECT_EQ(maps.effect[v], 0);
      EXPECT_EQ(maps.variance[v], 0);
      EXPECT_EQ(maps.stat[v], 0);
      EXPECT_EQ(maps.z[v], 0);
    }
    EXPECT_NE(maps.stat[0], 0);
  }
}

TEST(Fit, DependentColumnsCountOnce) {
  DesignMatrix design = block_design(80);
  const MatrixD data = ar1_noise(80, 6, 0.3, 8);
  const GlmFit full = fit_glm(data, design, NoiseModel::ar1);
  const Eigen::Index columns = design.values.cols();
  design.values.conservativeResize(Eigen::NoChange, columns + 1);
  design.values.col(columns) = design.values.col(0) + 2 * design.values.col(columns - 1);
  design.names.push_back("copy");
  WarningCollector warnings;
  const GlmFit fit = fit_glm(data, design, NoiseModel::ar1);
  EXPECT_EQ(warnings.entries().size(), 1U);
  EXPECT_EQ(fit.rank, columns);
  EXPECT_EQ(fit.df, full.df);
  EXPECT_LE(relative_difference(fit.dispersion, full.dispersion), 1e-10);
  EXPECT_LE(relative_difference(t_contrast(fit, "b").stat, t_contrast(full, "b").stat), 1e-9);
  try {
    t_contrast(fit, "a - b");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("the contrast of 'a', 'b'"));
    EXPECT_THAT(error.what(), testing::HasSubstr("the columns 'a', 'constant', 'copy' depend on one another"));
  }
}

// Without a constant residuals have means. Each voxel's own is taken out, not one of all voxels, so that a voxel's
// estimate does not depend on the others.
TEST(Fit, MeansOfResidualsAreEachVoxelsOwn) {
  const DesignMatrix design{
      MatrixD(Eigen::VectorXd::NullaryExpr(90, [](Eigen::Index t) { return std::sin(0.3 * static_cast<double>(t)); })),
      {"wave"}};
  MatrixD data = ar1_noise(90, 3, 0.4, 12);
  data.rowwise() += Eigen::RowVector3d(0, 5, -40);
  const GlmFit fit = fit_glm(data, design, NoiseModel::ar1);
  const Eigen::VectorXd x = design.values.col(0);
  for (Eigen::Index v = 0; v < 3; ++v) {
    Eigen::VectorXd rest = data.col(v) - x * (x.dot(data.col(v)) / x.squaredNorm());
    rest.array() -= rest.mean();
    const double rho = (rest.head(89).dot(rest.tail(89)) / 89) / (rest.squaredNorm() / 90);
    EXPECT_NEAR(fit.autoregression(0, v), std::trunc(rho * 100) / 100, 1e-15) << rho;
    EXPECT_EQ(fit_glm(MatrixD(data.col(v)), design, NoiseModel::ar1).autoregression(0, 0), fit.autoregression(0, v));
  }
}

// Of the series as they are: one less the variance of y − X·β over that of y, at the kept volumes.
TEST(Fit, ShareOfVarianceExplained) {
  const DesignMatrix design = block_design(80);
  MatrixD data = ar1_noise(80, 4, 0.5, 13);
  data.array() += 1000;
  data.col(1) += 3 * design.values.col(0);
  data.col(3).setConstant(7);
  std::vector<std::uint8_t> keep(80, 1);
  keep[20] = keep[21] = 0;
  data.row(20).setConstant(1e5);
  for (const NoiseModel noise : {NoiseModel::ols, NoiseModel::ar1, NoiseModel{2}}) {
    const GlmFit fit = fit_glm(data, design, noise, keep);
    for (Eigen::Index v = 0; v < 3; ++v) {
      const Eigen::VectorXd left = data.col(v) - design.values * fit.coefficients.col(v);
      double mean = 0, variation = 0, unexplained = 0;
      for (Eigen::Index t = 0; t < 80; ++t) mean += keep[static_cast<std::size_t>(t)] * data(t, v) / 78;
      for (Eigen::Index t = 0; t < 80; ++t) {
        if (keep[static_cast<std::size_t>(t)] == 0) continue;
        variation += (data(t, v) - mean) * (data(t, v) - mean);
        unexplained += left[t] * left[t];
      }
      EXPECT_NEAR(fit.r_squared[v], 1 - unexplained / variation, 1e-9) << noise_model_name(noise) << v;
    }
    EXPECT_GT(fit.r_squared[1], 0.3);
    EXPECT_EQ(fit.r_squared[3], 0);
  }
}

TEST(Fit, FewerVolumesThanRegressorsAreRefused) {
  const MatrixD data = ar1_noise(40, 3, 0.2, 10);
  DesignMatrix design{ar1_noise(40, 45, 0, 11), {}};
  for (int c = 0; c < 45; ++c) design.names.push_back(std::to_string(c));
  for (const NoiseModel noise : {NoiseModel::ols, NoiseModel::ar1, NoiseModel{2}}) {
    try {
      fit_glm(data, design, noise);
      FAIL() << noise_model_name(noise);
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(),
                  testing::HasSubstr("the design has 40 independent columns for 40 volumes, so nothing is "
                                     "left to estimate noise; use fewer regressors"));
    }
  }
  const DesignMatrix square{design.values.leftCols(40), {design.names.begin(), design.names.begin() + 40}};
  EXPECT_THROW(fit_glm(data, square, NoiseModel::ar1), DataError);
  const DesignMatrix most{design.values.leftCols(39), {design.names.begin(), design.names.begin() + 39}};
  EXPECT_EQ(fit_glm(data, most, NoiseModel::ols).df, 1);
  std::vector<std::uint8_t> keep(40, 1);
  keep[5] = 0;
  EXPECT_THROW(fit_glm(data, most, NoiseModel::ols, keep), DataError);
}

TEST(Fit, RefusesWhatCannotBe) {
  const DesignMatrix design = block_design(40);
  const MatrixD data = ar1_noise(40, 3, 0, 9);
  EXPECT_THROW(fit_glm(MatrixD(data.topRows(39)), design, NoiseModel::ols), ShapeError);
  EXPECT_THROW(fit_glm(MatrixD(40, 0), design, NoiseModel::ols), ShapeError);
  EXPECT_THROW(fit_glm(data, design, NoiseModel::ols, std::vector<std::uint8_t>(39, 1)), ShapeError);
  EXPECT_THROW(fit_glm(data, design, NoiseModel::ols, std::vector<std::uint8_t>(40, 0)), DataError);
  MatrixD broken = data;
  broken(3, 1) = std::nan("");
  EXPECT_THROW(fit_glm(broken, design, NoiseModel::ar1), DataError);
  EXPECT_THROW(fit_glm(data, design, NoiseModel{21}), UsageError);
  EXPECT_EQ(parse_noise_model("ar2"), NoiseModel{2});
  for (const char* name : {"ar", "ar0", "ar21", "white"}) EXPECT_THROW(parse_noise_model(name), UsageError) << name;
}

}  // namespace
}  // namespace noema
