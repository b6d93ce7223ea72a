// float32 follows float64: every family of blocks at the digits that its type can hold.
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include "gradient_check.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/low_rank.h"
#include "noema/connectomics/modularity.h"
#include "noema/connectomics/null_models.h"
#include "noema/connectomics/parcel_quality.h"
#include "noema/connectomics/qc_fc.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/similarity.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/spd.h"
#include "noema/connectomics/spd_means.h"
#include "noema/connectomics/symmetric.h"

namespace noema {
namespace {

/// The result on float32 inputs is float32 and that on float64 inputs, up to `tolerance` of its largest entry.
void expect_follows(const char* name, const TensorFunction& function, const std::vector<at::Tensor>& inputs,
                    double tolerance = 1e-5) {
  SCOPED_TRACE(name);
  std::vector<at::Tensor> single;
  for (const at::Tensor& input : inputs) single.push_back(input.to(at::kFloat));
  const at::Tensor found = function(single), expected = function(inputs);
  EXPECT_EQ(found.scalar_type(), at::kFloat);
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_GT(expected.abs().max().item<double>(), 0);
  EXPECT_LT(largest_difference(found, expected), tolerance * expected.abs().max().item<double>());
}

TEST(SinglePrecision, DivergencesAndKernels) {
  const at::Tensor p = made_up({3, 6}).abs() + 0.1, q = made_up({3, 6}, 2).abs() + 0.1, x = made_up({4, 6}, 3);
  expect_follows("entropy", [](const auto& in) { return entropy(in[0]); }, {p});
  expect_follows("entropy of logits", [](const auto& in) { return entropy_of_logits(in[0]); }, {x});
  expect_follows("kl", [](const auto& in) { return kl_divergence(in[0], in[1]); }, {p, q});
  expect_follows("js", [](const auto& in) { return js_divergence(in[0], in[1]); }, {p, q});
  expect_follows("js of logits", [](const auto& in) { return js_divergence_of_logits(in[0], in[1]); }, {p, q});
  expect_follows("distances", [](const auto& in) { return distances(in[0], in[1]); }, {p, x});
  expect_follows("gaussian", [](const auto& in) { return gaussian_kernel(in[0], in[1], 0.7); }, {p, x});
  expect_follows("polynomial", [](const auto& in) { return polynomial_kernel(in[0], in[1], 0.3); }, {p, x});
  expect_follows("sigmoid", [](const auto& in) { return sigmoid_kernel(in[0], in[1], 0.5); }, {p, x});
  expect_follows("cosine", [](const auto& in) { return cosine_kernel(in[0], in[1]); }, {p, x});
  expect_follows("log det", [](const auto& in) { return log_det_loss(in[0], 0.1); }, {made_up_spd(2, 5)});
  expect_follows("kurtosis", [](const auto& in) { return multivariate_kurtosis(in[0]); }, {made_up({4, 60})});
}

TEST(SinglePrecision, PlacesAndParcels) {
  const at::Tensor a = made_up({6, 3}), b = made_up({5, 3}, 2), w = made_up({4, 6}, 3).abs(), x = made_up({6, 30}, 4);
  for (const Geometry geometry : {Geometry::euclidean, Geometry::spherical}) {
    expect_follows("distance", [&](const auto& in) { return distance_matrix(in[0], in[1], geometry); }, {a, b});
    expect_follows("centres", [&](const auto& in) { return parcel_centres(in[0], in[1], geometry); }, {w, a});
    expect_follows("compactness", [&](const auto& in) { return compactness(in[0], in[1], geometry); }, {w, a});
    expect_follows("dispersion", [&](const auto& in) { return dispersion(in[0], geometry); }, {a});
    expect_follows("tether", [&](const auto& in) { return tether(in[0], in[1], geometry); }, {a.slice(0, 0, 5), b});
  }
  const Neighbours near = neighbours_within(a, 1);
  expect_follows("vertices", [&](const auto& in) { return smooth_vertices(in[0], near, in[1]); },
                 {x, at::scalar_tensor(0.6, at::kDouble)});
  expect_follows("volume", [](const auto& in) { return smooth_volume(in[0], in[1]); },
                 {made_up({4, 5, 6}), made_up({3}, 6).abs() + 0.5});
  const SparseWeights hard = parcels_of_labels(at::tensor({1, 2, 1, 2, 2, 1}, at::kLong)).weights;
  expect_follows("pairs", [&](const auto& in) { return parcel_homogeneity(in[0], hard); }, {x});
  expect_follows("explained", [](const auto& in) { return parcel_variance_explained(in[0], in[1]); }, {x, w});
  expect_follows("silhouette", [&](const auto& in) { return silhouette(in[0], hard); }, {x});
  expect_follows("overlap", [](const auto& in) { return dice_overlap(in[0], in[1]); }, {w, w.flip(1)});
  expect_follows("homogeneity", [](const auto& in) { return homogeneity(in[0], in[1]); }, {w, x});
  expect_follows("relative moment", [](const auto& in) { return relative_second_moment(in[0], in[1]); }, {w, x});
  expect_follows("qc-fc", [](const auto& in) { return qc_fc(in[0], in[1], in[2]); },
                 {made_up({20, 6}), made_up({20}, 2), made_up({2, 20}, 3)});
  expect_follows("distance dependence", [](const auto& in) { return distance_dependence(in[0], in[1]); },
                 {made_up({2, 20}), made_up({20}, 2)});
}

TEST(SinglePrecision, NetworksAndMatrices) {
  const at::Tensor a = made_up({8, 8}), network = made_up_spd(1, 8)[0].abs(), spd = made_up_spd(3, 5);
  expect_follows("modularity", [](const auto& in) { return modularity(in[0], in[1]); },
                 {a + a.t(), made_up({8, 3}, 5).abs()});
  expect_follows(
      "eigenmaps", [](const auto& in) { return laplacian_eigenmaps(in[0], 2).vectors; }, {network}, 1e-4);
  expect_follows(
      "diffusion", [](const auto& in) { return diffusion_map(in[0], 2).vectors; }, {network}, 1e-4);
  expect_follows("moran", [](const auto& in) { return morans_i(in[0], in[1]); }, {made_up({3, 8}), network});
  expect_follows("packing", [](const auto& in) { return pack_symmetric(in[0]); }, {spd});
  expect_follows("outer", [](const auto& in) { return expand_outer(in[0], in[1], in[2], OuterSymmetry::cross); },
                 {made_up({2, 4, 2}), made_up({2, 4, 2}, 2), made_up({2}, 3)});
  for (const auto similarity : {CrosshairSimilarity::product, CrosshairSimilarity::cosine}) {
    expect_follows("crosshair", [&](const auto& in) { return crosshair_similarity(in[0], in[1], similarity); },
                   {made_up({2, 3, 4, 4}), made_up({5, 3, 4, 4}, 2)});
  }
  expect_follows("exp", [](const auto& in) { return spd_exp(in[0]); }, {spd});
  expect_follows("root", [](const auto& in) { return spd_sqrt(in[0]); }, {spd});
  expect_follows(
      "inverse root", [](const auto& in) { return spd_inverse_sqrt(in[0]); }, {spd}, 1e-4);
  expect_follows(
      "tangent", [](const auto& in) { return to_tangent(in[0], in[1]); }, {spd, made_up_spd(1, 5, 4)[0]}, 1e-4);
}

TEST(SinglePrecision, FiltersAndStates) {
  const at::Tensor x = made_up({3, 40});
  const at::Tensor sections = section_tensor(Butterworth({0.02, 0.1}, 2).sections(), at::TensorOptions(at::kDouble));
  expect_follows("frequency", [](const auto& in) { return frequency_filter(in[0], in[1], EdgePadding::odd, 10); },
                 {x, made_up({31}, 2)});
  expect_follows(
      "sections", [](const auto& in) { return sos_filter(in[0], in[1]); }, {x, sections}, 1e-4);
  expect_follows(
      "zero phase", [](const auto& in) { return zero_phase_filter(in[0], in[1]); }, {x, sections}, 1e-3);
  expect_follows("envelope", [](const auto& in) { return envelope(in[0]); }, {x});
  expect_follows("phases", [](const auto& in) { return phase_surrogate(in[0], 3); }, {x});
  expect_follows("density", [](const auto& in) { return normal_log_density(in[0], in[1], in[2]); },
                 {made_up({3, 10}), made_up({2, 3}, 2), made_up_spd(2, 3)});
  expect_follows(
      "chain", [](const auto& in) { return chain_posterior(in[0], in[1], in[2]).probability; },
      {made_up({30, 3}), made_up({3}, 2), made_up({3, 3}, 3)}, 1e-4);
}

}  // namespace
}  // namespace noema
