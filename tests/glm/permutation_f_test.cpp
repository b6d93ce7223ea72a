// F of rearranged subjects against every arrangement fitted anew: Freedman and Lane's scheme written out, with F from
// the sums of squares of two fits, and Hotelling's T² from the covariance of the rests.
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <functional>
#include <numeric>

#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/glm/clusters.h"
#include "noema/glm/contrast.h"
#include "noema/glm/group.h"
#include "noema/glm/permutation.h"
#include "noema/glm/tfce.h"
#include "noema/tests/glm/blobs.h"

namespace noema {
namespace {

/// A map of n subjects for each place of a box of 4 × 3 × 3 voxels, of which `shift` moves a corner of
/// eight; `which` tells maps apart.
MatrixD subject_maps(Eigen::Index subjects, double which, const std::function<double(Eigen::Index)>& shift) {
  return MatrixD::NullaryExpr(subjects, 36, [&](Eigen::Index s, Eigen::Index v) {
    const bool in_corner = v % 4 < 2 && v / 4 % 3 < 2 && v / 12 < 2;
    const auto i = static_cast<double>(s + 1), j = static_cast<double>(v);
    return std::sin((12.9898 + which) * i * (j + 1)) + std::cos((7.233 + which) * i * i + 0.31 * j * i) +
           (in_corner ? shift(s) : 0);
  });
}

const Mask& box() {
  static const Mask kMask = box_mask({4, 3, 3});
  return kMask;
}

PermutedOlsOptions all_tests(std::int64_t permutations) {
  PermutedOlsOptions options;
  options.permutations = permutations;
  options.tfce = true;
  options.cluster_forming_p = 0.2;
  return options;
}

std::vector<Eigen::MatrixXd> all_signs(Eigen::Index n) {
  std::vector<Eigen::MatrixXd> signs;
  for (unsigned which = 0; which < 1U << n; ++which) {
    signs.emplace_back(Eigen::MatrixXd::Identity(n, n));
    for (Eigen::Index i = 0; i < n; ++i) signs.back()(i, i) = (which >> i & 1) != 0 ? -1 : 1;
  }
  return signs;
}

std::vector<Eigen::MatrixXd> all_orders(Eigen::Index n) {
  std::vector<Eigen::MatrixXd> orders;
  std::vector<Eigen::Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  do {
    orders.emplace_back(Eigen::MatrixXd::Identity(n, n)(order, Eigen::all));
  } while (std::next_permutation(order.begin(), order.end()));
  return orders;
}

Eigen::MatrixXd fitted(const Eigen::MatrixXd& design, const Eigen::MatrixXd& y) {
  if (design.cols() == 0) return Eigen::MatrixXd::Zero(y.rows(), y.cols());
  return design * design.colPivHouseholderQr().solve(y);
}

/// F of what the full model explains beside the nuisance, whose columns it spans too.
double f_of_fits(const Eigen::MatrixXd& full, const Eigen::MatrixXd& nuisance, const Eigen::VectorXd& y) {
  const auto rows = static_cast<double>(full.cols() - nuisance.cols());
  const double rest = (y - fitted(full, y)).squaredNorm();
  return ((y - fitted(nuisance, y)).squaredNorm() - rest) / rows / (rest / static_cast<double>(y.size() - full.cols()));
}

/// F of Hotelling's T² of the first column of `full`.
double hotelling_f(const Eigen::MatrixXd& full, const Eigen::MatrixXd& y) {
  const auto df = static_cast<double>(full.rows() - full.cols()), q = static_cast<double>(y.cols());
  const Eigen::MatrixXd beta = full.colPivHouseholderQr().solve(y), rest = y - full * beta;
  const double variance = (full.transpose() * full).inverse()(0, 0);
  const Eigen::RowVectorXd effect = beta.row(0);
  const double t_squares = (effect * (rest.transpose() * rest / df * variance).inverse()).dot(effect);
  return t_squares * (df - q + 1) / (q * df);
}

using MapOf = std::function<std::vector<double>(const Eigen::MatrixXd& arrangement)>;

/// `arrangements`: the observed one first.
void expect_all(const PermutedOlsResult& found, const std::vector<Eigen::MatrixXd>& arrangements, const MapOf& map_of,
                double rows, double df) {
  ASSERT_TRUE(found.exhaustive && found.tfce && found.cluster_size && found.cluster_mass);
  EXPECT_EQ(found.permutations, std::ssize(arrangements) - 1);
  EXPECT_EQ(found.df, df);
  EXPECT_EQ(found.df_numerator, rows);
  const double threshold = boost::math::quantile(boost::math::fisher_f(rows, df), 0.8);
  EXPECT_NEAR(found.cluster_threshold, threshold, 1e-12);
  TfceOptions enhancing;
  enhancing.two_sided = false;
  ClusterFinder finder(box());
  std::vector<double> observed, voxels, enhanced, size, mass;
  for (const Eigen::MatrixXd& arrangement : arrangements) {
    const std::vector<double> map = map_of(arrangement), tfce_map = tfce(box(), map, enhancing);
    if (observed.empty()) {
      observed = map;
      for (std::size_t v = 0; v < map.size(); ++v) {
        const auto place = static_cast<Eigen::Index>(v);
        EXPECT_NEAR(found.voxels.stat[place], map[v], 1e-9 * std::max(1.0, map[v])) << v;
        EXPECT_NEAR(found.tfce->stat[place], tfce_map[v], 1e-8 * std::max(1.0, tfce_map[v])) << v;
      }
    }
    voxels.push_back(*std::max_element(map.begin(), map.end()));
    enhanced.push_back(*std::max_element(tfce_map.begin(), tfce_map.end()));
    const ClusterExtremes clusters = largest_clusters(finder, map, threshold, false);
    size.push_back(static_cast<double>(clusters.size));
    mass.push_back(clusters.mass);
  }
  const auto expect_equal = [](const MaxTest& test, const std::vector<double>& maxima) {
    std::vector<double> others(maxima.begin() + 1, maxima.end());
    std::sort(others.begin(), others.end());
    ASSERT_EQ(test.null_maxima.size(), others.size());
    for (std::size_t k = 0; k < others.size(); ++k) {
      ASSERT_NEAR(test.null_maxima[k], others[k], 1e-7 * std::max(1.0, others[k])) << k;
    }
    EXPECT_NEAR(test.stat.maxCoeff(), maxima[0], 1e-8 * std::max(1.0, maxima[0]));
    for (Eigen::Index v = 0; v < test.stat.size(); ++v) {
      const auto as_large =
          std::count_if(maxima.begin(), maxima.end(), [&](double value) { return value >= test.stat[v] * (1 - 1e-7); });
      EXPECT_NEAR(test.p[v], static_cast<double>(as_large) / static_cast<double>(maxima.size()), 1e-12) << v;
    }
  };
  expect_equal(found.voxels, voxels);
  expect_equal(*found.tfce, enhanced);
  expect_equal(*found.cluster_size, size);
  expect_equal(*found.cluster_mass, mass);
  EXPECT_LT(found.voxels.p.minCoeff(), 0.3);
  EXPECT_GT(*std::max_element(size.begin(), size.end()), 1);
}

MapOf f_maps_of(const MatrixD& data, const Eigen::MatrixXd& full, const Eigen::MatrixXd& nuisance) {
  return [=](const Eigen::MatrixXd& arrangement) {
    const Eigen::MatrixXd of_nuisance = fitted(nuisance, data);
    const Eigen::MatrixXd arranged = of_nuisance + arrangement * (data - of_nuisance);
    std::vector<double> map;
    for (Eigen::Index v = 0; v < data.cols(); ++v) map.push_back(f_of_fits(full, nuisance, arranged.col(v)));
    return map;
  };
}

// 7! orders: whether three groups differ beside their age. The rows are dependent: two of three count.
TEST(PermutedF, ShufflesAllOrdersForDifferencesOfGroups) {
  DesignMatrix design{MatrixD(7, 4), {"a", "b", "c", "age"}};
  design.values.setZero();
  for (int s = 0; s < 7; ++s) {
    design.values(s, s % 3) = 1;
    design.values(s, 3) = std::cos(1.9 * s) + s % 3;
  }
  const MatrixD data = subject_maps(7, 0.3, [](Eigen::Index s) { return s % 3 == 2 ? 3.0 : s % 3 == 1 ? 1.0 : 0.0; });
  Eigen::MatrixXd rows(3, 4);
  rows << 1, -1, 0, 0, 0, 1, -1, 0, 1, 0, -1, 0;
  const PermutedOlsResult found = permuted_f_contrast(data, design, rows, &box(), all_tests(5039));
  EXPECT_FALSE(found.flips_signs);
  Eigen::MatrixXd nuisance(7, 2);
  nuisance << Eigen::VectorXd::Ones(7), design.values.col(3);
  expect_all(found, all_orders(7), f_maps_of(data, design.values, nuisance), 2, 3);
  const ContrastMaps fit = f_contrast(fit_glm(data, design, NoiseModel::ols), rows);
  EXPECT_LT((found.voxels.stat - fit.stat).cwiseAbs().maxCoeff(), 1e-9 * fit.stat.maxCoeff());
}

// 2⁹ signs: whether any of two groups' means differs from 0 beside age; nothing of the rest is a constant.
TEST(PermutedF, FlipsAllSignsForMeans) {
  DesignMatrix design{MatrixD(9, 3), {"a", "b", "age"}};
  for (int s = 0; s < 9; ++s) design.values.row(s) << s % 2, 1 - s % 2, std::sin(2.3 * s);
  const MatrixD data = subject_maps(9, 1.1, [](Eigen::Index s) { return s % 2 == 0 ? 1.5 : -1.5; });
  const Eigen::MatrixXd rows = Eigen::MatrixXd::Identity(2, 3);
  const PermutedOlsResult found = permuted_f_contrast(data, design, rows, &box(), all_tests(511));
  EXPECT_TRUE(found.flips_signs);
  expect_all(found, all_signs(9), f_maps_of(data, design.values, design.values.rightCols(1)), 2, 6);
}

// F of one row is the square of t, which counts both signs; but its clusters join voxels of both.
TEST(PermutedF, OfOneRowIsTheSquareOfT) {
  DesignMatrix design{MatrixD(11, 2), {"intercept", "age"}};
  for (int s = 0; s < 11; ++s) design.values.row(s) << 1, std::cos(0.7 * s * s);
  const MatrixD data = subject_maps(11, 2, [](Eigen::Index s) { return 1.2 * std::cos(0.7 * s * s); });
  const PermutedOlsOptions options = all_tests(300);
  const PermutedOlsResult t = permuted_contrast(data, design, Eigen::Vector2d(0, 1), &box(), options);
  for (const double scale : {1.0, -4.0}) {
    const PermutedOlsResult f = permuted_f_contrast(data, design, Eigen::RowVector2d(0, scale), &box(), options);
    EXPECT_EQ(f.df_numerator, 1);
    EXPECT_EQ(f.df, t.df);
    EXPECT_NEAR(f.cluster_threshold, t.cluster_threshold * t.cluster_threshold, 1e-9);
    const Eigen::VectorXd squares = t.voxels.stat.array().square();
    EXPECT_LT((f.voxels.stat - squares).cwiseAbs().maxCoeff(), 1e-10 * squares.maxCoeff());
    EXPECT_EQ(f.voxels.p, t.voxels.p);
    for (Eigen::Index v = 0; v < 36; ++v) EXPECT_GE(f.cluster_size->stat[v], t.cluster_size->stat[v]);
    EXPECT_GT(f.cluster_size->stat.maxCoeff(), 0);
  }
  EXPECT_EQ(t.df_numerator, 0);
}

/// Three effects of nine subjects that hang together, of which two are moved, and their age.
struct JointEffectsOfNine {
  std::vector<MatrixD> effects;
  DesignMatrix design{MatrixD(9, 2), {"intercept", "age"}};

