#include "noema/preprocess/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/random.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/high_variance.h"
#include "noema/preprocess/mask.h"
#include "noema/preprocess/mean_image.h"
#include "noema/preprocess/resample.h"
#include "noema/tests/io/temporary_folder.h"
#include "noema/tests/support/test_data.h"

namespace noema {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kVolumes = 50;

/// A run of 6 × 6 × 6 voxels on disk; each test writes it as it needs.
class PreprocessRun : public testing::Test {
 protected:
  PreprocessRun() {
    image_.header.grid.shape = {6, 6, 6};
    image_.header.grid.ras_from_voxel.diagonal() << 2, 2, 2, 1;
    image_.header.disk_grid = image_.header.grid;
    image_.header.volumes = kVolumes;
    image_.header.tr_s = 2;
    RandomStream random(3, "run test");
    for (std::int64_t i = 0; i < 216 * kVolumes; ++i) {
      image_.values.push_back(static_cast<float>(1000 + 10 * random.normal()));
    }
    run_.entities = {{"sub", "01"}, {"task", "x"}};
    run_.bold = folder_.path() / "sub-01_task-x_bold.nii.gz";
    run_.tr_s = 2;
    auto features = std::make_shared<FeatureSpace>();
    features->mask.grid = image_.header.grid;
    for (std::int64_t v = 50; v < 150; ++v) features->mask.voxels.push_back(v);
    features_ = features;
  }

  std::shared_ptr<FeatureSpace> parcels() const {
    auto features = std::make_shared<FeatureSpace>(*features_);
    features->kind = FeatureKind::parcels;
    for (int v = 0; v < 100; ++v) features->parcel_of_voxel.push_back(v / 50);
    features->names = {"a", "b"};
    return features;
  }

  float& at(std::int64_t t, std::int64_t mask_voxel) {
    return image_
        .values[static_cast<std::size_t>(216 * t + features_->mask.voxels[static_cast<std::size_t>(mask_voxel)])];
  }

  PreprocessedRun preprocess(const PreprocessOptions& options = {}) const { return preprocess(features_, options); }
  PreprocessedRun preprocess(const std::shared_ptr<const FeatureSpace>& features,
                             const PreprocessOptions& options) const {
    write_image(run_.bold, image_);
    return preprocess_run(run_, features, options);
  }

  void write_confounds(std::int64_t rows, std::int64_t spike = -1) {
    run_.confounds = folder_.path() / "confounds.tsv";
    std::ofstream file(run_.confounds);
    for (const char* base : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}) {
      file << base << '\t' << base << "_derivative1\t" << base << "_power2\t" << base << "_derivative1_power2\t";
    }
    file << "framewise_displacement\n";
    RandomStream random(4, "motion");
    for (std::int64_t t = 0; t < rows; ++t) {
      for (int c = 0; c < 24; ++c) {
        if (t == 0 && c % 2 == 1) {
          file << "n/a\t";
        } else {
          file << random.normal() << '\t';
        }
      }
      file << (t == spike ? 2.0 : 0.1) << '\n';
    }
  }

  TemporaryFolder folder_;
  Image image_;
  noema::Run run_;
  std::shared_ptr<const FeatureSpace> features_;
};

PreprocessOptions untouched() {
  PreprocessOptions options;
  options.clean.detrend = false;
  options.clean.standardize = Standardize::none;
  return options;
}

// Two voxels share a loud wave; what is left of them is what regressing out the leading component leaves.
TEST_F(PreprocessRun, HighVarianceConfoundsAreOfTheData) {
  for (std::int64_t t = 0; t < kVolumes; ++t) {
    at(t, 20) += static_cast<float>(200 * std::sin(0.7 * static_cast<double>(t)));
    at(t, 60) -= static_cast<float>(300 * std::sin(0.7 * static_cast<double>(t)));
  }
  PreprocessOptions options = untouched();
  options.confounds = "high-variance:2";
  const PreprocessedRun found = preprocess(options);
  EXPECT_THAT(found.confounds.names, ElementsAre("high_variance_1", "high_variance_2"));
  MatrixD voxels(kVolumes, 100);
  for (std::int64_t t = 0; t < kVolumes; ++t) {
    for (std::int64_t v = 0; v < 100; ++v) voxels(t, v) = static_cast<double>(at(t, v));
  }
  const MatrixD expected = high_variance_confounds(voxels, {.confounds = 2});
  EXPECT_LT((found.confounds.values - expected).cwiseAbs().maxCoeff(), 1e-9);
  CleanOptions cleaning = options.clean;
  cleaning.tr_s = 2;
  const std::vector<std::uint8_t> keep(kVolumes, 1);
  EXPECT_LT(
      (found.series.values - clean(MatrixF(voxels.cast<float>()), expected, keep, cleaning)).cwiseAbs().maxCoeff(),
      1e-3);
  const MatrixF before = preprocess(untouched()).series.values;
  const auto deviation = [](const MatrixF& values, Eigen::Index column) {
    const Eigen::VectorXf own = values.col(column);
    return (own.array() - own.mean()).matrix().norm();
  };
  EXPECT_LT(deviation(found.series.values, 60), 0.2 * deviation(before, 60));
  options.confounds = "motion";
  EXPECT_THROW(preprocess(options), DataError);  // which still needs a file
}

