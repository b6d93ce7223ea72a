#include "noema/io/confounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/io/hcp.h"
#include "noema/io/table.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

bool is_number(const std::string& text) {
  double ignored = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, ignored);
  return result.ec == std::errc() && result.ptr == end;
}

MatrixD values_of(const std::filesystem::path& path, const Table& table) {
  MatrixD values(static_cast<Eigen::Index>(table.rows()), static_cast<Eigen::Index>(table.names.size()));
  for (std::size_t c = 0; c < table.names.size(); ++c) {
    try {
      const std::vector<double> column = table.numbers(table.names[c]);
      for (std::size_t t = 0; t < column.size(); ++t) {
        values(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(c)) = column[t];
      }
    } catch (const DataError& error) {
      throw FormatError(path, -1, error.message());
    }
  }
  return values;
}

std::map<std::string, CompCorComponent> compcor_of(const nlohmann::json& sidecar) {
  const auto text = [](const nlohmann::json& fields, const char* key) {
    return fields.contains(key) && fields[key].is_string() ? fields[key].get<std::string>() : std::string();
  };
  std::map<std::string, CompCorComponent> components;
  for (const auto& [column, fields] : sidecar.items()) {
    if (!fields.is_object() || !text(fields, "Method").ends_with("CompCor")) continue;
    const bool retained = !fields.contains("Retained") || fields["Retained"] == true;
    CompCorComponent& component = components[column];
    component = {text(fields, "Mask"), text(fields, "Method")};
    component.retained = retained;
    const auto explained = fields.find("CumulativeVarianceExplained");
    if (explained != fields.end() && explained->is_number()) component.cumulative_variance = *explained;
  }
  return components;
}

}  // namespace

bool ConfoundTable::has(std::string_view name) const {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Eigen::Index ConfoundTable::index(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return found - names.begin();
  const std::optional<std::string> nearest = nearest_match(name, names);
  throw DataError(fmt::format("confounds '{}': no column '{}'{}", path.string(), name,
                              nearest ? fmt::format("; the nearest is '{}'", *nearest) : ""));
}

ConfoundTable read_confounds(const std::filesystem::path& path) {
  if (path.filename() == "Movement_Regressors.txt") return read_movement_regressors(path);
  Table table = read_table(path);
  if (std::all_of(table.names.begin(), table.names.end(), is_number)) {
    throw FormatError(path, 0, "line 1 holds numbers, expected the names of the columns");
  }
  if (table.rows() == 0) throw FormatError(path, -1, "no rows; expected one for each volume of the run");
  ConfoundTable confounds;
  confounds.path = path;
  confounds.values = values_of(path, table);
  confounds.names = std::move(table.names);
  std::filesystem::path sidecar = path;
  sidecar.replace_extension(".json");
  if (std::filesystem::exists(sidecar)) confounds.compcor = compcor_of(read_json_object(sidecar));
  return confounds;
}

std::vector<double> framewise_displacement(const MatrixD& parameters, double radius_mm) {
  if (parameters.cols() != 6) {
    throw ShapeError(fmt::format("framewise displacement: found {} motion parameters, expected 6", parameters.cols()));
  }
  std::vector<double> displacement(static_cast<std::size_t>(parameters.rows()),
                                   std::numeric_limits<double>::quiet_NaN());
  for (Eigen::Index t = 1; t < parameters.rows(); ++t) {
    const Eigen::RowVectorXd change = (parameters.row(t) - parameters.row(t - 1)).cwiseAbs();
    displacement[static_cast<std::size_t>(t)] = change.head(3).sum() + radius_mm * change.tail(3).sum();
  }
  return displacement;
}

}  // namespace noema
