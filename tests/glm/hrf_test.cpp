#include "noema/glm/hrf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "golden.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using HrfGoldenTest = GoldenTest;

// nilearn: spm_hrf(2, 16) and so on.
TEST_F(HrfGoldenTest, EqualsReference) {
  const auto difference = [](const Eigen::VectorXd& found, const std::string& name) {
    const Eigen::VectorXd expected = golden_vector("hrf/" + name + "_tr2_os16");
    EXPECT_EQ(found.size(), expected.size());
    return (found - expected).cwiseAbs().maxCoeff();
  };
  EXPECT_LE(difference(spm_hrf(2, 16), "spm_hrf"), 1e-14);
  EXPECT_LE(difference(glover_hrf(2, 16), "glover_hrf"), 1e-14);
  EXPECT_LE(difference(spm_time_derivative(2, 16), "spm_time_derivative"), 1e-14);
  EXPECT_LE(difference(glover_time_derivative(2, 16), "glover_time_derivative"), 1e-14);
  EXPECT_LE(difference(spm_dispersion_derivative(2, 16), "spm_dispersion_derivative"), 1e-14);
  EXPECT_LE(difference(glover_dispersion_derivative(2, 16), "glover_dispersion_derivative"), 1e-14);
}

TEST(Hrf, SpotValues) {
  Eigen::Index place = 0;
  EXPECT_NEAR(spm_hrf(2).maxCoeff(&place), .008433909, 5e-10);
  EXPECT_EQ(place, 126);
  EXPECT_NEAR(glover_hrf(2).maxCoeff(&place), .013899297, 5e-10);
  EXPECT_EQ(place, 126);
  EXPECT_NEAR(spm_hrf(0.8).sum(), 1, 1e-14);
}

// Gamma densities of whole-number shape are t^(a-1) e^-t / (a-1)!.
TEST(Hrf, ContinuousFormIsTheClosedForm) {
  for (const double t : {0.01, 1.0, 5.0, 12.3, 31.9}) {
    const double expected =
        std::pow(t, 5) * std::exp(-t) / std::tgamma(6.0) - 0.167 * std::pow(t, 15) * std::exp(-t) / std::tgamma(16.0);
    EXPECT_NEAR(hrf_at(spm_shape(), t), expected, 1e-15);
  }
  EXPECT_EQ(hrf_at(spm_shape(), 0), 0);
  EXPECT_EQ(hrf_at(glover_shape(), -3), 0);
}

TEST(Hrf, ModelsByName) {
  EXPECT_EQ(parse_hrf_model("SPM+derivative"), HrfModel::spm_derivative);
  for (const HrfModel model :
       {HrfModel::spm, HrfModel::spm_derivative, HrfModel::spm_derivative_dispersion, HrfModel::glover,
        HrfModel::glover_derivative, HrfModel::glover_derivative_dispersion, HrfModel::fir, HrfModel::none}) {
    EXPECT_EQ(parse_hrf_model(hrf_model_name(model)), model);
  }
  EXPECT_THROW(parse_hrf_model("gamma"), UsageError);
  const auto kernels = hrf_kernels(HrfModel::glover_derivative_dispersion, 2, 16);
  ASSERT_EQ(kernels.size(), 3U);
  EXPECT_EQ(kernels[0].values, glover_hrf(2, 16));
  EXPECT_EQ(kernels[1].suffix, "_derivative");
  EXPECT_EQ(kernels[1].values, glover_time_derivative(2, 16));
  EXPECT_EQ(kernels[2].suffix, "_dispersion");
  EXPECT_EQ(kernels[2].values, glover_dispersion_derivative(2, 16));
}

TEST(Hrf, RefusesImpossibleSampling) {
  EXPECT_THROW(spm_hrf(0), UsageError);
  EXPECT_THROW(spm_hrf(-1), UsageError);
  EXPECT_THROW(spm_hrf(std::nan("")), UsageError);
  EXPECT_THROW(spm_hrf(2, 0), UsageError);
  EXPECT_THROW(spm_hrf(40, 1), UsageError);
}

}  // namespace
}  // namespace noema
