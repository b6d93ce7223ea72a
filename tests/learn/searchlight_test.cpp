#include "noema/learn/searchlight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "made_up.h"
#include "noema/core/settings.h"
#include "noema/learn/svc.h"
#include "noema/preprocess/spheres.h"

namespace noema {
namespace {

Mask box(std::int64_t x, std::int64_t y, std::int64_t z) {
  Mask mask;
  mask.grid.shape = {x, y, z};
  mask.grid.ras_from_voxel << 3, 0.2, 0, -9, -0.2, 3, 0, -7, 0, 0, 4, 5, 0, 0, 0, 1;
  for (std::int64_t v = 0; v < mask.grid.voxel_count(); ++v) {
    if (v % 11 != 3) mask.voxels.push_back(v);
  }
  return mask;
}

std::vector<std::int32_t> all_of(const Mask& mask) {
  std::vector<std::int32_t> centres(mask.voxels.size());
  std::iota(centres.begin(), centres.end(), 0);
  return centres;
}

TEST(SphereSearch, EqualsSpheresAroundSeeds) {
  const Mask mask = box(6, 5, 4);
  for (const double radius_mm : {0.0, 3.1, 6.0, 9.5, 100.0}) {
    const SphereSearch search(mask, radius_mm);
    Seeds seeds;
    for (const std::int64_t voxel : mask.voxels) {
      const auto at = mask.grid.voxel_at(voxel);
      const Eigen::Vector4d place(static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2]),
                                  1);
      seeds.ras_mm.emplace_back((mask.grid.ras_from_voxel * place).head<3>());
      seeds.names.push_back(std::to_string(voxel));
    }
    const auto expected = sphere_voxels(seeds, mask, {radius_mm, true});
    for (const std::int32_t centre : all_of(mask)) {
      const std::vector<std::int32_t> found = search.around(centre);
      const auto& wanted = expected[static_cast<std::size_t>(centre)];
      EXPECT_EQ(std::vector<std::int64_t>(found.begin(), found.end()), wanted) << radius_mm << " mm around " << centre;
    }
  }
}

struct MadeUp {
  Mask mask = box(6, 5, 4);
  MatrixF samples;
  std::vector<int> labels;
  std::vector<FoldSamples> folds;

  /// Labels show in the voxels of the first slice.
  explicit MadeUp(int classes, int count = 48) : samples(count, mask.size()), folds(4) {
    RandomStream random(6, "searchlight");
    for (int n = 0; n < count; ++n) {
      labels.push_back(n % classes);
      for (Eigen::Index v = 0; v < samples.cols(); ++v) {
        samples(n, v) = static_cast<float>(random.normal() * (1 + 0.1 * static_cast<double>(v)) + 50);
        if (v < 20 && v % classes == labels.back()) samples(n, v) += 1.5F;
      }
      for (int f = 0; f < 4; ++f) (n / 12 == f ? folds[f].test : folds[f].train).push_back(n);
    }
  }
};

/// Of one sphere, with the classifier on scaled rows.
double score_directly(const MadeUp& data, const std::vector<std::int32_t>& sphere, int classes,
                      const SearchlightOptions& options) {
  double sum = 0;
  for (const FoldSamples& fold : data.folds) {
    MatrixF train = data.samples(fold.train, sphere), test = data.samples(fold.test, sphere);
    if (options.standardize) {
      for (Eigen::Index p = 0; p < train.cols(); ++p) {
        const Eigen::ArrayXd values = train.col(p).cast<double>();
        const double mean = values.mean(), deviation = std::sqrt((values - mean).square().mean());
        train.col(p) = ((values - mean) / deviation).cast<float>();
        test.col(p) = ((test.col(p).cast<double>().array() - mean) / deviation).cast<float>();
      }
    }
    SvcOptions svc;
    svc.strengths = {options.strength};
    std::vector<int> train_labels, test_labels;
    for (const int n : fold.train) train_labels.push_back(data.labels[static_cast<std::size_t>(n)]);
    for (const int n : fold.test) test_labels.push_back(data.labels[static_cast<std::size_t>(n)]);
    sum += balanced_accuracy_of(fit_svc(train, train_labels, classes, {}, svc).map.decisions(test), test_labels);
  }
  return sum / static_cast<double>(data.folds.size());
}

