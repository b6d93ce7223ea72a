// t against nilearn 0.14.1's permuted_ols (n_perm=0) on Y[i,v] = sin(1.3i + 0.7vi) + 0.4cos(0.5i² + v) + 0.3v, x =
// cos(0.9i), confounds sin(0.4i) and i mod 3, i < 15, v < 4; p values against enumeration with plain least squares.
#include "noema/glm/permutation.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/glm/arrangements.h"
#include "noema/glm/clusters.h"
#include "noema/glm/tfce.h"
#include "noema/tests/glm/blobs.h"

namespace noema {
namespace {

const MatrixD kNoConfounds(0, 0);

MatrixD wave_data() {
  MatrixD data(15, 4);
  for (int i = 0; i < 15; ++i) {
    for (int v = 0; v < 4; ++v)
      data(i, v) = std::sin(1.3 * i + 0.7 * v * i) + 0.4 * std::cos(0.5 * i * i + v) + 0.3 * v;
  }
  return data;
}

Eigen::VectorXd wave_variate() {
  return Eigen::VectorXd::NullaryExpr(15, [](Eigen::Index i) { return std::cos(0.9 * static_cast<double>(i)); });
}

MatrixD wave_confounds() {
  return MatrixD::NullaryExpr(15, 2, [](Eigen::Index i, Eigen::Index c) {
    return c == 0 ? std::sin(0.4 * static_cast<double>(i)) : static_cast<double>(i % 3);
  });
}

MatrixD noise(Eigen::Index rows, Eigen::Index voxels, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  return MatrixD::NullaryExpr(rows, voxels, [&] { return normal(random); });
}

void expect_t(const PermutedOlsResult& found, const std::vector<double>& expected) {
  const double largest = Eigen::Map<const Eigen::VectorXd>(expected.data(), std::ssize(expected)).cwiseAbs().maxCoeff();
  for (std::size_t v = 0; v < expected.size(); ++v) {
    EXPECT_NEAR(found.voxels.stat[static_cast<Eigen::Index>(v)], expected[v], 1e-12 * largest);
  }
}

PermutedOlsOptions few(std::int64_t permutations, bool two_sided = true) {
  PermutedOlsOptions options;
  options.permutations = permutations;
  options.two_sided = two_sided;
  return options;
}

TEST(PermutedOls, TEqualsNilearn) {
  const MatrixD data = wave_data();
  const Eigen::VectorXd x = wave_variate(), ones = Eigen::VectorXd::Ones(15);
  const PermutedOlsOptions options = few(1);
  PermutedOlsOptions bare = options;
  bare.model_intercept = false;
  const PermutedOlsResult with_confounds = permuted_ols(data, x, wave_confounds(), nullptr, options);
  expect_t(with_confounds, {0.3615250780027781, 0.6047868649824132, -0.11884253156596682, -0.5946720185074049});
  EXPECT_EQ(with_confounds.df, 11);
  expect_t(permuted_ols(data, x, kNoConfounds, nullptr, options),
           {0.33082849402799475, 0.6421163786737598, -0.09944549617163075, -0.5840725073137503});
  expect_t(permuted_ols(data, x, wave_confounds(), nullptr, bare),
           {0.36453716614652254, 0.6655316977181434, 0.0173459950967969, -0.3316398939597251});
  expect_t(permuted_ols(data, x, kNoConfounds, nullptr, bare),
           {0.34811526896967826, 0.7564507588598606, 0.14199861914825115, -0.09548455539644857});
  const PermutedOlsResult one_sample = permuted_ols(data, ones, kNoConfounds, nullptr, options);
  expect_t(one_sample, {0.06695990905438817, 1.7802833423552402, 3.0210397579915784, 4.690269924693027});
  EXPECT_EQ(one_sample.df, 14);
  expect_t(permuted_ols(data, ones, wave_confounds(), nullptr, options),
           {-0.18414782001891294, 0.8122182188278881, 2.298530651520161, 2.877001125492103});
}

// A constant or repeated confound changes nothing beside an intercept.
TEST(PermutedOls, CountsDirectionsOfConfoundsOnce) {
  MatrixD confounds(15, 4);
  confounds << wave_confounds(), wave_confounds().col(0) * 3, Eigen::VectorXd::Constant(15, 7);
  const auto plain = permuted_ols(wave_data(), wave_variate(), wave_confounds(), nullptr, few(50));
  const auto repeated = permuted_ols(wave_data(), wave_variate(), confounds, nullptr, few(50));
  EXPECT_EQ(plain.df, repeated.df);
  EXPECT_LT((plain.voxels.stat - repeated.voxels.stat).cwiseAbs().maxCoeff(), 1e-12);
  EXPECT_EQ(plain.voxels.p, repeated.voxels.p);
}

/// t of the first column of `design` in an ordinary fit.
double t_of_fit(const Eigen::MatrixXd& design, const Eigen::VectorXd& y) {
  const Eigen::VectorXd beta = design.colPivHouseholderQr().solve(y);
  const auto df = static_cast<double>(design.rows() - design.cols());
  const Eigen::MatrixXd inverse = (design.transpose() * design).inverse();
  return beta[0] / std::sqrt((y - design * beta).squaredNorm() / df * inverse(0, 0));
}

/// p of each voxel from maxima of all arrangements, the observed one among them.
std::vector<double> exact_p(const std::vector<double>& observed, const std::vector<double>& maxima) {
  std::vector<double> p;
  for (const double value : observed) {
    const auto as_large =
        std::count_if(maxima.begin(), maxima.end(), [&](double maximum) { return maximum > value - 1e-9; });
    p.push_back(static_cast<double>(as_large) / static_cast<double>(maxima.size()));
  }
  return p;
}

// 2⁹ signs of 9 rows, each fitted anew.
TEST(PermutedOls, FlipsAllSignsOfFewRows) {
  MatrixD data = noise(9, 6, 2);
  data.col(0).array() += 1.2;
  const PermutedOlsResult found = permuted_ols(data, Eigen::VectorXd::Ones(9), kNoConfounds, nullptr, few(1000, false));
  EXPECT_TRUE(found.exhaustive);
  EXPECT_EQ(found.permutations, 511);
  std::vector<double> maxima, observed;
  for (unsigned signs = 0; signs < 512; ++signs) {
    double largest = -1e9;
    for (Eigen::Index v = 0; v < 6; ++v) {
      Eigen::VectorXd y = data.col(v);
      for (int i = 0; i < 9; ++i) y[i] *= (signs >> i & 1) != 0 ? -1 : 1;
      const double t = t_of_fit(Eigen::VectorXd::Ones(9), y);
      largest = std::max(largest, t);
      if (signs == 0) observed.push_back(t);
    }
    maxima.push_back(largest);
  }
  const std::vector<double> expected = exact_p(observed, maxima);
  for (std::size_t v = 0; v < 6; ++v) EXPECT_NEAR(found.voxels.p[static_cast<Eigen::Index>(v)], expected[v], 1e-12);
  EXPECT_LT(found.voxels.p[0], 0.1);
}

// No arrangement but the observed one (and, of both signs, its opposite) is as large: of 2ⁿ signs where all subjects
// have an effect of one sign, and of 6!/(3!·3!) ways to part six into two groups that do not overlap.
TEST(PermutedOls, SmallestPIsOneOfAllArrangements) {
  MatrixD data(8, 1);
  data << 1.1, 0.7, 2.3, 1.9, 0.2, 3.1, 1.4, 0.9;
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(8);
  EXPECT_DOUBLE_EQ(permuted_ols(data, ones, kNoConfounds, nullptr, few(255, false)).voxels.p[0], 1.0 / 256);
  EXPECT_DOUBLE_EQ(permuted_ols(data, ones, kNoConfounds, nullptr, few(255)).voxels.p[0], 2.0 / 256);
  EXPECT_DOUBLE_EQ(permuted_ols(-data, ones, kNoConfounds, nullptr, few(255, false)).voxels.p[0], 1);
  MatrixD parted(6, 1);
  parted << 2.2, 0.1, 1.7, 0.4, 3, -0.5;
  Eigen::VectorXd group(6);
  group << 1, 0, 1, 0, 1, 0;
  EXPECT_DOUBLE_EQ(permuted_ols(parted, group, kNoConfounds, nullptr, few(719, false)).voxels.p[0], 1.0 / 20);
  EXPECT_DOUBLE_EQ(permuted_ols(parted, group, kNoConfounds, nullptr, few(719)).voxels.p[0], 2.0 / 20);
}

// nilearn's p of 50,000 random flips (random_state=1) are those of all 2¹⁵ within four standard errors, and those of
// 50,000 orders beside confounds those of as many of ours.
TEST(PermutedOls, PEqualsNilearn) {
  const auto expect = [](const PermutedOlsResult& found, const std::vector<double>& p) {
    for (std::size_t v = 0; v < p.size(); ++v) {
      const double error = std::sqrt((found.exhaustive ? 1 : 2) * p[v] * (1 - p[v]) / 50000);
      EXPECT_NEAR(found.voxels.p[static_cast<Eigen::Index>(v)], p[v], 4 * error + 1e-4) << v;
    }
  };
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(15);
  const auto all = permuted_ols(wave_data(), ones, kNoConfounds, nullptr, few(50000));
  EXPECT_TRUE(all.exhaustive);
  EXPECT_EQ(all.permutations, (1 << 15) - 1);
  expect(all, {1, 0.3371132577348453, 0.042959140817183654, 0.002839943201135978});
  expect(permuted_ols(wave_data(), ones, kNoConfounds, nullptr, few(50000, false)),
         {0.881102377952441, 0.1750164996700066, 0.02231955360892782, 0.0015599688006239882});
  const Eigen::VectorXd x = wave_variate();
  expect(permuted_ols(wave_data(), x, wave_confounds(), nullptr, few(50000)),
         {0.9937801243975121, 0.9606607867842644, 0.99990000199996, 0.9632607347853043});
  expect(permuted_ols(wave_data(), x, wave_confounds(), nullptr, few(50000, false)),
         {0.8613427731445371, 0.753704925901482, 0.9775604487910242, 0.999180016399672});
}

// 6! orders: the residuals of the confounds are fitted by variate, confound and constant in another order. A binary
// variate gives many orders that are the same.
TEST(PermutedOls, ShufflesAllOrdersOfFewRows) {
  const MatrixD data = noise(6, 3, 4);
  const MatrixD confounds = noise(6, 1, 5);
  Eigen::VectorXd x(6);
  x << 1, 1, 1, 0, 0, 0;
  const PermutedOlsResult found = permuted_ols(data, x, confounds, nullptr, few(719));
  EXPECT_TRUE(found.exhaustive);
  EXPECT_EQ(found.permutations, 719);
  Eigen::MatrixXd design(6, 3);
  design << x, confounds, Eigen::VectorXd::Ones(6);
  const Eigen::MatrixXd nuisance = design.rightCols(2);
  std::vector<double> maxima, observed;
  std::vector<Eigen::Index> order = {0, 1, 2, 3, 4, 5};
  do {
    double largest = 0;
    for (Eigen::Index v = 0; v < 3; ++v) {
      const Eigen::VectorXd y = data.col(v);
      const Eigen::VectorXd rest = y - nuisance * nuisance.colPivHouseholderQr().solve(y);
      const double t = std::abs(t_of_fit(design(order, Eigen::all), rest));
      largest = std::max(largest, t);
      if (maxima.empty()) observed.push_back(t);
    }
    maxima.push_back(largest);
  } while (std::next_permutation(order.begin(), order.end()));
  const std::vector<double> expected = exact_p(observed, maxima);
  for (std::size_t v = 0; v < 3; ++v) EXPECT_NEAR(found.voxels.p[static_cast<Eigen::Index>(v)], expected[v], 1e-12);
  std::sort(maxima.begin(), maxima.end());
  EXPECT_NEAR(found.voxels.null_maxima.front(), maxima.front(), 1e-9);
  EXPECT_NEAR(found.voxels.null_maxima.back(), maxima.back(), 1e-9);
}

// TFCE, size and mass of clusters in every one of 2⁷ arrangements, by the functions for one map.
TEST(PermutedOls, EnhancesAndClustersEveryArrangement) {
  const Mask mask = box_mask({5, 4, 3});
  MatrixD data = noise(7, 60, 6);
  data.leftCols(12).array() += 1;
  for (const bool two_sided : {true, false}) {
    PermutedOlsOptions options = few(127, two_sided);
    options.tfce = true;
    options.cluster_forming_p = 0.1;
    const PermutedOlsResult found = permuted_ols(data, Eigen::VectorXd::Ones(7), kNoConfounds, &mask, options);
    ASSERT_TRUE(found.tfce && found.cluster_size && found.cluster_mass);
    const double threshold = boost::math::quantile(boost::math::students_t(6), two_sided ? 0.95 : 0.9);
    EXPECT_NEAR(found.cluster_threshold, threshold, 1e-12);
    TfceOptions enhancing;
    enhancing.two_sided = two_sided;
    ClusterFinder finder(mask);
    std::vector<double> tfce_maxima, size_maxima, mass_maxima;
    for (unsigned signs = 1; signs < 128; ++signs) {
      MatrixD flipped = data;
      for (int i = 0; i < 7; ++i) flipped.row(i) *= (signs >> i & 1) != 0 ? -1 : 1;
      std::vector<double> t;
      for (Eigen::Index v = 0; v < 60; ++v) t.push_back(t_of_fit(Eigen::VectorXd::Ones(7), flipped.col(v)));
      double highest = 0;
      for (const double value : tfce(mask, t, enhancing))
        highest = std::max(highest, two_sided ? std::abs(value) : value);
      tfce_maxima.push_back(highest);
      const ClusterExtremes clusters = largest_clusters(finder, t, threshold, two_sided);
      size_maxima.push_back(static_cast<double>(clusters.size));
      mass_maxima.push_back(clusters.mass);
    }
    const auto expect_equal = [](const MaxTest& test, std::vector<double> maxima) {
      std::sort(maxima.begin(), maxima.end());
      for (std::size_t k = 0; k < maxima.size(); ++k) EXPECT_NEAR(test.null_maxima[k], maxima[k], 1e-8 * maxima.back());
      Eigen::Index peak = 0;
      const double highest = test.stat.maxCoeff(&peak);
      const auto as_large =
          std::count_if(maxima.begin(), maxima.end(), [&](double maximum) { return maximum > highest * (1 - 1e-8); });
      EXPECT_NEAR(test.p[peak], (1.0 + static_cast<double>(as_large)) / 128, 1e-12);
      EXPECT_LT(test.p[peak], 0.1);
    };
    expect_equal(*found.tfce, tfce_maxima);
    expect_equal(*found.cluster_size, size_maxima);
    expect_equal(*found.cluster_mass, mass_maxima);
    EXPECT_EQ(found.cluster_size->p.maxCoeff(), 1);  // outside of clusters
    EXPECT_EQ(found.cluster_size->stat.minCoeff(), 0);
  }
}

/// Twelve subjects of two groups and an age that hangs together with them, and their effects in a box of 6 × 5 × 4
/// voxels, in a corner of which the groups differ.
struct TwoGroups {
  MatrixD data{12, 120};
  DesignMatrix design{MatrixD(12, 3), {"group[a]", "group[b]", "age"}};
  Mask mask = box_mask({6, 5, 4});

