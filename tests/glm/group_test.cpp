#include "noema/glm/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>

#include "noema/core/error.h"
#include "noema/glm/fixed_effects.h"
#include "noema/glm/tails.h"

namespace noema {
namespace {

ContrastMaps maps_of(const Eigen::VectorXd& effect, const Eigen::VectorXd& variance, double df) {
  ContrastMaps maps{.effect = effect, .variance = variance, .df = df};
  add_statistics(maps);
  return maps;
}

const std::vector<ContrastMaps>& three_runs() {
  static const std::vector<ContrastMaps> kRuns{maps_of(Eigen::Vector3d(1, -2, 4), Eigen::Vector3d(1, 2, .5), 50),
                                               maps_of(Eigen::Vector3d(3, 0, 5), Eigen::Vector3d(4, 1, .25), 40),
                                               maps_of(Eigen::Vector3d(2, 5, 0), Eigen::Vector3d(2, 9, 0), 45)};
  return kRuns;
}

TEST(FixedEffects, EqualWeights) {
  const ContrastMaps maps = fixed_effects(three_runs());
  EXPECT_EQ(maps.df, 135);
  EXPECT_NEAR(maps.effect[0], 2, 1e-15);
  EXPECT_NEAR(maps.variance[0], 7.0 / 9, 1e-15);
  EXPECT_NEAR(maps.stat[0], 2 / std::sqrt(7.0 / 9), 1e-14);
  EXPECT_NEAR(maps.effect[1], 1, 1e-15);
  EXPECT_NEAR(maps.variance[1], 12.0 / 9, 1e-15);
  EXPECT_EQ(maps.z[1], t_to_z(maps.stat[1], 135));
}

TEST(FixedEffects, PrecisionWeights) {
  const ContrastMaps maps = fixed_effects(three_runs(), RunWeights::precision);
  const double precision = 1 + 1.0 / 4 + 1.0 / 2;
  EXPECT_NEAR(maps.variance[0], 1 / precision, 1e-15);
  EXPECT_NEAR(maps.effect[0], (1 + 3.0 / 4 + 1) / precision, 1e-15);
  EXPECT_NEAR(maps.stat[0], (1 + 3.0 / 4 + 1) / std::sqrt(precision), 1e-14);
}

TEST(FixedEffects, ConstantInOneRunIsNoAnswer) {
  for (const RunWeights weights : {RunWeights::equal, RunWeights::precision}) {
    const ContrastMaps maps = fixed_effects(three_runs(), weights);
    EXPECT_EQ(maps.effect[2], 0);
    EXPECT_EQ(maps.variance[2], 0);
    EXPECT_EQ(maps.z[2], 0);
  }
}

TEST(FixedEffects, OneRunStaysAsItIs) {
  for (const RunWeights weights : {RunWeights::equal, RunWeights::precision}) {
    const ContrastMaps maps = fixed_effects({three_runs()[0]}, weights);
    EXPECT_LE((maps.effect - three_runs()[0].effect).norm(), 1e-14);
    EXPECT_LE((maps.z - three_runs()[0].z).norm(), 1e-13);
  }
}

// Two rows over runs of different covariance, with matrices of one voxel written out.
TEST(FixedEffects, SeveralRowsAreCombinedExactly) {
  Eigen::Matrix2d first, second;
  first << 2, 0.5, 0.5, 1;
  second << 1, -0.2, -0.2, 3;
  const Eigen::Vector2d one(1, 2), two(3, -1);
  const auto joint = [](const Eigen::Vector2d& effects, const Eigen::Matrix2d& covariance, double df) {
    return JointEffects{MatrixD(effects),
                        MatrixD(Eigen::Vector3d(covariance(0, 0), covariance(1, 0), covariance(1, 1))), df};
  };
  const std::vector<JointEffects> runs{joint(one, first, 30), joint(two, second, 20)};
  const auto f_of = [](const Eigen::Vector2d& effects, const Eigen::Matrix2d& covariance) {
    return effects.dot(covariance.inverse() * effects) / 2;
  };
  const ContrastMaps equal = f_maps(fixed_effects(runs));
  EXPECT_EQ(equal.df, 50);
  EXPECT_NEAR(equal.stat[0], f_of((one + two) / 2, (first + second) / 4), 1e-13);
  EXPECT_NEAR(equal.z[0], f_to_z(equal.stat[0], 2, 50), 1e-14);
  const Eigen::Matrix2d covariance = (first.inverse() + second.inverse()).inverse();
  const Eigen::Vector2d effects = covariance * (first.inverse() * one + second.inverse() * two);
  EXPECT_NEAR(f_maps(fixed_effects(runs, RunWeights::precision)).stat[0], f_of(effects, covariance), 1e-13);
  EXPECT_THROW(fixed_effects({f_maps(runs[0])}), UsageError);
}

TEST(FixedEffects, RefusesWhatCannotBe) {
  EXPECT_THROW(fixed_effects(std::vector<ContrastMaps>{}), UsageError);
  EXPECT_THROW(fixed_effects({three_runs()[0], maps_of(Eigen::Vector2d(1, 2), Eigen::Vector2d(1, 1), 5)}), ShapeError);
  EXPECT_EQ(parse_run_weights("precision"), RunWeights::precision);
  EXPECT_THROW(parse_run_weights("mean"), UsageError);
}

TEST(Group, OneSampleTest) {
  MatrixD effects(4, 3);
  effects << 1, -1, 0.1,  //
      2, -3, 0.1,         //
      4, 2, 0.1,          //
      5, 1, 0.1;
  const ContrastMaps maps = one_sample_t(effects);
  EXPECT_EQ(maps.df, 3);
  EXPECT_NEAR(maps.effect[0], 3, 1e-15);
  EXPECT_NEAR(maps.variance[0], 10.0 / 3 / 4, 1e-15);
  EXPECT_NEAR(maps.stat[0], 3 / std::sqrt(10.0 / 12), 1e-14);
  EXPECT_NEAR(two_sided_p(maps)[0], 0.0462, 1e-3);
  EXPECT_LT(maps.stat[1], 0);
  EXPECT_NEAR(two_sided_p(maps)[1], 2 * (1 - one_sided_p(maps)[1]), 1e-14);
  EXPECT_NEAR(maps.effect[2], 0.1, 1e-16);
  EXPECT_EQ(maps.stat[2], 0);
  EXPECT_EQ(maps.z[2], 0);
}

TEST(Group, RefusesWhatCannotBe) {
  try {
    one_sample_t(MatrixD::Ones(1, 5));
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("at least two subjects"));
  }
  MatrixD effects = MatrixD::Random(3, 4);
  effects(1, 2) = std::nan("");
  EXPECT_THROW(one_sample_t(effects), DataError);
}

/// Effects of three rows in 9 subjects and 4 voxels; in the last voxel the third row is the sum of the others.
std::vector<MatrixD> three_rows() {
  std::vector<MatrixD> rows(3, MatrixD(9, 4));
  for (int s = 0; s < 9; ++s) {
    for (int v = 0; v < 4; ++v) {
      rows[0](s, v) = std::sin(1.7 * s + v) + 0.4;
      rows[1](s, v) = std::cos(0.9 * s * s + v) + 0.3 * rows[0](s, v);
      rows[2](s, v) = v == 3 ? rows[0](s, v) + rows[1](s, v) : std::sin(2.3 * s * (v + 1) + 1) - 0.2;
    }
  }
  return rows;
}

DesignMatrix mean_of(Eigen::Index subjects) { return {MatrixD::Ones(subjects, 1), {"intercept"}}; }

// Hotelling's T² by its definition from means and the sample covariance.
TEST(JointGroupTest, IsHotellingsTSquared) {
  const std::vector<MatrixD> rows = three_rows();
  const ContrastMaps found = joint_group_test(rows, mean_of(9), Eigen::VectorXd::Ones(1));
  EXPECT_EQ(found.df_numerator, 3);
  EXPECT_EQ(found.df, 6);
  for (Eigen::Index v = 0; v < 3; ++v) {
    Eigen::MatrixXd values(9, 3);
    for (int k = 0; k < 3; ++k) values.col(k) = rows[static_cast<std::size_t>(k)].col(v);
    const Eigen::Vector3d mean = values.colwise().mean();
    const Eigen::MatrixXd centred = values.rowwise() - mean.transpose();
    const Eigen::Matrix3d covariance = centred.transpose() * centred / 8;
    const double t_squared = 9 * mean.dot(covariance.inverse() * mean);
    EXPECT_NEAR(found.stat[v], t_squared * 6 / (3 * 8), 1e-10 * t_squared);
    EXPECT_NEAR(found.z[v], f_to_z(found.stat[v], 3, 6), 1e-12);
    for (Eigen::Index k = 0; k < 3; ++k) EXPECT_NEAR(found.row_effects(k, v), mean[k], 1e-12);
  }
  EXPECT_EQ(found.stat[3], 0);  // three rows of two directions
  EXPECT_EQ(found.z[3], 0);
}

TEST(JointGroupTest, IsTheSquareOfTForOneRow) {
  const std::vector<MatrixD> rows = three_rows();
  const ContrastMaps t = one_sample_t(rows[0]);
  const ContrastMaps f = joint_group_test({rows.data(), 1}, mean_of(9), Eigen::VectorXd::Constant(1, 2));
  EXPECT_EQ(f.df, 8);
  EXPECT_LE((f.stat - t.stat.cwiseAbs2()).norm(), 1e-10);
}

// Differences of neighbours ask what differences from the first ask.
TEST(JointGroupTest, DoesNotDependOnHowTheQuestionIsWritten) {
  const std::vector<MatrixD> rows = three_rows();
  const std::vector<MatrixD> neighbours{rows[0] - rows[1], rows[1] - rows[2]};
  const std::vector<MatrixD> from_first{rows[0] - rows[1], rows[0] - rows[2]};
  DesignMatrix design{MatrixD(9, 2), {"intercept", "age"}};
  design.values << Eigen::VectorXd::Ones(9), Eigen::VectorXd::LinSpaced(9, -3, 4).array().square();
  for (const Eigen::Vector2d& weights : {Eigen::Vector2d(1, 0), Eigen::Vector2d(0, 1)}) {
    const ContrastMaps one = joint_group_test(neighbours, design, weights);
    const ContrastMaps other = joint_group_test(from_first, design, weights);
    EXPECT_EQ(one.df, 6);
    EXPECT_LE((one.stat - other.stat).cwiseAbs().maxCoeff(), 1e-9);
    EXPECT_GT(one.stat.minCoeff(), 0);
  }
}

// Two groups: Hotelling's two-sample test with the pooled covariance.
TEST(JointGroupTest, TellsTwoGroupsApart) {
  const std::vector<MatrixD> rows = three_rows();
  DesignMatrix design{MatrixD::Zero(9, 2), {"a", "b"}};
  design.values.col(0).head(4).setOnes();
  design.values.col(1).tail(5).setOnes();
  const ContrastMaps found = joint_group_test({rows.data(), 2}, design, Eigen::Vector2d(1, -1));
  Eigen::MatrixXd values(9, 2);
  values << rows[0].col(1), rows[1].col(1);
  const Eigen::RowVector2d a = values.topRows(4).colwise().mean(), b = values.bottomRows(5).colwise().mean();
  Eigen::MatrixXd rest = values;
  rest.topRows(4).rowwise() -= a;
  rest.bottomRows(5).rowwise() -= b;
  const Eigen::Matrix2d pooled = rest.transpose() * rest / 7;
  const Eigen::Vector2d difference = (a - b).transpose();
  const double t_squared = difference.dot(pooled.inverse() * difference) / (1.0 / 4 + 1.0 / 5);
  EXPECT_EQ(found.df, 6);
  EXPECT_NEAR(found.stat[1], t_squared * 6 / (2 * 7), 1e-10 * t_squared);
}

TEST(JointGroupTest, RefusesWhatHasNoAnswer) {
  std::vector<MatrixD> rows = three_rows();
  const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
  EXPECT_THROW(joint_group_test({}, mean_of(9), one), UsageError);
  EXPECT_THROW(joint_group_test(rows, mean_of(8), one), ShapeError);
  EXPECT_THROW(joint_group_test(rows, mean_of(9), Eigen::Vector2d(1, 0)), ShapeError);
  EXPECT_THROW(joint_group_test(rows, mean_of(9), Eigen::VectorXd::Zero(1)), DataError);
  for (MatrixD& row : rows) row = row.topRows(3).eval();
  EXPECT_THROW(joint_group_test(rows, mean_of(3), one), UsageError);
  rows = three_rows();
  for (MatrixD& row : rows) row.col(0).setConstant(2.3);  // the same in all subjects
  EXPECT_EQ(joint_group_test(rows, mean_of(9), one).stat[0], 0);
  rows[1](2, 1) = std::nan("");
  EXPECT_THROW(joint_group_test(rows, mean_of(9), one), DataError);
}

}  // namespace
}  // namespace noema