TEST_F(PreprocessRun, HighVarianceConfoundsDoNotSeeCensoredVolumes) {
  write_confounds(kVolumes, 17);
  for (std::int64_t v = 0; v < 3; ++v) at(17, v) += 1e5F;
  PreprocessOptions options = untouched();
  options.confounds = "high-variance";
  options.fd_threshold_mm = 0.5;
  const PreprocessedRun found = preprocess(options);
  ASSERT_EQ(found.series.keep[17], 0);
  EXPECT_EQ(found.confounds.values.row(17).cwiseAbs().maxCoeff(), 0);
  EXPECT_EQ(found.confounds.names.size(), 2U);  // of two voxels: 2 % of 100
  EXPECT_NEAR(found.confounds.values.col(0).norm(), 1, 1e-9);
}

TEST_F(PreprocessRun, ValuesAreThoseOfTheMask) {
  const PreprocessedRun found = preprocess(untouched());
  ASSERT_EQ(found.series.values.rows(), kVolumes);
  ASSERT_EQ(found.series.values.cols(), 100);
  EXPECT_EQ(found.series.values(7, 13), at(7, 13));
  EXPECT_EQ(found.series.values(49, 99), at(49, 99));
  EXPECT_THAT(found.series.keep, Each(1));
  EXPECT_THAT(found.usable, Each(1));
  EXPECT_EQ(found.series.tr_s, 2);
  EXPECT_EQ(found.series.start_s, 0);
  EXPECT_EQ(found.series.features, features_);
  double mean = 0, global = 0;
  for (std::int64_t t = 0; t < kVolumes; ++t) mean += static_cast<double>(at(t, 13)) / kVolumes;
  for (std::int64_t v = 0; v < 100; ++v) global += static_cast<double>(at(7, v)) / 100;
  EXPECT_NEAR(found.mean[13], mean, 1e-3);
  EXPECT_THAT(found.nuisance_names, ElementsAre("global_signal", "position"));
  EXPECT_NEAR(found.nuisance(7, 0), global, 1e-9);
  EXPECT_DOUBLE_EQ(found.nuisance(7, 1), 7.0 / kVolumes);
}

TEST_F(PreprocessRun, CleansAsAsked) {
  PreprocessOptions options;
  options.clean.filter = TemporalFilter::butterworth;
  options.clean.high_pass_hz = 0.01;
  options.clean.low_pass_hz = 0.1;
  const MatrixF raw = preprocess(untouched()).series.values;
  const PreprocessedRun found = preprocess(options);
  options.clean.tr_s = 2;
  EXPECT_EQ(found.series.values, clean(raw, {}, {}, options.clean));
  EXPECT_THAT(found.notes, testing::Contains(HasSubstr("high-pass 0.01 Hz, low-pass 0.1 Hz")));
}

TEST_F(PreprocessRun, SmoothsBeforeTheMaskIsApplied) {
  PreprocessOptions options = untouched();
  options.fwhm_mm = 4;
  const MatrixF raw = preprocess(untouched()).series.values;
  const MatrixF smooth = preprocess(options).series.values;
  const auto spread = [](const MatrixF& m) { return (m.array() - m.mean()).square().mean(); };
  EXPECT_LT(spread(smooth), 0.2F * spread(raw));
  EXPECT_NEAR(smooth.mean(), raw.mean(), 1);
}

