#include "noema/preprocess/clean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/random.h"
#include "noema/core/settings.h"
#include "noema/preprocess/cosine_drift.h"
#include "noema/preprocess/regress.h"
#include "noema/preprocess/standardize.h"

namespace noema {
namespace {

using testing::HasSubstr;

MatrixD noise(Eigen::Index rows, Eigen::Index columns, std::uint64_t seed = 1) {
  RandomStream random(seed, "clean test");
  MatrixD series(rows, columns);
  for (Eigen::Index t = 0; t < rows; ++t) {
    for (Eigen::Index f = 0; f < columns; ++f) series(t, f) = 100 + 0.2 * static_cast<double>(t) + random.normal();
  }
  return series;
}

CleanOptions band_pass() {
  CleanOptions options;
  options.filter = TemporalFilter::butterworth;
  options.high_pass_hz = 0.01;
  options.low_pass_hz = 0.1;
  options.tr_s = 2;
  return options;
}

CleanOptions cosine() {
  CleanOptions options;
  options.filter = TemporalFilter::cosine;
  options.high_pass_hz = 0.01;
  options.tr_s = 2;
  return options;
}

double largest(const MatrixD& values) { return values.cwiseAbs().maxCoeff(); }

TEST(Clean, ZScoreHasMeanZeroAndDeviationOne) {
  const MatrixD cleaned = clean(noise(80, 40), {}, {}, {});
  for (Eigen::Index f = 0; f < 40; ++f) {
    EXPECT_NEAR(cleaned.col(f).mean(), 0, 1e-14);
    EXPECT_NEAR(cleaned.col(f).squaredNorm(), 79, 1e-10);
  }
}

TEST(Clean, ResultIsUncorrelatedWithConfoundsAlsoAfterFiltering) {
  const MatrixD confounds = noise(90, 3, 7);
  for (const CleanOptions& options : {CleanOptions{}, cosine()}) {
    const MatrixD cleaned = clean(noise(90, 5), confounds, {}, options);
    MatrixD centred = confounds;
    centred.rowwise() -= column_means(confounds);
    EXPECT_LT(largest(centred.transpose() * cleaned), 2e-11);
  }
}

TEST(Clean, RepeatedConfoundChangesNothing) {
  const MatrixD confounds = noise(60, 2, 7);
  MatrixD repeated(60, 4);
  repeated << confounds, confounds.col(0), 3 * confounds.col(1);
  for (const CleanOptions& options : {CleanOptions{}, band_pass(), cosine()}) {
    EXPECT_LT(largest(clean(noise(60, 3), confounds, {}, options) - clean(noise(60, 3), repeated, {}, options)), 1e-11);
  }
}

// Fifty of sixty confounds repeat the others at a large scale, so rounding leaves more of them than 100·ε. Relative
// alone would take in columns that hold nothing but rounding.
TEST(Clean, RankOfConfoundsIsToldAtAnyScale) {
  MatrixD confounds(120, 60);
  confounds.leftCols(10) = 1e6 * noise(120, 10, 7);
  for (Eigen::Index c = 10; c < 60; ++c) {
    confounds.col(c) = (0.3 + static_cast<double>(c)) * confounds.col(c % 10) - 1.7 * confounds.col((c + 3) % 10);
  }
  EXPECT_EQ(orthonormal_basis(confounds).cols(), 10);
  EXPECT_EQ(orthonormal_basis(1e-18 * noise(120, 2, 7)).cols(), 0);
  CleanOptions raw;
  raw.standardize_confounds = false;
  const MatrixD few = confounds.leftCols(10);
  EXPECT_LT(largest(clean(noise(120, 3), few, {}, raw) - clean(noise(120, 3), confounds, {}, raw)), 1e-9);
}

TEST(Clean, DriftsAmongTheConfoundsAreNotAddedTwice) {
  const MatrixD drifts = cosine_drift(60, 2, 0.01);
  ASSERT_EQ(drifts.cols(), 3);
  const MatrixD given = drifts.leftCols(2);
  EXPECT_LT(largest(clean(noise(60, 3), given, {}, cosine()) - clean(noise(60, 3), {}, {}, cosine())), 1e-12);
  // A slow confound that is not the drift does not switch the high-pass off.
  MatrixD slow = drifts.leftCols(1) + 0.02 * noise(60, 1, 3);
  const MatrixD cleaned = clean(noise(60, 3), slow, {}, cosine());
  EXPECT_LT(largest(given.transpose() * cleaned), 1e-12);
}

TEST(Clean, HighPassBelowTheFirstCosineIsDetrendingAlone) {
  CleanOptions options = cosine();
  options.high_pass_hz = 0.001;
  EXPECT_EQ(cosine_drift(60, 2, 0.001).cols(), 1);
  EXPECT_EQ(clean(noise(60, 3), {}, {}, options), clean(noise(60, 3), {}, {}, {}));
}

TEST(Clean, CensoredVolumesInfluenceNothing) {
  std::vector<std::uint8_t> keep(70, 1);
  for (const std::size_t t : {0, 1, 30, 31, 44, 69}) keep[t] = 0;
  const MatrixD confounds = noise(70, 2, 5);
  for (CleanOptions options : {CleanOptions{}, cosine(), band_pass()}) {
    for (const Standardize standardize : {Standardize::none, Standardize::zscore, Standardize::percent}) {
      options.standardize = standardize;
      const MatrixD expected = clean(noise(70, 3), confounds, keep, options);
      MatrixD spiked = noise(70, 3), spiked_confounds = confounds;
      for (const Eigen::Index t : {0, 1, 30, 31, 44, 69}) {
        spiked.row(t).setConstant(9999);
        spiked_confounds.row(t).setConstant(std::numeric_limits<double>::quiet_NaN());
      }
      const MatrixD found = clean(spiked, spiked_confounds, keep, options);
      EXPECT_EQ(found, expected);
      EXPECT_TRUE(found.allFinite());
      EXPECT_EQ(found.row(0), found.row(2));
      EXPECT_EQ(found.row(69), found.row(68));
      EXPECT_LT(largest(found.row(44) - 0.5 * (found.row(43) + found.row(45))), 1e-13);
    }
  }
}

TEST(Clean, WithoutAFilterCensoringIsLeavingOut) {
  std::vector<std::uint8_t> keep(40, 1);
  keep[10] = keep[11] = 0;
  const MatrixD series = noise(40, 2), confounds = noise(40, 2, 5);
  const auto without = [](const MatrixD& matrix) {
    MatrixD shorter(38, matrix.cols());
    shorter << matrix.topRows(10), matrix.bottomRows(28);
    return shorter;
  };
  const MatrixD expected = clean(without(series), without(confounds), {}, {});
  EXPECT_LT(largest(without(clean(series, confounds, keep, {})) - expected), 1e-13);
}

// With the volumes 3 and 6 of 10 censored a mirrored mask would interpolate nothing.
TEST(Clean, SpikesAreInterpolatedBeforeTheFilterWhateverTheirMirrorImages) {
  std::vector<std::uint8_t> keep(60, 1);
  keep[20] = keep[39] = 0;
  CleanOptions options = band_pass();
  options.standardize = Standardize::none;
  MatrixD wave(60, 1);
  for (Eigen::Index t = 0; t < 60; ++t) wave(t, 0) = std::sin(0.1 * static_cast<double>(t));
  const MatrixD expected = clean(wave, {}, {}, options);
  wave(20, 0) = wave(39, 0) = 999;
  const MatrixD found = clean(wave, {}, keep, options);
  for (Eigen::Index t = 0; t < 60; ++t) {
    if (!keep[static_cast<std::size_t>(t)]) continue;
    EXPECT_NEAR(found(t, 0), expected(t, 0), 1e-4);
  }
}

TEST(Clean, ConstantColumnsBecomeZerosNotNoise) {
  MatrixD series = noise(60, 3);
  series.col(1).setConstant(1234.567);
  for (const CleanOptions& options : {CleanOptions{}, cosine(), band_pass()}) {
    const MatrixD cleaned = clean(series, noise(60, 2, 9), {}, options);
    EXPECT_EQ(largest(cleaned.col(1)), 0);
    EXPECT_GT(largest(cleaned.col(2)), 1);
  }
  CleanOptions nothing;
  nothing.detrend = false;
  nothing.standardize = Standardize::none;
  EXPECT_EQ(clean(series, {}, {}, nothing), series);
}

TEST(Clean, PercentChangeRefersToTheMeanBefore) {
  CleanOptions options;
  options.standardize = Standardize::percent;
  options.detrend = false;
  MatrixD series(4, 2);
  series << 90, -1, 110, -3, 90, -1, 110, -3;
  MatrixD expected(4, 2);
  expected << -10, 50, 10, -50, -10, 50, 10, -50;
  EXPECT_LT(largest(clean(series, {}, {}, options) - expected), 1e-12);
  options.detrend = true;
  MatrixD line(5, 1);
  line << 100, 110, 120, 130, 141;
  const MatrixD cleaned = clean(line, {}, {}, options);
  EXPECT_NEAR(cleaned(4, 0), 100 * 0.4 / 120.2, 1e-10);
}

TEST(Clean, PopulationZScoreDividesByN) {
  CleanOptions options;
  options.standardize = Standardize::zscore_population;
  const MatrixD cleaned = clean(noise(80, 4), {}, {}, options);
  for (Eigen::Index f = 0; f < 4; ++f) EXPECT_NEAR(cleaned.col(f).squaredNorm(), 80, 1e-10);
  EXPECT_LT(largest(cleaned - std::sqrt(80.0 / 79) * clean(noise(80, 4), {}, {}, {})), 1e-12);
}

TEST(Clean, RunsAreCleanedEachOnItsOwnWithAllOptions) {
  const MatrixD series = noise(135, 5), confounds = noise(135, 3, 8);
  std::vector<int> run_of(135, 7);
  std::fill(run_of.begin() + 60, run_of.begin() + 95, 2);
  std::fill(run_of.begin() + 95, run_of.end(), 5);
  std::vector<std::uint8_t> keep(135, 1);
  keep[0] = keep[20] = keep[21] = keep[70] = keep[134] = 0;
  for (CleanOptions options : {CleanOptions{}, cosine(), band_pass()}) {
    options.standardize_confounds = false;
    options.standardize = Standardize::percent;
    const MatrixD found = clean(series, confounds, keep, run_of, options);
    for (const auto& [begin, rows] : {std::pair{0, 60}, std::pair{60, 35}, std::pair{95, 40}}) {
      const MatrixD each =
          clean(MatrixD(series.middleRows(begin, rows)), confounds.middleRows(begin, rows),
                std::span(keep).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows)), options);
      EXPECT_EQ(MatrixD(found.middleRows(begin, rows)), each);
    }
    EXPECT_GT(largest(found - clean(series, confounds, keep, options)), 1e-3);  // as one run it is another thing
  }
  EXPECT_EQ(clean(MatrixF(series.cast<float>()), {}, {}, run_of, {}).bottomRows(40),
            clean(MatrixF(series.bottomRows(40).cast<float>()), {}, {}, {}));
  run_of.back() = 7;
  EXPECT_THROW(clean(series, confounds, keep, run_of, {}), UsageError);
  run_of.pop_back();
  EXPECT_THROW(clean(series, confounds, keep, run_of, {}), ShapeError);
}

