// pipelines/record_json: structs as JSON objects and back, by one list of their fields.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace noema {

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
  nlohmann::json take() { return std::move(object_); }

 private:
  /// JSON has no NaN: what is not known is null.
  static nlohmann::json written(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
  }
  template <class T>
  static nlohmann::json written(T& value) {
    if constexpr (Record<T, RecordWriter>) {
      RecordWriter writer;
      fields(writer, value);
      return writer.take();
    } else {
      return value;
    }
  }
  template <class T>
  static nlohmann::json written(std::vector<T>& values) {
    nlohmann::json list = nlohmann::json::array();
    for (T& value : values) list.push_back(written(value));
    return list;
  }
  static nlohmann::json written(Eigen::MatrixXi& matrix) {
    nlohmann::json rows = nlohmann::json::array();
    for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
      std::vector<int> row(static_cast<std::size_t>(matrix.cols()));
      for (Eigen::Index j = 0; j < matrix.cols(); ++j) row[static_cast<std::size_t>(j)] = matrix(i, j);
      rows.push_back(row);
    }
    return rows;
  }

  nlohmann::json object_ = nlohmann::json::object();
};

class RecordReader {
 public:
  explicit RecordReader(const nlohmann::json& object) : object_(object) {}
  template <class T>
  void operator()(const std::string& name, T& value) {
    read(object_.at(name), value);
  }
  template <class T>
  void operator()(const std::string& name, std::optional<T>& value) {
    if (object_.contains(name)) read(object_.at(name), value.emplace());
  }

 private:
  static void read(const nlohmann::json& from, double& value) {
    value = from.is_null() ? std::numeric_limits<double>::quiet_NaN() : from.get<double>();
  }
  template <class T>
  static void read(const nlohmann::json& from, T& value) {
    if constexpr (Record<T, RecordReader>) {
      RecordReader reader(from);
      fields(reader, value);
    } else {
      from.get_to(value);
    }
  }
  template <std::size_t N>
  static void read(const nlohmann::json& from, std::array<double, N>& values) {
    for (std::size_t i = 0; i < N; ++i) read(from.at(i), values[i]);
  }
  template <class T>
  static void read(const nlohmann::json& from, std::vector<T>& values) {
    values.clear();
    for (const nlohmann::json& value : from) read(value, values.emplace_back());
  }
  static void read(const nlohmann::json& from, Eigen::MatrixXi& matrix) {
    const auto size = static_cast<Eigen::Index>(from.size());
    matrix.resize(size, size);
    for (Eigen::Index i = 0; i < size; ++i) {
      for (Eigen::Index j = 0; j < size; ++j) {
        from.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(j)).get_to(matrix(i, j));
      }
    }
  }

  const nlohmann::json& object_;
};

/// A record as a JSON object.
template <class T>
nlohmann::json json_of(T record) {
  RecordWriter writer;
  fields(writer, record);
  return writer.take();
}

/// The inverse. @throws nlohmann::json::exception for a field that is missing or of another type
template <class T>
T record_of(const nlohmann::json& object) {
  T record;
  RecordReader reader(object);
  fields(reader, record);
  return record;
}

}  // namespace noema
