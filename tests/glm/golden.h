// tests/glm/golden: the golden numbers as matrices.
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "noema/io/series.h"
#include "noema/tests/support/test_data.h"

namespace noema {

inline const nlohmann::json& golden() {
  static const nlohmann::json kGolden = nlohmann::json::parse(std::ifstream(golden_file()));
  return kGolden;
}

inline MatrixD golden_matrix(const std::string& key) {
  const auto rows = golden().at(key).get<std::vector<std::vector<double>>>();
  MatrixD matrix(rows.size(), rows.at(0).size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    matrix.row(static_cast<Eigen::Index>(r)) =
        Eigen::Map<const Eigen::RowVectorXd>(rows[r].data(), static_cast<Eigen::Index>(rows[r].size()));
  }
  return matrix;
}

inline Eigen::VectorXd golden_vector(const std::string& key) {
  const auto values = golden().at(key).get<std::vector<double>>();
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

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