  TwoGroups() {
    for (int i = 0; i < 12; ++i) {
      const double group = i % 2, age = std::cos(0.9 * i) + 0.3 * group;
      design.values.row(i) << 1 - group, group, age;
      for (int v = 0; v < 120; ++v) {
        const bool differs = v % 6 < 3 && v / 6 % 5 < 2 && v / 30 < 2;
        data(i, v) = std::sin(1.3 * i + 0.7 * v * i) + 0.4 * std::cos(0.5 * i * i + v) + 0.5 * age;
        if (differs) data(i, v) += 1.1 * group;
      }
    }
  }
};

constexpr int voxel_of(int x, int y, int z) { return x + 6 * (y + 5 * z); }

// nilearn 0.14.1: permuted_ols(group, data, age, model_intercept=True, n_perm=20000, two_sided_test=True,
// random_state=0, masker=…, tfce=True, threshold=0.05) on these numbers, group being 0 and 1. p of random orders agree
// within four standard errors.
TEST(PermutedContrast, DifferenceOfGroupsBesideAgeEqualsNilearn) {
  const TwoGroups groups;
  PermutedOlsOptions options = few(20000);
  options.tfce = true;
  options.cluster_forming_p = 0.05;
  const auto found = permuted_contrast(groups.data, groups.design, Eigen::Vector3d(-1, 1, 0), &groups.mask, options);
  EXPECT_FALSE(found.flips_signs);
  EXPECT_EQ(found.df, 9);
  const int places[] = {voxel_of(1, 0, 0), voxel_of(2, 1, 1), voxel_of(4, 3, 2)};
  const auto expect = [&](const MaxTest& test, std::array<double, 3> stat, std::array<double, 3> p) {
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(test.stat[places[k]], stat[k], 1e-9 * std::max(1.0, stat[k])) << k;
      EXPECT_NEAR(test.p[places[k]], p[k], 4 * std::sqrt(2 * p[k] * (1 - p[k]) / 20000) + 1e-4) << k;
    }
  };
  expect(found.voxels, {2.287697893226223, 3.0693002544485632, -0.06106200261595719}, {0.78416, 0.44648, 1});
  expect(*found.tfce, {175.86434245897644, 348.7864893679189, 0}, {0.86791, 0.47998, 1});
  expect(*found.cluster_size, {6, 6, 0}, {0.00635, 0.00635, 1});
  expect(*found.cluster_mass, {6.213850530762233, 6.213850530762233, 0}, {0.00975, 0.00975, 1});
  EXPECT_NEAR(found.voxels.p.minCoeff(), 0.017649, 0.004);
}

/// Maxima and observed values of |t| of a contrast over every arrangement of the residuals of the model without it
/// (Freedman and Lane), each fitted anew by the whole model.
std::vector<double> direct_p(const MatrixD& data, const Eigen::MatrixXd& nuisance, const Eigen::MatrixXd& full,
                             const std::vector<Eigen::MatrixXd>& arrangements) {
  std::vector<double> maxima, observed;
  for (const Eigen::MatrixXd& arrangement : arrangements) {
    double largest = 0;
    for (Eigen::Index v = 0; v < data.cols(); ++v) {
      const Eigen::VectorXd y = data.col(v);
      const Eigen::VectorXd fitted = nuisance * nuisance.colPivHouseholderQr().solve(y);
      const double t = std::abs(t_of_fit(full, fitted + arrangement * (y - fitted)));
      largest = std::max(largest, t);
      if (maxima.empty()) observed.push_back(t);
    }
    maxima.push_back(largest);
  }
  return exact_p(observed, maxima);
}

// All 2⁸ signs: the mean of the subjects beside their age, and that of one group.
TEST(PermutedContrast, FlipsSignsWhereAMeanIsAskedFor) {
  MatrixD data = noise(8, 5, 21);
  data.col(0).array() += 1.5;
  DesignMatrix design{MatrixD(8, 2), {"intercept", "age"}};
  design.values << Eigen::VectorXd::Ones(8), noise(8, 1, 22).array() + 30;
  std::vector<Eigen::MatrixXd> signs;
  for (unsigned which = 0; which < 256; ++which) {
    signs.emplace_back(Eigen::MatrixXd::Identity(8, 8));
    for (int i = 0; i < 8; ++i) signs.back()(i, i) = (which >> i & 1) != 0 ? -1 : 1;
  }
  const auto mean = permuted_contrast(data, design, Eigen::Vector2d(1, 0), nullptr, few(1000));
  EXPECT_TRUE(mean.flips_signs && mean.exhaustive);
  EXPECT_EQ(mean.df, 6);
  const std::vector<double> expected = direct_p(data, design.values.rightCols(1), design.values, signs);
  for (Eigen::Index v = 0; v < 5; ++v) EXPECT_NEAR(mean.voxels.p[v], expected[static_cast<std::size_t>(v)], 1e-12);

  design.values.col(0) << 1, 1, 1, 1, 1, 0, 0, 0;
  design.values.col(1) = 1 - design.values.col(0).array();
  const auto one = permuted_contrast(data, design, Eigen::Vector2d(1, 0), nullptr, few(1000));
  EXPECT_TRUE(one.flips_signs);
  const std::vector<double> of_one = direct_p(data, design.values.rightCols(1), design.values, signs);
  for (Eigen::Index v = 0; v < 5; ++v) EXPECT_NEAR(one.voxels.p[v], of_one[static_cast<std::size_t>(v)], 1e-12);

  // The slope of the same data is asked by shuffling, and signs say nothing of it.
  design.values << Eigen::VectorXd::Ones(8), noise(8, 1, 22);
  EXPECT_FALSE(permuted_contrast(data, design, Eigen::Vector2d(0, 1), nullptr, few(100)).flips_signs);
  const DesignMatrix ones{MatrixD::Ones(8, 1), {"intercept"}};
  const Eigen::VectorXd weight = Eigen::VectorXd::Ones(1);
  EXPECT_EQ(permuted_contrast(data, ones, weight, nullptr, few(1000)).voxels.p,
            permuted_ols(data, Eigen::VectorXd::Ones(8), kNoConfounds, nullptr, few(1000)).voxels.p);
}

// All 6! orders of a difference of two groups beside age, each group with a column of its own.
TEST(PermutedContrast, ShufflesWhatTheOtherColumnsLeave) {
  const MatrixD data = noise(6, 4, 23);
  DesignMatrix design{MatrixD(6, 3), {"group[a]", "group[b]", "age"}};
  design.values.col(0) << 1, 1, 1, 0, 0, 0;
  design.values.col(1) << 0, 0, 0, 1, 1, 1;
  design.values.col(2) = noise(6, 1, 24);
  Eigen::MatrixXd full(6, 3);
  full << design.values.col(1), Eigen::VectorXd::Ones(6), design.values.col(2);
  std::vector<Eigen::MatrixXd> orders;
  std::vector<Eigen::Index> order = {0, 1, 2, 3, 4, 5};
  do {
    orders.emplace_back(Eigen::MatrixXd::Identity(6, 6)(order, Eigen::all));
  } while (std::next_permutation(order.begin(), order.end()));
  const auto found = permuted_contrast(data, design, Eigen::Vector3d(-1, 1, 0), nullptr, few(719));
  EXPECT_TRUE(found.exhaustive);
  const std::vector<double> expected = direct_p(data, full.rightCols(2), full, orders);
  for (Eigen::Index v = 0; v < 4; ++v) {
    const Eigen::VectorXd y = data.col(v);
    EXPECT_NEAR(found.voxels.stat[v], t_of_fit(full, y), 1e-10);
    EXPECT_NEAR(found.voxels.p[v], expected[static_cast<std::size_t>(v)], 1e-12);
  }
}

// Under the null the corrected p is uniform though age, which has a large effect, hangs together with the group.
TEST(PermutedContrast, NullIsHeldBesideACovariate) {
  const Eigen::VectorXd age = noise(14, 1, 25);
  DesignMatrix design{MatrixD(14, 3), {"group", "intercept", "age"}};
  design.values << (age.array() + noise(14, 1, 26).array() > 0).cast<double>(), Eigen::VectorXd::Ones(14), age;
  const MatrixD data = noise(14, 300, 27) + 5 * age.replicate(1, 300);
  int small = 0;
  for (Eigen::Index v = 0; v < 300; ++v) {
    small +=
        permuted_contrast(data.col(v), design, Eigen::Vector3d(1, 0, 0), nullptr, few(199)).voxels.p[0] <= 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(small, 15, 12);  // three standard deviations
}

TEST(PermutedContrast, RefusesWhatHasNoAnswer) {
  const TwoGroups groups;
  EXPECT_THROW(permuted_contrast(groups.data, groups.design, Eigen::Vector2d(1, 0), nullptr, few(10)), ShapeError);
  EXPECT_THROW(permuted_contrast(groups.data, groups.design, Eigen::Vector3d::Zero(), nullptr, few(10)), UsageError);
  DesignMatrix twice = groups.design;
  twice.values.col(2).setOnes();  // the sum of both groups
  EXPECT_THROW(permuted_contrast(groups.data, twice, Eigen::Vector3d(1, 0, 0), nullptr, few(10)), DataError);
  const auto difference = permuted_contrast(groups.data, twice, Eigen::Vector3d(-1, 1, 0), nullptr, few(10));
  EXPECT_EQ(difference.df, 10);
}

// Without effect, t of random arrangements of normal noise is distributed as Student's (Kolmogorov and Smirnov).
TEST(PermutedOls, NullIsStudentsTOnNoise) {
  for (const bool flips : {false, true}) {
    const Eigen::VectorXd x = flips ? Eigen::VectorXd::Ones(40) : Eigen::VectorXd(noise(40, 1, 7));
    const PermutedOlsResult found = permuted_ols(noise(40, 1, 8), x, kNoConfounds, nullptr, few(4000, false));
    EXPECT_FALSE(found.exhaustive);
    const boost::math::students_t student(found.df);
    double difference = 0;
    for (std::size_t k = 0; k < 4000; ++k) {
      const double expected = boost::math::cdf(student, found.voxels.null_maxima[k]);
      difference = std::max(difference, std::abs(expected - static_cast<double>(k + 1) / 4000));
    }
    EXPECT_LT(difference, 1.95 / std::sqrt(4000.0));  // p 0.001
  }
}

TEST(PermutedOls, DependsOnTheSeedAndNotOnThreads) {
  const MatrixD data = noise(12, 3000, 9);
  const Eigen::VectorXd x = noise(12, 1, 10);
  PermutedOlsOptions options = few(100);
  const auto run = [&] { return permuted_ols(data, x, kNoConfounds, nullptr, options).voxels.null_maxima; };
  const int before = thread_count();
  set_thread_count(1);
  const std::vector<double> alone = run();
  set_thread_count(3);
  EXPECT_EQ(run(), alone);
  set_thread_count(before);
  options.seed = 1;
  EXPECT_NE(run(), alone);
}

TEST(PermutedOls, ConstantVoxelsHaveNoEffect) {
  MatrixD data = noise(10, 4, 11);
  data.col(1).setConstant(3);
  data.col(2).setZero();
  const PermutedOlsResult found = permuted_ols(data, noise(10, 1, 12), kNoConfounds, nullptr, few(20));
  EXPECT_EQ(found.constant_voxels, 2);
  EXPECT_EQ(found.voxels.stat[1], 0);
  EXPECT_EQ(found.voxels.p[2], 1);
}

TEST(PermutedOls, RefusesWhatHasNoAnswer) {
  const MatrixD data = wave_data();
  const Eigen::VectorXd x = wave_variate();
  EXPECT_THROW(permuted_ols(data, x.head(14), kNoConfounds, nullptr, few(10)), ShapeError);
  EXPECT_THROW(permuted_ols(data, x, wave_confounds().topRows(3), nullptr, few(10)), ShapeError);
  EXPECT_THROW(permuted_ols(data, x, kNoConfounds, nullptr, few(0)), UsageError);
  EXPECT_THROW(permuted_ols(data, x, MatrixD(x), nullptr, few(10)), DataError);
  EXPECT_THROW(permuted_ols(data, Eigen::VectorXd::Zero(15), kNoConfounds, nullptr, few(10)), DataError);
  EXPECT_THROW(permuted_ols(data, x, noise(15, 13, 1), nullptr, few(10)), DataError);
  EXPECT_THROW(permuted_ols(data.topRows(1), x.head(1), kNoConfounds, nullptr, few(10)), DataError);
  MatrixD broken = data;
  broken(3, 2) = std::nan("");
  EXPECT_THROW(permuted_ols(broken, x, kNoConfounds, nullptr, few(10)), DataError);
  PermutedOlsOptions clusters = few(10);
  clusters.cluster_forming_p = 0.01;
  EXPECT_THROW(permuted_ols(data, x, kNoConfounds, nullptr, clusters), UsageError);
  EXPECT_THROW(permuted_ols(data, x, kNoConfounds, &blob_mask(), clusters), ShapeError);
  clusters.cluster_forming_p = 3.1;  // a height
  const Mask row = box_mask({4, 1, 1});
  EXPECT_THROW(permuted_ols(data, x, kNoConfounds, &row, clusters), UsageError);
}

TEST(Arrangements, AreAllThereAreWhereTheyAreFew) {
  Eigen::MatrixXd rows(4, 1);
  rows << 1, 2, 3, 4;
  std::set<std::vector<double>> seen;
  const auto add_all = [&](const Arrangements& arrangements) {
    for (std::int64_t k = 0; k < arrangements.count(); ++k) {
      const Eigen::VectorXd arranged = arrangements.apply(k, rows);
      seen.insert({arranged.data(), arranged.data() + 4});
    }
    EXPECT_FALSE(seen.contains({1, 2, 3, 4}));
  };
  const Arrangements orders(Arrangements::Kind::orders, 4, 23, 0);
  EXPECT_TRUE(orders.exhaustive());
  add_all(orders);
  EXPECT_EQ(seen.size(), 23U);
  seen.clear();
  const Arrangements signs(Arrangements::Kind::signs, 4, 100, 0);
  EXPECT_EQ(signs.count(), 15);
  add_all(signs);
  EXPECT_EQ(seen.size(), 15U);
  EXPECT_FALSE(Arrangements(Arrangements::Kind::orders, 4, 22, 0).exhaustive());
  EXPECT_FALSE(Arrangements(Arrangements::Kind::signs, 200, 1000, 0).exhaustive());
}

}  // namespace
}  // namespace noema
