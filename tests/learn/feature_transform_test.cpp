#include "noema/learn/feature_transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <chrono>
#include <limits>

#include "made_up.h"
#include "noema/core/settings.h"
#include "noema/learn/principal_components.h"
#include "wave_data.h"

namespace noema {
namespace {

using made_up::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

MatrixF noise(std::int64_t rows, std::int64_t columns, std::uint64_t seed = 3) {
  MatrixF values(rows, columns);
  RandomStream random(seed, "noise");
  for (Eigen::Index i = 0; i < values.size(); ++i) values.data()[i] = static_cast<float>(random.normal());
  return values;
}

std::vector<int> alternating(std::int64_t rows, int classes) {
  std::vector<int> labels;
  for (std::int64_t i = 0; i < rows; ++i) labels.push_back(static_cast<int>(i % classes));
  return labels;
}

TEST(Anova, EqualsScikitLearn) {
  // sklearn 1.9.1, f_classif on WaveData(30, 5, 3).
  const WaveData data(30, 5, 3);
  const Eigen::VectorXd f = anova_f(data.rows, data.labels, 3);
  const double expected[] = {5.67548486276, 2.19762324568, 0.666137399312, 4.91160484618, 5.77195678305};
  for (int j = 0; j < 5; ++j) EXPECT_NEAR(f(j), expected[j], 1e-9 * expected[j]);
}

TEST(Anova, IsNotDisturbedByLargeMeansOrAbsentLabels) {
  WaveData data(30, 5, 3);
  const Eigen::VectorXd f = anova_f(data.rows, data.labels, 3);
  EXPECT_TRUE(anova_f(data.rows, data.labels, 7).isApprox(f, 1e-14));
  MatrixF shifted = (data.rows * 8192).array().round() / 8192;  // so that the sums below are exact in float32
  const Eigen::VectorXd before = anova_f(shifted, data.labels, 3);
  shifted.array() += 1000;
  EXPECT_TRUE(anova_f(shifted, data.labels, 3).isApprox(before, 1e-12));
}

TEST(Anova, MarksConstantAndPerfectColumns) {
  MatrixF rows = noise(8, 3);
  rows.col(0).setConstant(12345.678F);
  for (int i = 0; i < 8; ++i) rows(i, 1) = static_cast<float>(i % 2);
  const Eigen::VectorXd f = anova_f(rows, alternating(8, 2), 2);
  EXPECT_EQ(f(0), -1);
  EXPECT_EQ(f(1), std::numeric_limits<double>::infinity());
  EXPECT_GT(f(2), 0);
  EXPECT_THAT(largest(f, 2), ElementsAre(1, 2));
}

TEST(Anova, RefusesWhatItCannotJudge) {
  MatrixF rows = noise(6, 3);
  EXPECT_THAT(message_of<ShapeError>([&] { anova_f(rows, alternating(5, 2), 2); }), HasSubstr("5 labels for 6 rows"));
  EXPECT_THAT(message_of<DataError>([&] { anova_f(rows, std::vector<int>(6, 0), 2); }), HasSubstr("1 labels"));
  EXPECT_THAT(message_of<UsageError>([&] {
                anova_f(rows, std::vector<int>{0, 1, 2, 0, 1, 2}, 2);
              }),
              HasSubstr("label 2"));
  rows(3, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of<DataError>([&] { anova_f(rows, alternating(6, 2), 2); }), HasSubstr("1 of 3 features"));
  EXPECT_THAT(message_of<DataError>([&] { FeatureTransform::fit({}, rows, alternating(6, 2), 2); }),
              HasSubstr("1 of 3 features"));
}

TEST(Anova, IsFastAndEqualOnAnyNumberOfThreads) {
  const MatrixF rows = noise(190, 48751);
  const std::vector<int> labels = alternating(190, 6);
  const auto start = std::chrono::steady_clock::now();
  const Eigen::VectorXd f = anova_f(rows, labels, 6);
  RecordProperty("seconds",
                 std::to_string(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
  const int before = thread_count();
  set_thread_count(1);
  EXPECT_EQ(anova_f(rows, labels, 6), f);
  set_thread_count(before);
}

TEST(TaskResponse, IsTheOneSampleT) {
  MatrixF rows(4, 3);
  rows << 1, 0, 5,  //
      2, 1, 5,      //
      3, 0, 5,      //
      2, -1, 5;
  const Eigen::VectorXd t = task_response(rows);
  EXPECT_NEAR(t(0), 2 / (std::sqrt(2.0 / 3) / 2), 1e-12);
  EXPECT_EQ(t(1), 0);
  EXPECT_EQ(t(2), -1);
}

TEST(FeatureTransform, ScreensCentresAndScales) {
  MatrixF rows = noise(40, 30);
  const std::vector<int> labels = alternating(40, 2);
  for (int i = 0; i < 40; ++i) {
    rows(i, 7) += static_cast<float>(5 * labels[static_cast<std::size_t>(i)]);
    rows(i, 21) = rows(i, 21) * 10 + static_cast<float>(30 * labels[static_cast<std::size_t>(i)]) + 100;
  }
  FeatureTransformOptions options;
  options.screening = Screening::anova;
  options.keep = 2;
  const FeatureTransform transform = FeatureTransform::fit(options, rows, labels, 2);
  EXPECT_THAT(transform.selected(), ElementsAre(7, 21));
  const MatrixF out = transform.apply(rows);
  EXPECT_NEAR(out.colwise().mean().cwiseAbs().maxCoeff(), 0, 1e-5);
  EXPECT_NEAR(out.col(1).squaredNorm() / 40, 1, 1e-5);
  const MatrixD x = rows.cast<double>();
  const double mean = x.col(21).mean(), deviation = std::sqrt((x.col(21).array() - mean).square().mean());
  EXPECT_NEAR(out(5, 1), (x(5, 21) - mean) / deviation, 1e-5);
  options.keep = 10;
  options.keep_is_percent = true;
  EXPECT_EQ(FeatureTransform::fit(options, rows, labels, 2).outputs(), 3);
  options.centre = options.scale = false;
  const FeatureTransform plain = FeatureTransform::fit(options, rows, labels, 2);
  EXPECT_EQ(plain.apply(rows)(3, 0), rows(3, plain.selected()[0]));
}

TEST(FeatureTransform, SilencesWhatDidNotVaryInTraining) {
  MatrixF rows = noise(10, 3);
  rows.col(1).setConstant(2);
  const FeatureTransform transform = FeatureTransform::fit({}, rows, alternating(10, 2), 2);
  const MatrixF other = noise(4, 3, 9);
  EXPECT_EQ(transform.apply(other).col(1).cwiseAbs().maxCoeff(), 0);
  rows.setConstant(1);
  EXPECT_THAT(message_of<DataError>([&] { FeatureTransform::fit({}, rows, alternating(10, 2), 2); }),
              HasSubstr("none of the 3 features varies"));
  EXPECT_THROW(transform.apply(noise(4, 5)), ShapeError);
}

/// V (e + λ mean e)^(−1/2) Vᵀ from the covariance itself, then unit root mean square.
MatrixD whitened_directly(const MatrixF& rows, double shrinkage) {
  MatrixD x = rows.cast<double>();
  x.rowwise() -= x.colwise().mean().eval();
  const Eigen::MatrixXd covariance = x.transpose() * x / static_cast<double>(x.rows());
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  const double components = static_cast<double>(std::min(x.rows(), x.cols()));
  const double mean = covariance.trace() / components;
  Eigen::VectorXd gains = Eigen::VectorXd::Zero(x.cols());
  for (Eigen::Index i = 0; i < gains.size(); ++i) {
    const double e = solver.eigenvalues()(i);
    if (e > 1e-9) gains(i) = 1 / std::sqrt(e + shrinkage * mean);
  }
  const MatrixD y = x * solver.eigenvectors() * gains.asDiagonal() * solver.eigenvectors().transpose();
  return y / std::sqrt(y.squaredNorm() / static_cast<double>(y.size()));
}

TEST(FeatureTransform, WhitensByTheFormula) {
  for (const auto& [count, features] : {std::pair{40, 8}, std::pair{12, 30}}) {
    for (const double shrinkage : {1.0, 0.1}) {
      MatrixF rows = noise(count, features);
      rows.col(0) *= 5;
      rows.col(1) += rows.col(0);
      FeatureTransformOptions options;
      options.scale = false;
      options.whiten = true;
      options.shrinkage = shrinkage;
      const FeatureTransform transform = FeatureTransform::fit(options, rows, alternating(count, 2), 2);
      const MatrixD expected = whitened_directly(rows, shrinkage);
      EXPECT_LT((transform.apply(rows).cast<double>() - expected).cwiseAbs().maxCoeff(), 3e-6) << count;
      EXPECT_NEAR(transform.apply(rows).squaredNorm() / static_cast<float>(rows.size()), 1, 1e-5);
    }
  }
}

TEST(FeatureTransform, WhiteningMakesCovariancesEqualWithoutShrinkage) {
  MatrixF rows = noise(200, 5);
  rows.col(3) += 2 * rows.col(0);
  FeatureTransformOptions options;
  options.whiten = true;
  options.shrinkage = 0;
  const MatrixD out = FeatureTransform::fit(options, rows, alternating(200, 2), 2).apply(rows).cast<double>();
  const MatrixD covariance = out.transpose() * out / 200;
  EXPECT_LT((covariance - MatrixD::Identity(5, 5)).cwiseAbs().maxCoeff(), 1e-4);
}

TEST(FeatureTransform, MapsWeightsBackToFeatures) {
  const MatrixF rows = noise(20, 12), other = noise(6, 12, 8);
  FeatureTransformOptions options;
  options.screening = Screening::task;
  options.keep = 7;
  options.whiten = true;
  const FeatureTransform transform = FeatureTransform::fit(options, rows, alternating(20, 2), 2);
  const MatrixD weights = noise(3, 7, 5).cast<double>();
  const MatrixD back = transform.to_features(weights);
  const MatrixD direct =
      (transform.apply(other).row(0) - transform.apply(other).row(1)).cast<double>() * weights.transpose();
  const MatrixD by_features = (other.row(0) - other.row(1)).cast<double>() * back.transpose();
  EXPECT_LT((direct - by_features).cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_THROW(transform.to_features(noise(3, 12).cast<double>()), ShapeError);
}

TEST(FeatureTransform, SavesAndLoads) {
  const MatrixF rows = noise(20, 12);
  for (const bool whiten : {false, true}) {
    FeatureTransformOptions options;
    options.screening = Screening::anova;
    options.keep = 5;
    options.whiten = whiten;
    const FeatureTransform transform = FeatureTransform::fit(options, rows, alternating(20, 2), 2);
    SafeTensors content;
    transform.save(content);
    EXPECT_EQ(FeatureTransform::load(content).apply(rows), transform.apply(rows));
    content.tensors["transform.mean"] = TensorData::from_floats({1}, std::vector<float>{1});
    EXPECT_THROW(FeatureTransform::load(content), DataError);
  }
}

TEST(FeatureTransform, RefusesBadOptions) {
  const MatrixF rows = noise(10, 3);
  const auto fit = [&](FeatureTransformOptions options) {
    FeatureTransform::fit(options, rows, alternating(10, 2), 2);
  };
  EXPECT_THROW(fit({.keep = 0}), UsageError);
  EXPECT_THROW(fit({.keep = 101, .keep_is_percent = true}), UsageError);
  EXPECT_THROW(fit({.centre = false, .whiten = true}), UsageError);
  EXPECT_THROW(fit({.shrinkage = -1}), UsageError);
}

TEST(PrincipalComponents, RebuildTheRowsOnBothSides) {
  for (const auto& [count, features] : {std::pair{9, 30}, std::pair{30, 9}}) {
    const MatrixF rows = noise(count, features);
    const PrincipalComponents found(rows);
    const MatrixD components = found.components();
    EXPECT_EQ(found.eigenvalues().size(), std::min(count - 1, features));
    EXPECT_LT((components.transpose() * components - MatrixD::Identity(components.cols(), components.cols())).norm(),
              1e-10);
    MatrixD rebuilt = found.scores() * components.transpose();
    rebuilt.rowwise() += found.mean().transpose();
    EXPECT_LT((rebuilt - rows.cast<double>()).cwiseAbs().maxCoeff(), 1e-10);
    EXPECT_TRUE(found.scores().colwise().squaredNorm().transpose().isApprox(found.eigenvalues(), 1e-9));
  }
}

}  // namespace
}  // namespace noema