TEST(Clean, DoesNotDependOnThreadsOrOnOtherColumns) {
  const int threads = thread_count();
  const MatrixF series = noise(100, 700).cast<float>();
  set_thread_count(1);
  const MatrixF one = clean(series, noise(100, 5, 3), {}, band_pass());
  set_thread_count(3);
  const MatrixF three = clean(series, noise(100, 5, 3), {}, band_pass());
  set_thread_count(threads);
  EXPECT_EQ(one, three);
  EXPECT_EQ(MatrixF(clean(MatrixF(series.middleCols(400, 1)), noise(100, 5, 3), {}, band_pass())),
            MatrixF(one.middleCols(400, 1)));
  MatrixF given = series;
  EXPECT_EQ(clean(std::move(given), noise(100, 5, 3), {}, band_pass()), one);  // in place
}

TEST(Clean, OneVolumeIsLeftAlone) {
  const MatrixD one = noise(1, 3);
  CleanOptions options;
  options.detrend = false;
  options.standardize = Standardize::none;
  EXPECT_EQ(clean(one, {}, {}, options), one);
}

TEST(Clean, RefusesWhatCannotBe) {
  EXPECT_THROW(clean(noise(40, 2), noise(39, 1), {}, {}), ShapeError);
  EXPECT_THROW(clean(noise(40, 2), {}, std::vector<std::uint8_t>(39, 1), {}), ShapeError);
  EXPECT_THROW(clean(noise(40, 2), {}, std::vector<std::uint8_t>(40, 0), {}), DataError);
  EXPECT_THROW(clean(noise(33, 2), {}, {}, band_pass()), DataError);
  EXPECT_NO_THROW(clean(noise(34, 2), {}, {}, band_pass()));
  try {
    clean(noise(10, 2), noise(10, 9, 4), {}, {});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("9 confounds explain 10 kept volumes completely"));
  }
  EXPECT_THROW(clean(noise(10, 2), noise(10, 30, 4), {}, {}), DataError);
  EXPECT_NO_THROW(clean(noise(10, 2), noise(10, 7, 4), {}, {}));
  MatrixD gap = noise(40, 1, 4);
  gap(7, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(clean(noise(40, 2), gap, {}, {}), DataError);
  CleanOptions options = cosine();
  options.high_pass_hz = 0.25;
  EXPECT_THROW(clean(noise(40, 2), {}, {}, options), UsageError);
  options = {};
  options.high_pass_hz = 0.01;
  EXPECT_THROW(options.validate(), UsageError);
  options = cosine();
  options.low_pass_hz = 0.1;
  EXPECT_THROW(options.validate(), UsageError);
}