TEST_F(PreprocessRun, DropsFirstVolumesAndKeepsTheClock) {
  PreprocessOptions options = untouched();
  options.drop_first = 4;
  run_.slice_time_s = 1;
  write_confounds(kVolumes);
  const PreprocessedRun found = preprocess(options);
  ASSERT_EQ(found.series.values.rows(), kVolumes - 4);
  EXPECT_EQ(found.series.values(0, 0), at(4, 0));
  EXPECT_EQ(found.series.start_s, 8);
  EXPECT_EQ(found.nuisance.rows(), kVolumes - 4);
  run_.slice_time_s = 0.5;
  EXPECT_EQ(preprocess(options).series.start_s, 7.5);
  run_.slice_time_s = 0;
  EXPECT_EQ(preprocess(options).series.start_s, 7) << "shifted to the begin of the volume, which is something to say";
  run_.slice_time_s.reset();
  EXPECT_EQ(preprocess(options).series.start_s, 8);
  options.drop_first = 50;
  EXPECT_THROW(preprocess(options), DataError);
}

TEST_F(PreprocessRun, ParcelsAreMeansOverUsableVoxels) {
  for (std::int64_t t = 0; t < kVolumes; ++t) at(t, 3) = 5;
  at(9, 60) = std::numeric_limits<float>::quiet_NaN();
  at(3, 61) = std::numeric_limits<float>::infinity();
  const WarningCollector warnings;
  const PreprocessedRun found = preprocess(parcels(), untouched());
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("3 of 100 voxels of the mask (3.0 %)"));
  double a = 0, b = 0;
  for (std::int64_t v = 0; v < 50; ++v) {
    if (v != 3) a += static_cast<double>(at(20, v)) / 49;
    if (v != 10 && v != 11) b += static_cast<double>(at(20, 50 + v)) / 48;
  }
  EXPECT_NEAR(found.series.values(20, 0), a, 1e-3);
  EXPECT_NEAR(found.series.values(20, 1), b, 1e-3);
  EXPECT_THAT(found.usable, ElementsAre(1, 1));
  EXPECT_TRUE(found.series.values.allFinite());
}

TEST_F(PreprocessRun, RegionsHaveTheStatisticAskedFor) {
  for (std::int64_t t = 0; t < kVolumes; ++t) at(t, 3) = 5;  // left out
  PreprocessOptions options = untouched();
  const auto at_20 = [&](RegionStatistic statistic) {
    options.region_statistic = statistic;
    const PreprocessedRun found = preprocess(parcels(), options);
    EXPECT_THAT(found.notes[0], HasSubstr(region_statistic_name(statistic)));
    return static_cast<double>(found.series.values(20, 0));
  };
  std::vector<double> values;
  for (std::int64_t v = 0; v < 50; ++v) {
    if (v != 3) values.push_back(static_cast<double>(at(20, v)));
  }
  std::sort(values.begin(), values.end());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / 49) * (value - sum / 49);
  EXPECT_NEAR(at_20(RegionStatistic::median), values[24], 1e-3);
  EXPECT_NEAR(at_20(RegionStatistic::sum), sum, 1e-2);
  EXPECT_NEAR(at_20(RegionStatistic::minimum), values.front(), 1e-3);
  EXPECT_NEAR(at_20(RegionStatistic::maximum), values.back(), 1e-3);
  EXPECT_NEAR(at_20(RegionStatistic::variance), squares / 49, 1e-3);
  EXPECT_NEAR(at_20(RegionStatistic::standard_deviation), std::sqrt(squares / 49), 1e-3);
  EXPECT_THROW(preprocess(features_, options), UsageError);  // voxels
}

TEST_F(PreprocessRun, MapsAreFittedByLeastSquares) {
  auto features = std::make_shared<FeatureSpace>(*features_);
  features->kind = FeatureKind::maps;
  features->map_weights = MatrixF::Zero(100, 2);
  features->names = {"a", "b"};
  for (Eigen::Index v = 0; v < 100; ++v) {
    features->map_weights.row(v) << std::exp(-0.05F * static_cast<float>(v)), static_cast<float>(v % 7);
    for (std::int64_t t = 0; t < kVolumes; ++t) {
      at(t, v) = 3 * static_cast<float>(t) * features->map_weights(v, 0) -
                 2 * static_cast<float>(t % 3) * features->map_weights(v, 1);
    }
  }
  for (std::int64_t t = 0; t < kVolumes; ++t) at(t, 8) = 77;  // constant: left out
  const PreprocessedRun found = preprocess(features, untouched());
  EXPECT_NEAR(found.series.values(20, 0), 60, 1e-3);
  EXPECT_NEAR(found.series.values(20, 1), -4, 1e-3);
}

