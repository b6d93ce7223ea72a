// tests/glm/golden: the golden numbers as matrices.
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "noema/io/series.h"
#include "noema/tests/support/test_data.h"

namespace noema {

/// All of the file; to look into it, include <nlohmann/json.hpp>.
const nlohmann::json& golden();
MatrixD golden_matrix(const std::string& key);
Eigen::VectorXd golden_vector(const std::string& key);

/// Largest difference relative to the largest reference value.
inline double relative_difference(const auto& found, const auto& expected) {
  return (found - expected).cwiseAbs().maxCoeff() / expected.cwiseAbs().maxCoeff();
}

class GoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_golden_file()) GTEST_SKIP() << "golden numbers not found at " << golden_file();
  }
};

}  // namespace noema
