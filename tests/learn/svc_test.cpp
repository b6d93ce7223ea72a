// Support vector machines against scikit-learn 1.9's LinearSVC (tol 1e-13) on X[i,j] = sin(1.3i + 0.7ji) + 0.4cos(0.5i²
// + j) as float32 with labels (7i mod 5) mod K, and against what holds at a minimum.
#include "noema/learn/svc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "made_up.h"
#include "noema/learn/inner_folds.h"

namespace noema {
namespace {

using made_up::message_of;

MatrixF wave_rows(int rows, int features) {
  return MatrixF::NullaryExpr(rows, features, [](Eigen::Index row, Eigen::Index column) {
    const auto i = static_cast<double>(row), j = static_cast<double>(column);
    return static_cast<float>(std::sin(1.3 * i + 0.7 * j * i) + 0.4 * std::cos(0.5 * i * i + j));
  });
}

std::vector<int> wave_labels(int rows, int classes) {
  std::vector<int> labels;
  for (int i = 0; i < rows; ++i) labels.push_back(7 * i % 5 % classes);
  return labels;
}

SvcOptions with_strength(double strength, SvcLoss loss = SvcLoss::squared_hinge) {
  SvcOptions options;
  options.strengths = {strength};
  options.loss = loss;
  return options;
}

struct Expected {
  int rows, features;
  double strength;
  SvcLoss loss;
  double objective;
  std::array<double, 3> weights;
  double intercept;
};

TEST(Svc, EqualsScikitLearn) {
  const std::vector<Expected> cases = {
      {14, 3, 1, SvcLoss::squared_hinge, 2.182349428, {-1.39396037, 0.318036486, -0.11717026}, -0.266648942},
      {14, 3, 1, SvcLoss::hinge, 2.89086364147, {-1.50614259, 0.229414896, 0.148605406}, -0.365980346},
      {14, 3, 0.05, SvcLoss::squared_hinge, 0.403178785126, {-0.504981233, 0.0194001076, -0.0574800653}, -0.143998305},
      {14, 3, 0.05, SvcLoss::hinge, 0.537278359513, {-0.523770788, -0.0646955168, -0.0831981514}, -0.2},
      {8, 20, 0.1, SvcLoss::squared_hinge, 0.213277960036, {-0.268773778, 0.00218581025, 0.0813529263}, -0.169625558},
      {8, 20, 0.1, SvcLoss::hinge, 0.317294361709, {-0.330522547, -0.00552735669, 0.0805101816}, -0.147830126}};
  for (const Expected& expected : cases) {
    SCOPED_TRACE(testing::Message() << expected.rows << " " << expected.strength << " " << int(expected.loss));
    const MatrixF rows = wave_rows(expected.rows, expected.features);
    const std::vector<int> labels = wave_labels(expected.rows, 2);
    const SvcFit fit = fit_svc(rows, labels, 2, {}, with_strength(expected.strength, expected.loss));
    ASSERT_EQ(fit.objectives.size(), 1U);
    EXPECT_NEAR(fit.objectives[0] / expected.objective, 1, 1e-7);
    for (int f = 0; f < 3; ++f) EXPECT_NEAR(fit.map.weights(1, f), expected.weights[static_cast<std::size_t>(f)], 2e-4);
    EXPECT_NEAR(fit.map.intercepts[1], expected.intercept, 2e-4);
    EXPECT_EQ(fit.map.weights.row(0), -fit.map.weights.row(1));
    EXPECT_EQ(fit.map.intercepts[0], -fit.map.intercepts[1]);
  }
}

TEST(Svc, SetsEachClassAgainstTheRest) {
  const SvcFit fit = fit_svc(wave_rows(15, 4), wave_labels(15, 3), 3, {}, with_strength(0.5));
  const std::vector<double> objectives = {6.445988136614791, 6.053837263598518, 2.6057921004223163};
  const std::vector<double> decisions = {-0.523721099, -0.291888142, -0.0942153203};
  ASSERT_EQ(fit.objectives.size(), 3U);
  const MatrixD found = fit.map.decisions(wave_rows(15, 4));
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(fit.objectives[k] / objectives[k], 1, 1e-10);
    EXPECT_NEAR(found(2, static_cast<Eigen::Index>(k)), decisions[k], 1e-7);
  }
}

// At the minimum each weight is 2C Σ sign·(1 − margin)₊·feature, the intercept likewise; from rows and from features.
TEST(SvcSolver, FindsTheMinimumByRowsAndByFeatures) {
  RandomStream random(3, "svc");
  for (const double c : {1e-3, 1.0, 1e3}) {
    Eigen::MatrixXd x = Eigen::MatrixXd::NullaryExpr(60, 8, [&] { return random.normal(); });
    x.col(7).setOnes();
    const Eigen::VectorXd labels =
        Eigen::VectorXd::NullaryExpr(60, [&](Eigen::Index n) { return x(n, 0) + random.normal() > 0 ? 1.0 : -1.0; });
    const SvcSolution by_features = solve_svc_by_features(x, labels, c);
    const Eigen::MatrixXd gram = x.leftCols(7) * x.leftCols(7).transpose();
    const SvcSolution by_rows = solve_svc_by_rows(gram, labels, c, SvcLoss::squared_hinge);
    const Eigen::ArrayXd rest = (1 - labels.array() * (x * by_features.coefficients).array()).max(0);
    const Eigen::VectorXd expected = 2 * c * x.transpose() * (labels.array() * rest).matrix();
    EXPECT_LT((expected - by_features.coefficients).cwiseAbs().maxCoeff(), 1e-9 * (1 + c));
    EXPECT_LT((x.transpose() * by_rows.coefficients - by_features.coefficients).cwiseAbs().maxCoeff(), 1e-9);
    EXPECT_NEAR(by_rows.objective / by_features.objective, 1, 1e-11);
    const double objective = by_features.coefficients.squaredNorm() / 2 + c * rest.square().sum();
    EXPECT_NEAR(by_features.objective / objective, 1, 1e-12);
  }
}

// Repeated rows make the products singular; rows of nothing say nothing.
TEST(SvcSolver, BearsRepeatedAndEmptyRows) {
  MatrixF rows(6, 4);
  rows << wave_rows(2, 4), wave_rows(2, 4), MatrixF::Zero(2, 4);
  const std::vector<int> labels = {0, 1, 0, 1, 0, 1};
  for (const SvcLoss loss : {SvcLoss::squared_hinge, SvcLoss::hinge}) {
    const SvcFit fit = fit_svc(rows, labels, 2, {}, with_strength(1, loss));
    EXPECT_TRUE(fit.map.weights.allFinite());
    EXPECT_EQ(balanced_accuracy_of(fit.map.decisions(rows.topRows(4)), std::vector<int>{0, 1, 0, 1}), 1);
  }
}

class SvcChoice : public testing::TestWithParam<int> {};

// More features than rows, and fewer.
TEST_P(SvcChoice, IsMadeInFoldsOfWholeGroups) {
  const int features = GetParam();
  RandomStream random(4, "choice");
  MatrixF rows = MatrixF::NullaryExpr(60, features, [&] { return static_cast<float>(random.normal()); });
  std::vector<int> labels, groups;
  for (int n = 0; n < 60; ++n) {
    labels.push_back(n % 3);
    groups.push_back(n / 12);
    rows.row(n).segment(features / 3 * (n % 3), features / 15).array() += features == 300 ? 0.7F : 1.5F;
  }
  const SvcFit fit = fit_svc(rows, labels, 3, groups);
  EXPECT_TRUE(fit.strength.by_inner_folds);
  EXPECT_EQ(fit.strength.tried, SvcOptions().strengths);
  EXPECT_GT(*std::max_element(fit.strength.accuracy.begin(), fit.strength.accuracy.end()), 0.8);
  const SvcFit same = fit_svc(rows, labels, 3, {}, with_strength(fit.strength.value));
  EXPECT_LT((same.map.weights - fit.map.weights).cwiseAbs().maxCoeff(), 1e-12);
  EXPECT_EQ(fit_svc(rows, labels, 3, {}).strength.value, 1);  // nothing to choose by
  // By hand: what the first strength says of the rows left out.
  const std::vector<int> folds = inner_folds(labels, 3, groups, 5);
  MatrixD decisions(60, 3);
  for (int fold = 0; fold < 5; ++fold) {
    std::vector<int> train, test, train_labels;
    for (int n = 0; n < 60; ++n) {
      (folds[static_cast<std::size_t>(n)] == fold ? test : train).push_back(n);
      if (folds[static_cast<std::size_t>(n)] != fold) train_labels.push_back(labels[static_cast<std::size_t>(n)]);
    }
    const SvcFit inner = fit_svc(rows(train, Eigen::all), train_labels, 3, {}, with_strength(1e-5));
    const MatrixD said = inner.map.decisions(rows(test, Eigen::all));
    decisions(test, Eigen::all) = said;
  }
  EXPECT_NEAR(fit.strength.accuracy[0], balanced_accuracy_of(decisions, labels), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SvcChoice, testing::Values(300, 30));

TEST(Svc, RefusesWhatItCannotDo) {
  const MatrixF rows = wave_rows(6, 2);
  EXPECT_THROW(fit_svc(rows, wave_labels(5, 2), 2, {}), ShapeError);
  EXPECT_THROW(fit_svc(rows, std::vector<int>(6, 1), 2, {}), DataError);
  EXPECT_THROW(fit_svc(rows, wave_labels(6, 2), 2, std::vector<int>(5, 0)), ShapeError);
  EXPECT_THROW(fit_svc(rows, wave_labels(6, 2), 2, {}, with_strength(0)), UsageError);
  EXPECT_THROW(fit_svc(rows, wave_labels(6, 2), 2, {}, with_strength(std::nan(""))), UsageError);
}

}  // namespace
}  // namespace noema