// Whatever the file's numbers are, results are those of the same numbers in single precision: z-scores of whole numbers
// are no whole numbers.
TEST_F(PreprocessRun, ResultsAreNotOfTheFilesType) {
  for (float& value : image_.values) value = std::round(std::clamp((value - 1000) * 3 + 128, 0.0F, 255.0F));
  PreprocessOptions plain;
  plain.clean.standardize = Standardize::zscore;
  PreprocessOptions smoothed = untouched();
  smoothed.fwhm_mm = 4;
  PreprocessOptions percent;
  percent.clean.standardize = Standardize::percent;
  for (const PreprocessOptions& options : {plain, smoothed, percent}) {
    for (const auto& features : {features_, std::shared_ptr<const FeatureSpace>(parcels())}) {
      const auto of = [&](NiftiType type) {
        write_image(run_.bold, image_, {.type = type});
        EXPECT_EQ(NiftiReader(run_.bold).facts().type, type);
        return preprocess_run(run_, features, options).series.values;
      };
      const MatrixF expected = of(NiftiType::float32);
      EXPECT_GT((expected.array() - expected.array().round()).abs().maxCoeff(), 0.1F);
      EXPECT_EQ(of(NiftiType::int16), expected);
      EXPECT_EQ(of(NiftiType::uint8), expected);
    }
  }
  const Grid finer = covering_grid(image_.header.grid, Eigen::Matrix3d(Eigen::Matrix3d::Identity() * 1.5));
  const auto resampled = [&](NiftiType type) {
    write_image(run_.bold, image_, {.type = type});
    return resample_image(read_image(run_.bold), finer).values;
  };
  const std::vector<float> expected = resampled(NiftiType::float32);
  EXPECT_GT(std::count_if(expected.begin(), expected.end(), [](float x) { return x != std::round(x); }), 1000);
  EXPECT_EQ(resampled(NiftiType::uint8), expected);
  EXPECT_EQ(resampled(NiftiType::int16), expected);
}

TEST_F(PreprocessRun, UnusableVoxelsAreZerosAndMarked) {
  for (std::int64_t t = 0; t < kVolumes; ++t) at(t, 3) = 5;
  at(9, 60) = std::numeric_limits<float>::quiet_NaN();
  const PreprocessedRun found = preprocess();
  for (std::size_t v = 0; v < 100; ++v) EXPECT_EQ(found.usable[v], v != 3 && v != 60) << v;
  EXPECT_EQ(found.series.values.col(60).cwiseAbs().maxCoeff(), 0);
  EXPECT_EQ(found.mean[3], 5);
  EXPECT_EQ(found.mean[60], 0);
  EXPECT_TRUE(found.series.values.allFinite());
}

TEST_F(PreprocessRun, AMaskThatKeepsNothingIsAnError) {
  auto nothing = std::make_shared<FeatureSpace>(*features_);
  nothing->mask.voxels.clear();
  try {
    preprocess(nothing, {});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the mask keeps no voxel"));
  }
}

TEST_F(PreprocessRun, TooManyUnusableVoxelsAreAnError) {
  for (std::int64_t v = 0; v < 11; ++v) {
    for (std::int64_t t = 0; t < kVolumes; ++t) at(t, v) = 0;
  }
  try {
    preprocess();
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("sub-01_task-x"));
    EXPECT_THAT(error.what(), HasSubstr("11 of 100 voxels of the mask (11.0 %) are constant"));
  }
}

TEST_F(PreprocessRun, ConfoundsAndCensoring) {
  write_confounds(kVolumes, 20);
  PreprocessOptions options;
  options.confounds = "motion";
  options.fd_threshold_mm = 0.5;
  for (std::int64_t v = 0; v < 100; ++v) at(20, v) += 5000;
  const PreprocessedRun found = preprocess(options);
  for (std::size_t t = 0; t < found.series.keep.size(); ++t) EXPECT_EQ(found.series.keep[t], t != 20);
  EXPECT_LT(found.series.values.cwiseAbs().maxCoeff(), 6);  // nothing left of the spike
  EXPECT_EQ(found.nuisance_names.size(), 9U);
  EXPECT_THAT(found.notes, testing::Contains(HasSubstr("24 confounds")));
  EXPECT_THAT(found.notes, testing::Contains(HasSubstr("1 of 50 volumes were censored")));
}