TEST(Clean, NamesOfOptions) {
  EXPECT_EQ(temporal_filter("butterworth"), TemporalFilter::butterworth);
  EXPECT_EQ(to_string(Standardize::percent), "percent");
  try {
    standardize_by("psc");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("none, zscore, zscore-population, percent"));
  }
}

TEST(RemoveProjection, EqualsTheDirectForm) {
  for (const Eigen::Index rows : {36, 37, 39}) {
    for (const Eigen::Index columns : {1, 15, 16, 17, 40}) {
      for (const Eigen::Index rank : {1, 4, 5}) {
        const MatrixD basis = orthonormal_basis(noise(rows, rank, 5)), series = noise(rows, columns, 6);
        MatrixD found = series;
        remove_projection(found, basis);
        EXPECT_LT(largest(found - (series - basis * (basis.transpose() * series))), 1e-11)
            << rows << ' ' << columns << ' ' << rank;
      }
    }
  }
  MatrixD series = noise(36, 3);
  EXPECT_THROW(remove_projection(series, MatrixD::Zero(35, 2)), ShapeError);
}

TEST(OrthonormalBasis, SpansTheColumnsAndDropsDependentOnes) {
  MatrixD columns = noise(30, 3, 2);
  zscore(columns);
  MatrixD dependent(30, 4);
  dependent << columns, columns.col(0) - columns.col(2);
  const MatrixD basis = orthonormal_basis(dependent);
  ASSERT_EQ(basis.cols(), 3);
  EXPECT_LT(largest(basis.transpose() * basis - MatrixD::Identity(3, 3)), 1e-14);
  EXPECT_LT(largest(basis * (basis.transpose() * columns) - columns), 1e-13);
  EXPECT_EQ(orthonormal_basis(MatrixD::Zero(30, 2)).cols(), 0);
}

}  // namespace
}  // namespace noema