  JointEffectsOfNine() {
    for (int s = 0; s < 9; ++s) design.values.row(s) << 1, std::cos(1.7 * s) + 0.5;
    effects.push_back(subject_maps(9, 0.1, [](Eigen::Index) { return 2.0; }));
    effects.push_back(subject_maps(9, 0.9, [](Eigen::Index) { return -2.0; }));
    effects.push_back(subject_maps(9, 1.7, [](Eigen::Index) { return 0.0; }) + 0.6 * effects[0]);
  }

  MapOf maps_of(const Eigen::MatrixXd& full, const Eigen::MatrixXd& nuisance) const {
    return [=, this](const Eigen::MatrixXd& arrangement) {
      std::vector<double> map;
      for (Eigen::Index v = 0; v < 36; ++v) {
        Eigen::MatrixXd y(9, 3);
        for (Eigen::Index k = 0; k < 3; ++k) y.col(k) = effects[static_cast<std::size_t>(k)].col(v);
        const Eigen::MatrixXd of_nuisance = fitted(nuisance, y);
        map.push_back(hotelling_f(full, of_nuisance + arrangement * (y - of_nuisance)));
      }
      return map;
    };
  }
};

// 2⁹ signs of all three effects together: the mean beside age, and alone.
TEST(PermutedJointContrast, FlipsAllSignsOfSubjects) {
  const JointEffectsOfNine nine;
  const PermutedOlsResult beside =
      permuted_joint_contrast(nine.effects, nine.design, Eigen::Vector2d(1, 0), &box(), all_tests(511));
  EXPECT_TRUE(beside.flips_signs);
  expect_all(beside, all_signs(9), nine.maps_of(nine.design.values, nine.design.values.rightCols(1)), 3, 5);
  const ContrastMaps fit = joint_group_test(nine.effects, nine.design, Eigen::Vector2d(1, 0));
  EXPECT_LT((beside.voxels.stat - fit.stat).cwiseAbs().maxCoeff(), 1e-8 * fit.stat.maxCoeff());
  const DesignMatrix ones{MatrixD::Ones(9, 1), {"intercept"}};
  const auto alone = permuted_joint_contrast(nine.effects, ones, Eigen::VectorXd::Ones(1), &box(), all_tests(511));
  expect_all(alone, all_signs(9), nine.maps_of(ones.values, Eigen::MatrixXd(9, 0)), 3, 6);
}

// The slope of age is asked by orders, here some of 9!, each of which is fitted anew; other effects of the same span
// and another thread count change nothing.
TEST(PermutedJointContrast, ShufflesSubjects) {
  const JointEffectsOfNine nine;
  PermutedOlsOptions options;
  options.permutations = 200;
  const auto run = [&](const std::vector<MatrixD>& effects) {
    return permuted_joint_contrast(effects, nine.design, Eigen::Vector2d(0, 1), nullptr, options);
  };
  const PermutedOlsResult found = run(nine.effects);
  EXPECT_FALSE(found.flips_signs || found.exhaustive);
  const ContrastMaps fit = joint_group_test(nine.effects, nine.design, Eigen::Vector2d(0, 1));
  EXPECT_LT((found.voxels.stat - fit.stat).cwiseAbs().maxCoeff(), 1e-8 * fit.stat.maxCoeff());
  const PermutedOlsResult other = run({nine.effects[0] - nine.effects[1], 3 * nine.effects[2], nine.effects[1]});
  for (std::size_t k = 0; k < 200; ++k) {
    EXPECT_NEAR(found.voxels.null_maxima[k], other.voxels.null_maxima[k], 1e-7 * found.voxels.null_maxima[k]);
  }
  const int threads = thread_count();
  set_thread_count(threads == 1 ? 3 : 1);
  EXPECT_EQ(run(nine.effects).voxels.null_maxima, found.voxels.null_maxima);
  set_thread_count(threads);
}

TEST(PermutedJointContrast, OfOneEffectIsFOfIt) {
  const JointEffectsOfNine nine;
  const auto joint =
      permuted_joint_contrast({nine.effects.data(), 1}, nine.design, Eigen::Vector2d(0, 1), &box(), all_tests(100));
  const auto f = permuted_f_contrast(nine.effects[0], nine.design, Eigen::RowVector2d(0, 1), &box(), all_tests(100));
  EXPECT_EQ(joint.voxels.null_maxima, f.voxels.null_maxima);
  EXPECT_EQ(joint.tfce->p, f.tfce->p);
}

// Where the effects of all subjects hang together or are the same there is nothing to tell them apart by.
TEST(PermutedJointContrast, VoxelsOfFewerDirectionsHaveNoEffect) {
  JointEffectsOfNine nine;
  nine.effects[1].col(3) = 2 * nine.effects[0].col(3);
  nine.effects[2].col(7).setConstant(4);
  nine.effects[0].col(9).setZero();
  const DesignMatrix design{nine.design.values, nine.design.names};
  PermutedOlsOptions options;
  options.permutations = 50;
  const auto found = permuted_joint_contrast(nine.effects, design, Eigen::Vector2d(0, 1), nullptr, options);
  EXPECT_EQ(found.constant_voxels, 3);
  for (const Eigen::Index v : {3, 7, 9}) {
    EXPECT_EQ(found.voxels.stat[v], 0);
    EXPECT_EQ(found.voxels.p[v], 1);
  }
  EXPECT_GT(found.voxels.stat[4], 0);
}

TEST(PermutedF, RefusesWhatHasNoAnswer) {
  const JointEffectsOfNine nine;
  const PermutedOlsOptions options = all_tests(10);
  const MatrixD& data = nine.effects[0];
  EXPECT_THROW(permuted_f_contrast(data, nine.design, Eigen::MatrixXd::Zero(2, 2), &box(), options), UsageError);
  EXPECT_THROW(permuted_f_contrast(data, nine.design, Eigen::MatrixXd::Identity(2, 3), &box(), options), ShapeError);
  DesignMatrix twice = nine.design;
  twice.values.col(1).setOnes();
  EXPECT_THROW(permuted_f_contrast(data, twice, Eigen::MatrixXd::Identity(2, 2), &box(), options), DataError);
  EXPECT_THROW(permuted_joint_contrast({}, nine.design, Eigen::Vector2d(1, 0), &box(), options), UsageError);
  std::vector<MatrixD> narrow = nine.effects;
  narrow[1] = narrow[1].leftCols(35).eval();
  EXPECT_THROW(permuted_joint_contrast(narrow, nine.design, Eigen::Vector2d(1, 0), nullptr, {}), ShapeError);
  const std::vector<MatrixD> many(8, data);
  EXPECT_THROW(permuted_joint_contrast(many, nine.design, Eigen::Vector2d(1, 0), &box(), options), DataError);
}

}  // namespace
}  // namespace noema