TEST_F(PreprocessRun, ConfoundsThatStayInTheSeriesCensorAndAreHandedOver) {
  write_confounds(kVolumes, 20);
  PreprocessOptions options;
  options.drop_first = 3;
  options.fd_threshold_mm = 0.5;
  const PreprocessedRun plain = preprocess(options);
  options.confounds = "motion=basic";
  options.regress_confounds = false;
  const PreprocessedRun found = preprocess(options);
  EXPECT_EQ(found.series.values, plain.series.values);
  EXPECT_EQ(found.series.keep[17], 0);
  EXPECT_EQ(found.confounds.keep, found.series.keep);
  EXPECT_EQ(found.confounds.names.size(), 6U);
  ASSERT_EQ(found.confounds.values.rows(), kVolumes - 3);
  EXPECT_EQ(found.confounds.names[3], "trans_x");
  const ConfoundTable table = read_confounds(run_.confounds);
  EXPECT_NEAR(found.confounds.values(5, 3) - found.confounds.values(9, 3), table.values(8, 0) - table.values(12, 0),
              1e-12);
  options.regress_confounds = true;
  EXPECT_GT((preprocess(options).series.values - plain.series.values).cwiseAbs().maxCoeff(), 1e-2);
}

// What is regressed out are the columns that tedana rejected, alone or beside those of fMRIPrep.
TEST_F(PreprocessRun, RejectedComponentsOfTedanaAreRegressedOut) {
  run_.bold = folder_.path() / "sub-01_task-x_desc-optcom_bold.nii.gz";
  PreprocessOptions options = untouched();
  options.confounds = "tedana";
  EXPECT_THROW(preprocess(options), DataError);  // there are no files of tedana
  MatrixD components(kVolumes, 3);
  std::ofstream mixing(folder_ / "sub-01_task-x_desc-ICA_mixing.tsv");
  mixing.precision(17);
  mixing << "ICA_00\tICA_01\tICA_02\n";
  for (std::int64_t t = 0; t < kVolumes; ++t) {
    const auto s = static_cast<double>(t);
    components.row(t) << std::sin(0.3 * s), std::cos(0.11 * s * s), std::sin(0.9 * s + 1);
    mixing << components(t, 0) << '\t' << components(t, 1) << '\t' << components(t, 2) << '\n';
  }
  mixing.close();
  std::ofstream(folder_ / "sub-01_task-x_desc-tedana_metrics.tsv")
      << "Component\tclassification\nICA_00\trejected\nICA_01\taccepted\nICA_02\trejected\n";
  const PreprocessedRun found = preprocess(options);
  EXPECT_THAT(found.confounds.names, ElementsAre("rejected_ICA_00", "rejected_ICA_02"));
  MatrixD expected = components(Eigen::all, std::vector<int>{0, 2});
  expected.rowwise() -= expected.colwise().mean().eval();
  EXPECT_LT((found.confounds.values - expected).cwiseAbs().maxCoeff(), 1e-12);
  CleanOptions cleaning = options.clean;
  cleaning.tr_s = 2;
  const MatrixF raw = preprocess(untouched()).series.values;
  EXPECT_LT((found.series.values - clean(raw, expected, {}, cleaning)).cwiseAbs().maxCoeff(), 1e-3);
  EXPECT_GT((found.series.values - raw).cwiseAbs().maxCoeff(), 1);

  write_confounds(kVolumes, 20);
  options.confounds = "motion=basic,tedana,scrub=0";
  options.std_dvars_threshold = std::numeric_limits<double>::infinity();
  const PreprocessedRun both = preprocess(options);
  EXPECT_THAT(both.confounds.names, ElementsAre("rejected_ICA_00", "rejected_ICA_02", "rot_x", "rot_y", "rot_z",
                                                "trans_x", "trans_y", "trans_z"));
  EXPECT_EQ(both.series.keep[20], 0);
  image_.header.volumes = kVolumes - 1;
  image_.values.resize(216 * (kVolumes - 1));
  options.confounds = "tedana";
  run_.confounds.clear();
  EXPECT_THROW(preprocess(options), DataError);  // 50 rows of 49 volumes
}

