#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <numeric>

#include "made_up.h"
#include "noema/learn/logistic.h"
#include "noema/learn/ridge.h"
#include "wave_data.h"

namespace noema {
namespace {

using made_up::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

RidgeOptions only(double alpha) { return {.alphas = {alpha}}; }
LogisticOptions only_strength(double strength) {
  LogisticOptions options;
  options.strengths = {strength};
  return options;
}

/// (XᵀX + αI)⁻¹ XᵀY of centred rows and targets ±1, and the decisions of `test`.
MatrixD ridge_directly(const MatrixF& train, const std::vector<int>& labels, int classes, double alpha,
                       const MatrixF& test) {
  MatrixD x = train.cast<double>(), y = MatrixD::Constant(x.rows(), classes, -1);
  for (std::size_t n = 0; n < labels.size(); ++n) y(static_cast<Eigen::Index>(n), labels[n]) = 1;
  const Eigen::RowVectorXd mean = x.colwise().mean(), offset = y.colwise().mean();
  x.rowwise() -= mean;
  y.rowwise() -= offset;
  const Eigen::MatrixXd product = x.transpose() * x + alpha * MatrixD::Identity(x.cols(), x.cols());
  const MatrixD weights = product.llt().solve(Eigen::MatrixXd(x.transpose() * y));
  MatrixD decisions = (test.cast<double>().rowwise() - mean) * weights;
  decisions.rowwise() += offset;
  return decisions;
}

TEST(Ridge, EqualsTheClosedFormOnBothSides) {
  for (const auto& [count, features] : {std::pair{40, 6}, std::pair{20, 60}}) {
    const WaveData data(count, features, 3);
    for (const double alpha : {0.1, 10.0, 1e4}) {
      const RidgeFit fit = fit_ridge(data.rows, data.labels, 3, {}, only(alpha));
      const MatrixD expected = ridge_directly(data.rows, data.labels, 3, alpha, data.rows);
      EXPECT_LT((fit.map.decisions(data.rows) - expected).cwiseAbs().maxCoeff(), 1e-9) << count << " " << alpha;
      EXPECT_EQ(fit.alpha.value, alpha);
      EXPECT_FALSE(fit.alpha.by_inner_folds);
    }
  }
}

TEST(Ridge, IsHeldTowardsGivenWeights) {
  const WaveData data(30, 8, 3);
  RidgeOptions options = only(5);
  options.towards =
      MatrixD::NullaryExpr(3, 8, [](Eigen::Index k, Eigen::Index f) { return 0.1 * std::cos(k + 2.0 * f); });
  // Directly: w = w₀ + (XᵀX + αI)⁻¹ Xᵀ(Y − X w₀ᵀ), all centred.
  MatrixD x = data.rows.cast<double>(), y = MatrixD::Constant(30, 3, -1);
  for (int n = 0; n < 30; ++n) y(n, data.labels[static_cast<std::size_t>(n)]) = 1;
  const MatrixD rest = y - x * options.towards.transpose();
  const Eigen::RowVectorXd mean = x.colwise().mean(), offset = rest.colwise().mean();
  const MatrixD centred = x.rowwise() - mean;
  const Eigen::MatrixXd product = centred.transpose() * centred + 5 * MatrixD::Identity(8, 8);
  const MatrixD step = product.llt().solve(Eigen::MatrixXd(centred.transpose() * rest));
  const MatrixD expected = ((centred * step).rowwise() + offset) + x * options.towards.transpose();
  const RidgeFit fit = fit_ridge(data.rows, data.labels, 3, {}, options);
  EXPECT_LT((fit.map.decisions(data.rows) - expected).cwiseAbs().maxCoeff(), 1e-8);
  EXPECT_GT((fit.map.weights - fit_ridge(data.rows, data.labels, 3, {}, only(5)).map.weights).norm(), 0.05);
  options.alphas = {1e12};  // nothing moves
  EXPECT_LT((fit_ridge(data.rows, data.labels, 3, {}, options).map.weights - options.towards).norm(), 1e-8);

  options.alphas = {0.01, 1e6};
  std::vector<int> groups;
  for (int n = 0; n < 30; ++n) groups.push_back(n / 10);
  const StrengthChoice chosen = fit_ridge(data.rows, data.labels, 3, groups, options).alpha;
  for (std::size_t a = 0; a < 2; ++a) {  // as refitting without each group would choose
    RidgeOptions one = options;
    one.alphas = {options.alphas[a]};
    MatrixD decisions(30, 3);
    for (int group = 0; group < 3; ++group) {
      std::vector<int> kept, left, labels;
      for (int n = 0; n < 30; ++n) (n / 10 == group ? left : kept).push_back(n);
      for (const int n : kept) labels.push_back(data.labels[static_cast<std::size_t>(n)]);
      const RidgeFit without = fit_ridge(data.rows(kept, Eigen::all), labels, 3, {}, one);
      decisions(left, Eigen::all) = without.map.decisions(data.rows(left, Eigen::all));
    }
    EXPECT_NEAR(chosen.accuracy[a], balanced_accuracy_of(decisions, data.labels), 1e-12);
  }
  options.towards = MatrixD::Zero(3, 7);
  EXPECT_THROW(fit_ridge(data.rows, data.labels, 3, {}, options), ShapeError);
}

TEST(Ridge, EqualsScikitLearn) {
  // sklearn 1.9.1, RidgeClassifier(alpha, solver="svd").decision_function on WaveData, first and last row.
  const WaveData small(30, 5, 3), wide(24, 40, 4);
  const MatrixD of_small = fit_ridge(small.rows, small.labels, 3, {}, only(2)).map.decisions(small.rows);
  const MatrixD of_wide = fit_ridge(wide.rows, wide.labels, 4, {}, only(0.1)).map.decisions(wide.rows);
  const double first[] = {-0.556221463697, -0.460514745985, 0.0167362096818};
  const double last[] = {-1.04774078925, -0.974003114838, -0.948270879037, 0.97001478312};
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(of_small(0, k), first[k], 1e-9);
  for (int k = 0; k < 4; ++k) EXPECT_NEAR(of_wide(23, k), last[k], 1e-9);
}

TEST(Ridge, ChoosesAlphaAsRefittingWithoutEachGroupWould) {
  const WaveData data(36, 50, 3);
  std::vector<int> groups;
  for (int n = 0; n < 36; ++n) groups.push_back(n / 9);
  RidgeOptions options;
  options.alphas = {0.01, 1, 30, 1000};
  const RidgeFit fit = fit_ridge(data.rows, data.labels, 3, groups, options);
  ASSERT_TRUE(fit.alpha.by_inner_folds);
  ASSERT_EQ(fit.alpha.accuracy.size(), 4U);
  std::vector<double> loss;
  for (std::size_t a = 0; a < 4; ++a) {
    MatrixD decisions(36, 3);
    for (int group = 0; group < 4; ++group) {
      std::vector<int> train, test, labels;
      for (int n = 0; n < 36; ++n) {
        (n / 9 == group ? test : train).push_back(n);
        if (n / 9 != group) labels.push_back(data.labels[static_cast<std::size_t>(n)]);
      }
      const MatrixF train_rows = data.rows(train, Eigen::all), test_rows = data.rows(test, Eigen::all);
      decisions(test, Eigen::all) = ridge_directly(train_rows, labels, 3, options.alphas[a], test_rows);
    }
    EXPECT_NEAR(fit.alpha.accuracy[a], balanced_accuracy_of(decisions, data.labels), 1e-12) << options.alphas[a];
    MatrixD targets = MatrixD::Constant(36, 3, -1);
    for (int n = 0; n < 36; ++n) targets(n, n % 3) = 1;
    loss.push_back((decisions - targets).squaredNorm());
  }
  EXPECT_EQ(fit.alpha.value, options.alphas[best_strength(fit.alpha.accuracy, loss)]);
}

TEST(Ridge, LeavesLargeGroupsOutInTheSpaceOfScores) {
  // Three features and groups of twelve: the other form of the same deletion.
  const WaveData data(36, 3, 3);
  std::vector<int> groups;
  for (int n = 0; n < 36; ++n) groups.push_back(n / 12);
  RidgeOptions options;
  options.alphas = {0.1, 5};
  const RidgeFit fit = fit_ridge(data.rows, data.labels, 3, groups, options);
  for (std::size_t a = 0; a < 2; ++a) {
    MatrixD decisions(36, 3);
    for (int group = 0; group < 3; ++group) {
      const MatrixF test = data.rows.middleRows(12 * group, 12);
      std::vector<int> train, labels;
      for (int n = 0; n < 36; ++n) {
        if (n / 12 == group) continue;
        train.push_back(n);
        labels.push_back(n % 3);
      }
      const MatrixF train_rows = data.rows(train, Eigen::all);
      decisions.middleRows(12 * group, 12) = ridge_directly(train_rows, labels, 3, options.alphas[a], test);
    }
    EXPECT_NEAR(fit.alpha.accuracy[a], balanced_accuracy_of(decisions, data.labels), 1e-12);
  }
}

TEST(RidgeCache, GivesWhatAFreshFitGives) {
  const WaveData data(36, 50, 3);
  std::vector<int> groups, shifted;
  for (int n = 0; n < 36; ++n) {
    groups.push_back(n / 9);
    shifted.push_back((n + 1) % 3);
  }
  for (const std::int64_t room : {std::int64_t{1} << 20, std::int64_t{10}}) {
    RidgeCache cache(room);
    const auto first = cache.system(data.rows, groups, {});
    EXPECT_EQ(cache.system(data.rows, groups, {}) == first, room > 10);
    for (const std::vector<int>& labels : {data.labels, shifted}) {
      EXPECT_EQ(cache.system(data.rows, groups, {})->fit(labels, 3).map.weights,
                fit_ridge(data.rows, labels, 3, groups).map.weights);
    }
    MatrixF other = data.rows;
    other(3, 4) += 1;
    EXPECT_NE(cache.system(other, groups, {}), first);
    EXPECT_NE(cache.system(data.rows, {}, {}), first);
  }
}

TEST(Ridge, FallsBackWithoutGroupsAndRefusesBadInput) {
  const WaveData data(30, 5, 3);
  EXPECT_EQ(fit_ridge(data.rows, data.labels, 3, {}).alpha.value, RidgeOptions().fallback_alpha);
  EXPECT_THAT(message_of<DataError>([&] { fit_ridge(data.rows, data.labels, 4, {}); }), HasSubstr("class 3 of 4"));
  EXPECT_THROW(fit_ridge(data.rows, data.labels, 2, {}), UsageError);
  EXPECT_THROW(fit_ridge(data.rows, data.labels, 3, std::vector<int>(29, 0)), ShapeError);
  EXPECT_THROW(fit_ridge(data.rows, data.labels, 3, {}, only(0)), UsageError);
  EXPECT_THROW(fit_ridge(data.rows, data.labels, 3, {}).map.decisions(MatrixF::Zero(2, 4)), ShapeError);
}

TEST(Ridge, IsNotMovedByShiftsAndTurnsOfFeatures) {
  const WaveData data(30, 40, 3);
  const MatrixD expected = fit_ridge(data.rows, data.labels, 3, {}, only(1)).map.decisions(data.rows);
  MatrixF reversed = data.rows.rowwise().reverse();
  reversed.array() += 2;
  const MatrixD decisions = fit_ridge(reversed, data.labels, 3, {}, only(1)).map.decisions(reversed);
  EXPECT_LT((decisions - expected).cwiseAbs().maxCoeff(), 1e-5);
}

TEST(BestStrength, PrefersAccuracyThenLossThenTheFirst) {
  EXPECT_EQ(best_strength(std::vector{0.5, 0.7, 0.7}, std::vector{1.0, 3.0, 2.0}), 2U);
  EXPECT_EQ(best_strength(std::vector{0.7, 0.7, 0.6}, std::vector{1.0, 1.0, 0.0}), 0U);
}

struct LogisticGolden {
  int rows, features, classes;
  double strength, objective;
  std::vector<double> first_probabilities, first_weights, intercepts;
};

TEST(Logistic, EqualsScikitLearn) {
  // sklearn 1.9.1, LogisticRegression(C, tol=1e-12, solver="newton-cholesky") on WaveData; C Σ −log p + |w|²/2,
  // predict_proba of the first row, coef_[0, :3], intercept_.
  const std::vector<LogisticGolden> goldens = {{30,
                                                5,
                                                3,
                                                1,
                                                21.1744536141,
                                                {0.239859527, 0.208676479, 0.551463994},
                                                {0.479311438, 0.157737741, -0.268491066},
                                                {-0.240455482, 0.246880544, -0.00642506167}},
                                               {24,
                                                40,
                                                4,
                                                0.01,
                                                0.292653201851,
                                                {0.347520037, 0.220394793, 0.28232253, 0.14976264},
                                                {0.0269433599, 0.00721033602, 0.0122040124},
                                                {0.000473335523, -0.00132017553, 0.0147704892, -0.0139236492}},
                                               {24,
                                                40,
                                                4,
                                                10,
                                                18.5776998978,
                                                {0.988019656, 0.00338668153, 0.00857629338, 1.73687331e-05},
                                                {0.458139178, -0.121479865, -0.027456561},
                                                {0.103652545, -0.201930671, 0.686907484, -0.588629358}}};
  for (const LogisticGolden& golden : goldens) {
    const WaveData data(golden.rows, golden.features, golden.classes);
    LogisticOptions options = only_strength(golden.strength);
    const LogisticFit fit = fit_logistic(data.rows, data.labels, golden.classes, {}, options);
    EXPECT_NEAR(fit.objective, golden.objective, 1e-6 * golden.objective);
    EXPECT_LT(fit.iterations, 200);
    options.tolerance = 1e-8;
    const LogisticFit exact = fit_logistic(data.rows, data.labels, golden.classes, {}, options);
    EXPECT_NEAR(exact.objective, golden.objective, 1e-10 * golden.objective);
    const MatrixD probabilities = softmax(exact.map.decisions(data.rows));
    for (int k = 0; k < golden.classes; ++k) {
      const auto index = static_cast<std::size_t>(k);
      EXPECT_NEAR(probabilities(0, k), golden.first_probabilities[index], 2e-7);
      EXPECT_NEAR(exact.map.intercepts(k), golden.intercepts[index], 3e-6);
    }
    for (int f = 0; f < 3; ++f) {
      EXPECT_NEAR(exact.map.weights(0, f), golden.first_weights[static_cast<std::size_t>(f)], 1e-6);
    }
  }
}

TEST(Logistic, HasNoGradientAtItsSolution) {
  const WaveData data(24, 60, 4);
  LogisticOptions options = only_strength(0.5);
  options.tolerance = 1e-9;
  const LogisticFit fit = fit_logistic(data.rows, data.labels, 4, {}, options);
  MatrixD residuals = softmax(fit.map.decisions(data.rows));
  for (int n = 0; n < 24; ++n) residuals(n, n % 4) -= 1;
  const MatrixD gradient = 0.5 * residuals.transpose() * data.rows.cast<double>() + fit.map.weights;
  EXPECT_LT(gradient.cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_LT(residuals.colwise().sum().cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_NEAR(fit.map.intercepts.sum(), 0, 1e-12);
}

TEST(Logistic, ChoosesItsStrengthWithinTheTrainingData) {
  // Rows of one group share an offset, so that what is learnt of one group helps little with another: noise needs a
  // strong hold, and a clear feature does not.
  RandomStream random(7, "logistic");
  MatrixF rows(60, 200);
  std::vector<int> labels, groups;
  for (int n = 0; n < 60; ++n) {
    labels.push_back(n % 2);
    groups.push_back(n / 10);
    for (int f = 0; f < 200; ++f) rows(n, f) = static_cast<float>(random.normal() + (f < 20 ? 0.8 * (n % 2) : 0));
  }
  const LogisticFit fit = fit_logistic(rows, labels, 2, groups);
  ASSERT_TRUE(fit.strength.by_inner_folds);
  EXPECT_EQ(fit.strength.tried, LogisticOptions().strengths);
  const double best = *std::max_element(fit.strength.accuracy.begin(), fit.strength.accuracy.end());
  EXPECT_GT(best, 0.7);
  for (std::size_t i = 0; i < fit.strength.tried.size(); ++i) {
    if (fit.strength.tried[i] != fit.strength.value) continue;
    EXPECT_NEAR(fit.strength.accuracy[i], best, 1e-12);
  }
  EXPECT_FALSE(fit_logistic(rows, labels, 2, std::vector<int>(60, 0)).strength.by_inner_folds);
}

TEST(Logistic, SaysWhenItDidNotConverge) {
  const WaveData data(24, 40, 4);
  LogisticOptions options = only_strength(10);
  options.max_iterations = 3;
  EXPECT_THAT(message_of<NumericalError>([&] { fit_logistic(data.rows, data.labels, 4, {}, options); }),
              HasSubstr("did not converge in 3 steps"));
  options.inner_folds = 1;
  EXPECT_THROW(fit_logistic(data.rows, data.labels, 4, {}, options), UsageError);
}

TEST(InnerGroups, AreSubjectsThenRunsThenOccurrences) {
  const auto set_of = [](std::vector<LearningRun> runs, std::vector<Sample> samples) {
    return SampleSet{std::make_shared<const std::vector<LearningRun>>(std::move(runs)), std::move(samples), 2};
  };
  const auto run = [](const char* subject, const char* number) { return made_up::run(subject, number, 2, 20, {}); };
  const auto sample = [](int block, int of_run, int label) { return Sample{block, of_run, label, {block}, {1}}; };
  EXPECT_THAT(
      inner_groups(set_of({run("1", "1"), run("2", "1"), run("2", "2")},
                          {sample(0, 0, 0), sample(1, 0, 1), sample(2, 1, 0), sample(3, 1, 1), sample(4, 2, 0)})),
      ElementsAre(0, 0, 1, 1, 1));
  EXPECT_THAT(inner_groups(set_of({run("1", "1"), run("1", "2")},
                                  {sample(0, 0, 0), sample(1, 0, 1), sample(2, 1, 0), sample(3, 1, 1)})),
              ElementsAre(0, 0, 1, 1));
  // Label 1 has one block only.
  EXPECT_THAT(inner_groups(set_of({run("1", "1"), run("1", "2")},
                                  {sample(0, 0, 0), sample(3, 0, 1), sample(8, 1, 0), sample(9, 1, 0)})),
              IsEmpty());
  EXPECT_THAT(inner_groups(set_of({run("1", "1")}, {sample(0, 0, 0), sample(5, 0, 1), sample(3, 0, 1), sample(8, 0, 0),
                                                    sample(8, 0, 0)})),
              ElementsAre(0, 1, 0, 1, 1));
}

}  // namespace
}  // namespace noema
