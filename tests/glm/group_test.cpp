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

}  // namespace
}  // namespace noema
