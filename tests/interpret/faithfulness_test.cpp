// Deletion curves and class maps of a linear model, where both can be worked out.
#include "noema/interpret/faithfulness.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "closed_form_model.h"
#include "noema/core/error.h"
#include "noema/interpret/class_maps.h"

namespace noema {
namespace {

/// One volume a window, all values 1, linear weights 4, 3, 2, 1 and a feature that the model does not see.
const at::Tensor kWeights = at::tensor({4.0F, 1.0F, 0.0F, 3.0F, 2.0F});

struct Case {
  ClosedFormModel model{kWeights, at::zeros({5})};
  Windows windows{at::ones({3, 1, 5}), at::ones({3, 1})};
  std::vector<int> targets{0, 0, 0};
};

DeletionOptions four_points() {
  DeletionOptions options;
  options.points = 4;
  options.random_orders = 200;
  options.batch = 2;
  return options;
}

TEST(Deletion, TheCurveOfALinearModelIsKnown) {
  const Case c;
  AttributionOptions method;
  method.method = AttributionMethod::input_x_gradient;
  const DeletionCurves found =
      deletion_curves(c.model, c.windows, c.targets, attribute(c.model, c.windows, c.targets, method), four_points());
  EXPECT_EQ(found.features, 4);
  const std::vector<double> expected{10, 6, 3, 1, 0}, by_chance{10, 7.5, 5, 2.5, 0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found.margin[i], expected[i], 1e-5);
    EXPECT_NEAR(found.random[i], by_chance[i], 0.25);
  }
  // (7.5 + 5 + 2.5 + 0)/4 − (6 + 3 + 1 + 0)/4
  EXPECT_NEAR(found.mean_gain, 1.25, 0.1);
  EXPECT_EQ(found.gain.size(), 3U);
  EXPECT_GT(found.standard_error, 0);
}

TEST(Deletion, AMapOfTheWrongSignIsWorseThanChance) {
  const Case c;
  Attribution reversed = attribute(c.model, c.windows, c.targets);
  reversed.values = reversed.values * -1;
  const DeletionCurves found = deletion_curves(c.model, c.windows, c.targets, reversed, four_points());
  EXPECT_NEAR(found.margin[1], 9, 1e-5);
  EXPECT_NEAR(found.mean_gain, -1.25, 0.1);
}

TEST(Deletion, RefusesAnEmptyMap) {
  const Case c;
  Attribution none = attribute(c.model, c.windows, c.targets);
  none.values = none.values * 0;
  EXPECT_THROW(deletion_curves(c.model, c.windows, c.targets, none, four_points()), DataError);
  none.values = at::zeros({2, 1, 5});
  EXPECT_THROW(deletion_curves(c.model, c.windows, c.targets, none, four_points()), ShapeError);
}

TEST(ClassMaps, PartsAddUpToTheWhole) {
  at::Tensor values = at::ones({2, 1, 3});
  values[1] = 5;
  ClassMapAverage whole(2, 1, 3), first(2, 1, 3), second(2, 1, 3);
  whole.add(values, std::vector<int>{0, 0}, std::vector<int>{0, 0});
  first.add(values.narrow(0, 0, 1), std::vector<int>{0}, std::vector<int>{0});
  second.add(values.narrow(0, 1, 1), std::vector<int>{0}, std::vector<int>{0});
  first.add(second);
  EXPECT_EQ(first.maps().mean, whole.maps().mean);
  EXPECT_NEAR(first.maps().mean(0, 1), 3, 1e-12);
  EXPECT_THROW(first.add(ClassMapAverage(2, 2, 3)), ShapeError);
}

TEST(ClassMaps, SubjectsCountEquallyHoweverManySamplesTheyHave) {
  ClassMapAverage average(2, 2, 3);
  at::Tensor values = at::zeros({3, 2, 3});
  values[0] = 1;  // subject 0
  values[1] = 3;  // subject 0
  values[2] = 8;  // subject 1
  average.add(values, std::vector<int>{1, 1, 1}, std::vector<int>{0, 0, 1});
  const ClassMaps maps = average.maps();
  EXPECT_NEAR(maps.mean(1, 2), (4 + 16) / 2.0, 1e-12);  // two volumes: sums 2, 6 (mean 4) and 16
  EXPECT_NEAR(maps.sd(1, 0), 12 / std::sqrt(2.0), 1e-12);
  EXPECT_EQ(maps.subjects[1], 2);
  EXPECT_EQ(maps.subjects[0], 0);
  EXPECT_EQ(maps.mean.row(0).norm(), 0);
  EXPECT_THROW(average.add(values, std::vector<int>{1, 1, 2}, std::vector<int>{0, 0, 1}), ShapeError);
  EXPECT_THROW(average.add(at::zeros({3, 2, 4}), std::vector<int>{1, 1, 1}, std::vector<int>{0, 0, 1}), ShapeError);
}

}  // namespace
}  // namespace noema
