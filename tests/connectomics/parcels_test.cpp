// Parcel extraction against sums written out, its sparse form, gradients, and labels with gaps.
#include "noema/connectomics/parcels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor whole(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

/// (B, V, T) → (B, P, T), by loops.
at::Tensor direct_means(const at::Tensor& x, const at::Tensor& w) {
  at::Tensor y = at::zeros({x.size(0), w.size(0), x.size(2)}, at::kDouble);
  for (std::int64_t b = 0; b < x.size(0); ++b) {
    for (std::int64_t p = 0; p < w.size(0); ++p) {
      for (std::int64_t t = 0; t < x.size(2); ++t) {
        double sum = 0, total = 0;
        for (std::int64_t v = 0; v < x.size(1); ++v) {
          sum += w[p][v].item<double>() * x[b][v][t].item<double>();
          total += w[p][v].item<double>();
        }
        y[b][p][t] = sum / total;
      }
    }
  }
  return y;
}

TEST(Parcels, MeansAsWrittenOutInBothForms) {
  const at::Tensor x = made_up({2, 6, 5}), w = made_up({3, 6}, 2).abs() + 0.1;
  const at::Tensor expected = direct_means(x, w);
  EXPECT_LT(largest_difference(extract_parcels(x, w), expected), 1e-14);
  const at::Tensor places = w.nonzero();
  const SparseWeights sparse{places.select(1, 0), places.select(1, 1), w.flatten(), 3, 6};
  EXPECT_LT(largest_difference(extract_parcels(x, sparse), expected), 1e-14);
  EXPECT_LT(largest_difference(extract_parcels(x.to(at::kFloat), w.to(at::kFloat)), expected), 1e-5);
  EXPECT_LT(largest_difference(extract_parcels(x.to(at::kFloat), sparse), expected), 1e-5);
  // Entries that lie apart in memory, as columns do, and numbers of parcels or voxels that there are not.
  const SparseWeights columns{sparse.parcel.contiguous(), sparse.voxel.contiguous(), sparse.weight, 3, 6};
  EXPECT_LT(largest_difference(extract_parcels(x.mT().contiguous().mT(), columns), expected), 1e-14);
  SparseWeights wrong = sparse;
  wrong.parcels = 2;
  EXPECT_THROW(extract_parcels(x, wrong), ShapeError);
  wrong.parcels = 3;
  wrong.voxel = sparse.voxel - 1;
  EXPECT_THROW(extract_parcels(x, wrong), ShapeError);
  wrong.voxel = sparse.voxel.slice(0, 1);
  EXPECT_THROW(extract_parcels(x, wrong), ShapeError);
}

TEST(Parcels, LabelsWithGapsInAnyOrder) {
  // As FreeSurfer's: neither contiguous nor sorted, the background is −1.
  const LabelledParcels parcels = parcels_of_labels(whole({2005, -1, 11, 2005, 17, 11}), -1);
  EXPECT_THAT(parcels.ids, ElementsAre(11, 17, 2005));
  const at::Tensor x = made_up({6, 4});
  const at::Tensor y = extract_parcels(x, parcels.weights);
  EXPECT_LT(largest_difference(y[0], (x[2] + x[5]) / 2), 1e-15);
  EXPECT_LT(largest_difference(y[1], x[4]), 1e-15);
  EXPECT_LT(largest_difference(y[2], (x[0] + x[3]) / 2), 1e-15);
  // 0 is a label like any other when it is not the background.
  EXPECT_THAT(parcels_of_labels(whole({0, 5, 7}), 7).ids, ElementsAre(0, 5));
  const at::Tensor area = at::tensor({1., 1., 3., 1., 1., 1.}, at::kDouble);
  const auto weighted = parcels_of_labels(whole({2005, -1, 11, 2005, 17, 11}), -1, area);
  EXPECT_LT(largest_difference(extract_parcels(x, weighted.weights)[0], (3 * x[2] + x[5]) / 4), 1e-15);
  EXPECT_THROW(parcels_of_labels(whole({0, 0})), DataError);
  EXPECT_THROW(parcels_of_labels(made_up({3})), ShapeError);
}

TEST(Parcels, ScalesOfOneVector) {
  // Closed forms: one parcel with weights that sum to 2 and whose magnitudes sum to 8.
  const at::Tensor x = at::tensor({-3., 1., 2., 2.}, at::kDouble).reshape({1, 4});
  const auto with = [&](std::vector<double> w, ParcelScale scale) {
    const at::Tensor weights = at::tensor(w, at::kDouble).reshape({1, -1});
    return extract_parcels(x.expand({weights.size(1), 4}) / static_cast<double>(weights.size(1)), weights, scale)[0];
  };
  EXPECT_LT(largest_difference(with({5, -3}, ParcelScale::mean), x[0] / 2), 1e-14);
  EXPECT_LT(largest_difference(with({5, -3}, ParcelScale::absolute_mean), x[0] / 8), 1e-14);
  EXPECT_LT(largest_difference(with({5, -3}, ParcelScale::sum), x[0]), 1e-14);
  EXPECT_LT(largest_difference(with({1}, ParcelScale::percent), at::tensor({-700., 100., 300., 300.}, at::kDouble)),
            1e-12);
  const at::Tensor z = with({1}, ParcelScale::zscore);
  EXPECT_NEAR(z.mean().item<double>(), 0, 1e-15);
  EXPECT_NEAR((z * z).mean().item<double>(), 1, 1e-14);
  EXPECT_LT(z[0].item<double>(), 0);
  EXPECT_THROW(with({1, -1}, ParcelScale::mean), NumericalError);
  EXPECT_THROW(extract_parcels(at::zeros({1, 3}, at::kDouble), at::ones({1, 1}, at::kDouble), ParcelScale::percent),
               NumericalError);
}

