// results.json: results as JSON and back; docs/results.md describes it.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/pipelines/results_fields.h"

namespace noema {

using nlohmann::json;

std::string top_fraction_name(double fraction) { return fmt::format("top_{:g}", fraction); }

namespace {

/// A struct is a record where `fields(visit, record)` is declared beside it and calls `visit(name, member)` for each
/// member. Members may be records, optional (left out without a value), or vectors of records; a NaN is null.
template <class T, class Visit>
concept Record = requires(T& record, Visit& visit) {
  fields(visit, record);
};

class RecordWriter {
 public:
  template <class T>
  void operator()(const std::string& name, T& value) {
    object_[name] = written(value);
  }
  template <class T>
  void operator()(const std::string& name, std::optional<T>& value) {
    if (value) object_[name] = written(*value);
  }
  json take() { return std::move(object_); }

 private:
  /// JSON has no NaN: what is not known is null.
  static json written(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
  template <class T>
  static json written(T& value) {
    if constexpr (Record<T, RecordWriter>) {
      RecordWriter writer;
      fields(writer, value);
      return writer.take();
    } else {
      return value;
    }
  }
  template <class T>
  static json written(std::vector<T>& values) {
    json list = json::array();
    for (T& value : values) list.push_back(written(value));
    return list;
  }
  static json written(Eigen::MatrixXi& matrix) {
    json rows = json::array();
    for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
      std::vector<int> row(static_cast<std::size_t>(matrix.cols()));
      for (Eigen::Index j = 0; j < matrix.cols(); ++j) row[static_cast<std::size_t>(j)] = matrix(i, j);
      rows.push_back(row);
    }
    return rows;
  }

  json object_ = json::object();
};

class RecordReader {
 public:
  explicit RecordReader(const json& object) : object_(object) {}
  template <class T>
  void operator()(const std::string& name, T& value) {
    read(object_.at(name), value);
  }
  template <class T>
  void operator()(const std::string& name, std::optional<T>& value) {
    if (object_.contains(name)) read(object_.at(name), value.emplace());
  }

 private:
  static void read(const json& from, double& value) {
    value = from.is_null() ? std::numeric_limits<double>::quiet_NaN() : from.get<double>();
  }
  template <class T>
  static void read(const json& from, T& value) {
    if constexpr (Record<T, RecordReader>) {
      RecordReader reader(from);
      fields(reader, value);
    } else {
      from.get_to(value);
    }
  }
  template <std::size_t N>
  static void read(const json& from, std::array<double, N>& values) {
    for (std::size_t i = 0; i < N; ++i) read(from.at(i), values[i]);
  }
  template <class T>
  static void read(const json& from, std::vector<T>& values) {
    values.clear();
    for (const json& value : from) read(value, values.emplace_back());
  }
  static void read(const json& from, Eigen::MatrixXi& matrix) {
    const auto size = static_cast<Eigen::Index>(from.size());
    matrix.resize(size, size);
    for (Eigen::Index i = 0; i < size; ++i) {
      for (Eigen::Index j = 0; j < size; ++j) {
        from.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(j)).get_to(matrix(i, j));
      }
    }
  }

  const json& object_;
};

/// A record as a JSON object.
template <class T>
json json_of(T record) {
  RecordWriter writer;
  fields(writer, record);
  return writer.take();
}

/// The inverse. @throws json::exception for a field that is missing or of another type
template <class T>
T record_of(const json& object) {
  T record;
  RecordReader reader(object);
  fields(reader, record);
  return record;
}

Provenance provenance_of(const json& record) {
  Provenance read;
  read.command_line = record.at("command_line");
  read.version = record.at("version");
  read.git_revision = record.at("git_revision");
  read.seed = record.at("seed");
  read.threads = record.at("threads");
  read.created = record.at("created");
  read.configuration = record.at("configuration");
  for (const json& input : record.at("inputs")) {
    read.inputs.push_back(
        {input.at("path"), input.at("size_bytes"), input.at("modified_unix_s"), input.at("hash_xxh3_128")});
  }
  return read;
}

}  // namespace

json to_json(const MapAgreement& row) { return json_of(row); }

json to_json(const Results& results, const Provenance& provenance) {
  json all = json_of(results);
  all["schema"] = kResultsSchema;
  all["provenance"] = provenance.to_json();
  return all;
}

StoredResults read_results(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "results.json";
  std::ifstream file(path);
  if (!file) {
    throw IoError(path,
                  "cannot be read; expected the output folder of a noema command that ended, such as noema decode");
  }
  try {
    const json all = json::parse(file);
    if (const int schema = all.at("schema"); schema != kResultsSchema) {
      throw FormatError(
          path, -1,
          fmt::format("has schema {}, expected {}; run the command again with this version", schema, kResultsSchema));
    }
    return {record_of<Results>(all), provenance_of(all.at("provenance"))};
  } catch (const json::exception& error) {
    throw FormatError(
        path, -1, fmt::format("is not what this version of noema writes ({}); run the command again", error.what()));
  }
}

}  // namespace noema