// Small spheres are solved by features, large ones by rows. A sample on a decision's edge may fall on either side.
TEST(Searchlight, EqualsAClassifierOfEachSphere) {
  for (const int classes : {2, 3}) {
    const MadeUp data(classes);
    for (const double radius_mm : {0.0, 5.0, 12.0}) {
      SearchlightOptions options;
      options.radius_mm = radius_mm;
      options.strength = 0.3;
      options.standardize = radius_mm != 5.0;
      const std::vector<std::int32_t> centres = {0, 7, 40, 99};
      const std::vector<float> found = searchlight(data.samples, data.labels, data.folds, data.mask, centres, options);
      const SphereSearch search(data.mask, radius_mm);
      for (std::size_t c = 0; c < centres.size(); ++c) {
        EXPECT_NEAR(found[c], score_directly(data, search.around(centres[c]), classes, options), 0.0101)
            << classes << " classes, " << radius_mm << " mm around " << centres[c];
      }
    }
  }
}

TEST(Searchlight, FindsWhereLabelsShow) {
  const MadeUp data(2, 48);
  const std::vector<std::int32_t> centres = all_of(data.mask);
  const std::vector<float> scores = searchlight(data.samples, data.labels, data.folds, data.mask, centres);
  const double inside = std::accumulate(scores.begin(), scores.begin() + 20, 0.0) / 20;
  const double outside = std::accumulate(scores.end() - 40, scores.end(), 0.0) / 40;
  EXPECT_GT(inside, 0.7);
  EXPECT_NEAR(outside, 0.5, 0.08);
  const int before = thread_count();
  set_thread_count(1);
  EXPECT_EQ(searchlight(data.samples, data.labels, data.folds, data.mask, centres), scores);
  set_thread_count(before);
}

// Two of label 0 and one of label 1 tested; the constant decision of an empty voxel is right for the larger class.
TEST(Searchlight, BalancesLabels) {
  MadeUp data(2, 48);
  data.samples.setZero();
  data.folds = {{{0, 1, 2, 4, 6}, {8, 10, 11}}};
  SearchlightOptions options;
  options.radius_mm = 0;
  const std::vector<std::int32_t> centre = {5};
  EXPECT_FLOAT_EQ(searchlight(data.samples, data.labels, data.folds, data.mask, centre, options)[0], 0.5F);
  options.balanced = false;
  EXPECT_FLOAT_EQ(searchlight(data.samples, data.labels, data.folds, data.mask, centre, options)[0], 2.0F / 3);
}

TEST(Searchlight, RefusesWhatDoesNotFit) {
  MadeUp data(2);
  const std::vector<std::int32_t> centres = {0}, outside = {static_cast<std::int32_t>(data.mask.size())};
  const auto run = [&](const SearchlightOptions& options = {}) {
    return searchlight(data.samples, data.labels, data.folds, data.mask, centres, options);
  };
  EXPECT_THROW(searchlight(data.samples, data.labels, data.folds, data.mask, outside), ShapeError);
  EXPECT_THROW(searchlight(data.samples, data.labels, {}, data.mask, centres), DataError);
  EXPECT_THROW(run({.radius_mm = -1}), UsageError);
  EXPECT_THROW(run({.strength = 0}), UsageError);
  EXPECT_THROW(SphereSearch(data.mask, NAN), UsageError);
  data.folds[1].train = {0, 2, 4};  // one label
  EXPECT_THROW(run(), DataError);
  data.folds.pop_back();
  data.folds[1].train = {0, 1, 1000};
  EXPECT_THROW(run(), ShapeError);
  data.samples(3, 3) = NAN;
  EXPECT_THROW(run(), DataError);
  data.labels.pop_back();
  EXPECT_THROW(run(), ShapeError);
}

}  // namespace
}  // namespace noema