TEST(Parcels, GradientsAtOrdinaryAndDangerousPoints) {
  const at::Tensor x = made_up({2, 4, 6}), w = made_up({3, 4}, 2).abs() + 0.1;
  for (const ParcelScale scale :
       {ParcelScale::sum, ParcelScale::mean, ParcelScale::absolute_mean, ParcelScale::zscore}) {
    EXPECT_LT(gradient_error([&](const auto& in) { return extract_parcels(in[0], in[1], scale); }, {x, w}), 1e-7);
  }
  EXPECT_LT(
      gradient_error([](const auto& in) { return extract_parcels(in[0], in[1], ParcelScale::percent); }, {x + 3, w}),
      1e-7);
  const at::Tensor parcel = whole({2, 0, 1, 1, 0}), voxel = whole({0, 1, 1, 3, 2});
  EXPECT_LT(gradient_error(
                [&](const auto& in) {
                  return extract_parcels(in[0], SparseWeights{parcel, voxel, in[1], 3, 4});
                },
                {x, made_up({5}).abs() + 0.5}),
            1e-7);
  // An empty parcel and a constant series: zeros, and finite gradients.
  at::Tensor weights = w.clone();
  weights[1] = 0;
  at::Tensor flat = at::full({4, 6}, 0.1, at::kDouble).set_requires_grad(true);
  at::Tensor leaf = weights.clone().set_requires_grad(true);
  EXPECT_EQ(extract_parcels(x, weights).select(1, 1).abs().max().item<double>(), 0);
  for (const ParcelScale scale : {ParcelScale::mean, ParcelScale::zscore}) {
    const at::Tensor y = extract_parcels(flat, leaf, scale);
    const auto gradients = torch::autograd::grad({(y * made_up(y.sizes())).sum()}, {flat, leaf});
    EXPECT_TRUE(gradients[0].isfinite().all().item<bool>());
    EXPECT_TRUE(gradients[1].isfinite().all().item<bool>());
    const bool means = scale == ParcelScale::mean;
    EXPECT_EQ(y.abs().max().item<double>() == 0, !means);
    EXPECT_EQ(gradients[1][1].abs().max().item<double>() > 0, means);
  }
}

TEST(Parcels, ProjectionRecoversMixedMaps) {
  const at::Tensor w = made_up({3, 8}), y = made_up({2, 3, 5}, 4);
  EXPECT_LT(largest_difference(project_on_maps(spread_parcels(y, w), w), y), 1e-12);
  // Residuals are orthogonal to the maps.
  const at::Tensor x = made_up({8, 5}, 9);
  EXPECT_LT(w.matmul(x - spread_parcels(project_on_maps(x, w), w)).abs().max().item<double>(), 1e-13);
  EXPECT_LT(gradient_error([](const auto& in) { return project_on_maps(in[0], in[1]); }, {x, w}), 1e-7);
  // Two equal maps share what one would get.
  const at::Tensor one = made_up({1, 8});
  const at::Tensor twice = project_on_maps(x, at::cat({one, one}));
  EXPECT_LT(largest_difference(twice.sum(0), project_on_maps(x, one)[0]), 1e-13);
  EXPECT_LT(largest_difference(twice[0], twice[1]), 1e-13);
}

TEST(Parcels, StraightThrough) {
  const at::Tensor soft = at::softmax(made_up({3, 4}), 0);
  const at::Tensor hard = hard_assignment(soft, 0);
  EXPECT_EQ(hard.sum().item<double>(), 4);
  EXPECT_LT(largest_difference((hard * soft).sum(0), soft.amax(0)), 1e-16);
  at::Tensor leaf = soft.clone().set_requires_grad(true);
  const at::Tensor through = straight_through(leaf, 0);
  EXPECT_LT(largest_difference(through, hard), 1e-15);
  const at::Tensor g = made_up({3, 4}, 5);
  EXPECT_LT(largest_difference(torch::autograd::grad({(through * g).sum()}, {leaf})[0], g), 1e-16);
  EXPECT_EQ(hard_assignment(at::zeros({2, 2}, at::kDouble), 0)[0].sum().item<double>(), 2);  // the first of equals
}

TEST(Parcels, SaysWhatIsWrong) {
  try {
    extract_parcels(made_up({6, 5}), made_up({3, 7}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found shape (3, 7), expected 6"));
  }
  EXPECT_THROW(extract_parcels(made_up({6, 0}), made_up({3, 6})), ShapeError);
  EXPECT_THROW(extract_parcels(made_up({6}), made_up({3, 6})), ShapeError);
  EXPECT_THROW(project_on_maps(made_up({6, 5}), made_up({3, 7})), ShapeError);
  EXPECT_THROW(spread_parcels(made_up({6, 5}), made_up({3, 7})), ShapeError);
}

}  // namespace
}  // namespace noema
