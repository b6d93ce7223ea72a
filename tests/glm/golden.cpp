#include "noema/tests/glm/golden.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

namespace noema {

const nlohmann::json& golden() {
  static const nlohmann::json kGolden = nlohmann::json::parse(std::ifstream(golden_file()));
  return kGolden;
}

MatrixD golden_matrix(const std::string& key) {
  const auto rows = golden().at(key).get<std::vector<std::vector<double>>>();
  MatrixD matrix(rows.size(), rows.at(0).size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    matrix.row(static_cast<Eigen::Index>(r)) =
        Eigen::Map<const Eigen::RowVectorXd>(rows[r].data(), static_cast<Eigen::Index>(rows[r].size()));
  }
  return matrix;
}

Eigen::VectorXd golden_vector(const std::string& key) {
  const auto values = golden().at(key).get<std::vector<double>>();
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

}  // namespace noema
