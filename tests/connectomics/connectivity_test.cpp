// The usual measures of connectivity: golden numbers of nilearn's ConnectivityMeasure, and what cannot be measured.
//
// Golden numbers: the five kinds with their defaults (Ledoit and Wolf) of three subjects
// S_i = [X, C]·(1 + 0.1 i) + 0.3 sin((i + 1) · outer(t, [1 … 5])), X and C of the file.
#include "noema/connectomics/connectivity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril_indices.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/covariance.h"
#include "noema/core/error.h"

#include "noema/tests/glm/golden.h"

namespace noema {
namespace {

using testing::HasSubstr;

at::Tensor tensor_of(const MatrixD& matrix) {
  return at::from_blob(const_cast<double*>(matrix.data()), {matrix.rows(), matrix.cols()}, at::kDouble).clone();
}

double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

class GoldenConnectivity : public GoldenTest {
 protected:
  static std::vector<at::Tensor> series() {
    const at::Tensor base = at::cat({tensor_of(golden_matrix("X")), tensor_of(golden_matrix("C"))}, 1);
    const at::Tensor phases = at::outer(at::arange(0, 60, at::kDouble), at::arange(1, 6, at::kDouble));
    std::vector<at::Tensor> all;
    for (int i = 0; i < 3; ++i) all.push_back((base * (1 + 0.1 * i) + 0.3 * ((i + 1) * phases).sin()).t());
    return all;
  }
  /// Of lower triangles row by row with the diagonal divided by √2.
  static at::Tensor matrices(const std::string& key) {
    const at::Tensor vectors = tensor_of(golden_matrix(key)), index = at::tril_indices(5, 5);
    at::Tensor lower = at::zeros({vectors.size(0), 5, 5}, at::kDouble);
    lower.flatten(1).index_copy_(1, index[0] * 5 + index[1], vectors);
    const at::Tensor diagonal = lower.diagonal(0, 1, 2).clone();
    return lower + lower.mT() + at::diag_embed((std::numbers::sqrt2 - 2) * diagonal);
  }
  static std::string key_of(const std::string& name) {
    return name == "partial-correlation" ? "partial correlation" : name;
  }
};

TEST_F(GoldenConnectivity, AllKindsAreNilearns) {
  for (const std::string& name : connectivity_kind_names()) {
    ConnectivityOptions options;
    options.kind = connectivity_kind(name);
    options.published = true;
    const GroupConnectivity found = measure_connectivity(series(), {}, options);
    const at::Tensor expected = matrices("conn/" + key_of(name));
    const at::Tensor group = tensor_of(golden_matrix("conn_mean/" + key_of(name)));
    EXPECT_LT(distance(found.matrices, expected), 1e-8 * expected.abs().max().item<double>()) << name;
    EXPECT_LT(distance(found.group, group), 1e-8 * group.abs().max().item<double>()) << name;
  }
}

TEST_F(GoldenConnectivity, TheConvergedTangentIsNearNilearns) {
  ConnectivityOptions options;
  options.kind = ConnectivityKind::tangent;
  const GroupConnectivity found = measure_connectivity(series(), {}, options);
  EXPECT_LT(distance(found.matrices, matrices("conn/tangent")), 1e-7);
  // Converged: the mean of the tangent vectors at the mean is zero, to 1e-9.
  EXPECT_LT(found.matrices.mean(0).abs().max().item<double>(), 1e-9);
}

TEST(Connectivity, WeightsSayHowMuchARunCounts) {
  const std::vector<at::Tensor> series{made_up({3, 20}, 1), made_up({3, 25}, 2)};
  const GroupConnectivity found = measure_connectivity(series, at::tensor({3.0, 1.0}, at::kDouble), {});
  EXPECT_LT(distance(found.group, (3 * found.matrices[0] + found.matrices[1]) / 4), 1e-12);
  EXPECT_GT(distance(found.matrices[0], found.matrices[1]), 0.01);
}

TEST(Connectivity, EmpiricalCorrelationIsPearsons) {
  const at::Tensor series = made_up({4, 30}, 3);
  EXPECT_LT(distance(run_connectivity(series, ConnectivityKind::correlation, CovarianceEstimator::empirical),
                     correlation(series)),
            1e-12);
  EXPECT_GT(distance(run_connectivity(series, ConnectivityKind::correlation, CovarianceEstimator::ledoit_wolf),
                     correlation(series)),
            1e-4);
}

TEST(Connectivity, GradientsAlsoWithAConstantRegion) {
  at::Tensor flat = made_up({4, 20}, 3) + 2;
  flat[1] = 0.3;
  for (const std::string& name : connectivity_kind_names()) {
    const ConnectivityKind kind = connectivity_kind(name);
    for (const auto estimator :
         {CovarianceEstimator::empirical, CovarianceEstimator::ledoit_wolf, CovarianceEstimator::oracle}) {
      SCOPED_TRACE(name + " " + to_string(estimator));
      const auto measure = [&](const std::vector<at::Tensor>& in) { return run_connectivity(in[0], kind, estimator); };
      EXPECT_LT(gradient_error(measure, {made_up({4, 20}, 3)}), 1e-6);
      EXPECT_LT(distance(measure({made_up({4, 20}, 3).to(at::kFloat)}), measure({made_up({4, 20}, 3)})), 1e-4);
      if (estimator == CovarianceEstimator::empirical && kind != ConnectivityKind::correlation) continue;
      at::Tensor leaf = flat.clone().set_requires_grad(true);
      const at::Tensor matrix = measure({leaf});
      const at::Tensor gradient = torch::autograd::grad({(matrix * made_up({4, 4}, 7)).sum()}, {leaf})[0];
      EXPECT_TRUE(gradient.isfinite().all().item<bool>());
      EXPECT_GT(gradient[0].abs().max().item<double>(), 1e-3);
      if (kind != ConnectivityKind::correlation) continue;
      EXPECT_EQ(gradient[1].abs().max().item<double>(), 0);
      EXPECT_EQ(matrix[1][0].item<double>(), 0);
      EXPECT_EQ(matrix[1][1].item<double>(), 1);
    }
  }
}

TEST(Connectivity, NamesAreReadBack) {
  for (const std::string& name : connectivity_kind_names()) EXPECT_EQ(to_string(connectivity_kind(name)), name);
  for (const char* name : {"empirical", "ledoit-wolf", "oas"}) {
    EXPECT_EQ(to_string(covariance_estimator(name)), name);
  }
  EXPECT_THROW(connectivity_kind("pearson"), UsageError);
  EXPECT_THROW(covariance_estimator("glasso"), UsageError);
}

template <class Work>
std::string message(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Connectivity, RefusesWhatItCannotMeasure) {
  const at::Tensor wide = made_up({10, 8}, 4);
  for (const ConnectivityKind kind :
       {ConnectivityKind::precision, ConnectivityKind::partial_correlation, ConnectivityKind::tangent}) {
    EXPECT_THAT(message([&] { run_connectivity(wide, kind, CovarianceEstimator::empirical); }),
                HasSubstr("found 8 kept frames of 10 regions, expected more frames than regions"));
    EXPECT_THROW(run_connectivity(wide, kind, CovarianceEstimator::empirical), DataError);
    EXPECT_NO_THROW(run_connectivity(wide, kind, CovarianceEstimator::ledoit_wolf));
  }
  EXPECT_THROW(run_connectivity(made_up({3, 1}, 5), ConnectivityKind::correlation, CovarianceEstimator::empirical),
               DataError);
  EXPECT_THROW(run_connectivity(made_up({3}, 5), ConnectivityKind::correlation, CovarianceEstimator::empirical),
               ShapeError);
  EXPECT_THROW(measure_connectivity({}, {}, {}), DataError);
  EXPECT_THROW(measure_connectivity({made_up({3, 20}, 1), made_up({4, 20}, 1)}, {}, {}), ShapeError);
  EXPECT_THAT(message([&] {
                measure_connectivity({made_up({3, 20}, 1)}, {}, {.kind = ConnectivityKind::tangent});
              }),
              HasSubstr("found one run, expected two or more"));
  // A constant region: its covariance is singular, whatever the number of frames.
  at::Tensor flat = made_up({3, 20}, 1);
  flat[1] = 2.0;
  EXPECT_THROW(run_connectivity(flat, ConnectivityKind::precision, CovarianceEstimator::empirical), NumericalError);
}

}  // namespace
}  // namespace noema