TEST_F(PreprocessRun, StretchesOfTheStrategyUnlessGiven) {
  write_confounds(kVolumes, 3);
  PreprocessOptions options;
  options.confounds = "scrub=0";
  options.std_dvars_threshold = std::numeric_limits<double>::infinity();
  const auto kept = [&] {
    const PreprocessedRun found = preprocess(options);
    return std::count(found.series.keep.begin(), found.series.keep.end(), 1);
  };
  EXPECT_EQ(kept(), kVolumes - 1);
  options.confounds = "scrub";
  EXPECT_EQ(kept(), kVolumes - 4);  // three volumes before the spike are too few
  options.shortest_segment = 2;
  EXPECT_EQ(kept(), kVolumes - 1);
}

TEST_F(PreprocessRun, ComputesWhatIsMissingOnlyWhenAsked) {
  for (std::int64_t v = 0; v < 100; ++v) at(20, v) += 500;
  PreprocessOptions options;
  options.std_dvars_threshold = 5;
  options.shortest_segment = 0;
  options.compute_missing = true;
  const PreprocessedRun without_file = preprocess(options);
  for (std::size_t t = 0; t < kVolumes; ++t) EXPECT_EQ(without_file.series.keep[t], t != 20 && t != 21) << t;
  EXPECT_THAT(without_file.notes, testing::Contains(HasSubstr("DVARS was computed from the voxels")));
  options.fd_threshold_mm = 0.5;
  EXPECT_THROW(preprocess(options), DataError);  // there are no motion parameters
  options.drop_first = 10;
  write_confounds(kVolumes, 25);
  const PreprocessedRun with_file = preprocess(options);  // displacement is in the file
  for (std::size_t t = 0; t < kVolumes - 10; ++t) {
    EXPECT_EQ(with_file.series.keep[t], t != 10 && t != 11 && t != 15) << t;
  }
  EXPECT_THAT(with_file.notes, testing::Not(testing::Contains(HasSubstr("displacement was computed"))));
  options.compute_missing = false;
  EXPECT_THROW(preprocess(options), DataError);
}

TEST_F(PreprocessRun, ComputesDisplacementFromTheMotionParameters) {
  run_.confounds = folder_.path() / "motion.tsv";
  std::ofstream file(run_.confounds);
  file << "trans_x\ttrans_y\ttrans_z\trot_x\trot_y\trot_z\n";
  for (std::int64_t t = 0; t < kVolumes; ++t) {
    file << (t >= 30 ? "0.4\t0\t0\t0\t0.004\t0\n" : "0\t0\t0\t0\t0\t0\n");  // 0.4 + 50·0.004 mm
  }
  file.close();
  PreprocessOptions options;
  options.fd_threshold_mm = 0.59;
  options.compute_missing = true;
  const auto censored = [&] {
    const PreprocessedRun found = preprocess(options);
    return std::vector<int>{static_cast<int>(std::count(found.series.keep.begin(), found.series.keep.end(), 0)),
                            found.series.keep[30]};
  };
  EXPECT_THAT(censored(), ElementsAre(1, 0));
  options.fd_threshold_mm = 0.61;
  EXPECT_THAT(censored(), ElementsAre(0, 1));
}

TEST_F(PreprocessRun, RefusalsNameTheFileAndTheRemedy) {
  const auto expect = [&](const PreprocessOptions& options, const std::string& text) {
    try {
      preprocess(options);
      ADD_FAILURE() << "no error, expected: " << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  };
  PreprocessOptions options;
  options.confounds = "motion";
  expect(options, "has no confounds file");
  write_confounds(kVolumes - 1);
  expect(options, "has 49 rows");
  write_confounds(kVolumes);
  options.confounds = "simple";
  expect(options, "strategies none, motion");
  options = {};
  options.std_dvars_threshold = 1.5;
  expect(options, "lacks the columns std_dvars");
  options = {};
  options.clean.filter = TemporalFilter::butterworth;
  options.clean.high_pass_hz = 0.3;
  expect(options, "0.3 Hz");
  options.clean.high_pass_hz = 0.01;
  options.drop_first = 35;
  expect(options, "15 volumes are too few");
  image_.header.grid.ras_from_voxel(0, 3) += 3;
  run_.mask = "the_mask.nii";
  expect({}, "the_mask.nii");
}

TEST(LocalizerRun, EpiMaskIsNilearns) {
  const std::filesystem::path file = test_data() / "localizer/sub-01/func/sub-01_task-localizer_run-01_bold.nii.gz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no dataset at " << test_data() / "localizer";
  EXPECT_EQ(compute_epi_mask(mean_image(file)).size(), 48751);
}

}  // namespace
}  // namespace noema
