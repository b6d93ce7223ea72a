#include "noema/io/connectome_file.h"

#include <fmt/format.h>

#include <limits>

#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/hdf5.h"

namespace noema {
namespace {

using hdf5::Node;

constexpr const char* kSchemaAttribute = "noema_schema";
constexpr const char* kSchema = "connectome 1";

std::int64_t length_of(const auto& list) { return static_cast<std::int64_t>(list.size()); }

void require_square(const MatrixD& matrix, const ConnectomeFile& content, const std::string& of) {
  const std::int64_t regions = length_of(content.regions);
  if (matrix.rows() == regions && matrix.cols() == regions) return;
  throw ShapeError(
      fmt::format("{}: found a matrix of {} × {}, expected {} regions", of, matrix.rows(), matrix.cols(), regions));
}

void check(const ConnectomeFile& content) {
  if (content.runs.size() != content.subjects.size()) {
    throw ShapeError(fmt::format("found {} subjects for {} runs", content.subjects.size(), content.runs.size()));
  }
  for (const ConnectomeMatrices& kind : content.kinds) {
    if (kind.runs.size() != content.runs.size()) {
      throw ShapeError(fmt::format("{}: found {} matrices, expected one for each of {} runs", kind.kind,
                                   kind.runs.size(), content.runs.size()));
    }
    require_square(kind.group, content, kind.kind);
    for (const MatrixD& matrix : kind.runs) require_square(matrix, content, kind.kind);
  }
}

void write_regions(const Node& parent, const std::vector<ConnectomeRegion>& regions) {
  const Node group = hdf5::create_group(parent, "regions");
  std::vector<std::string> names;
  std::vector<double> places;
  std::vector<std::int64_t> voxels;
  for (const ConnectomeRegion& region : regions) {
    names.push_back(region.name);
    places.insert(places.end(), region.ras_mm.begin(), region.ras_mm.end());
    voxels.push_back(region.voxels);
  }
  hdf5::write_texts(group, "name", names);
  hdf5::write_array(group, "ras_mm", {length_of(regions), 3}, places.data());
  hdf5::write_array(group, "voxels", {length_of(regions)}, voxels.data());
  hdf5::seal(group);
}

void write_kind(const Node& parent, const ConnectomeMatrices& kind, std::int64_t regions) {
  const Node group = hdf5::create_group(parent, kind.kind);
  std::vector<double> all;
  for (const MatrixD& matrix : kind.runs) all.insert(all.end(), matrix.data(), matrix.data() + matrix.size());
  hdf5::write_array(group, "runs", {length_of(kind.runs), regions, regions}, all.data());
  hdf5::write_array(group, "group", {regions, regions}, kind.group.data());
  hdf5::seal(group);
}

std::vector<ConnectomeRegion> read_regions(const Node& root) {
  const Node group = hdf5::open_group(root, "regions");
  hdf5::check_seal(group);
  const std::vector<std::string> names = hdf5::read_texts(group, "name");
  const auto places = hdf5::read_array<double>(group, "ras_mm");
  const auto voxels = hdf5::read_array<std::int64_t>(group, "voxels");
  if (places.values.size() != 3 * names.size() || voxels.values.size() != names.size()) {
    throw FormatError(root.file, -1, "names, places and sizes of the regions differ in number");
  }
  std::vector<ConnectomeRegion> regions;
  for (std::size_t r = 0; r < names.size(); ++r) {
    regions.push_back(
        {names[r], {places.values[3 * r], places.values[3 * r + 1], places.values[3 * r + 2]}, voxels.values[r]});
  }
  return regions;
}

MatrixD matrix_at(const std::vector<double>& values, std::size_t index, std::int64_t regions) {
  const std::int64_t size = regions * regions;
  return Eigen::Map<const MatrixD>(values.data() + static_cast<std::int64_t>(index) * size, regions, regions);
}

ConnectomeMatrices read_kind(const Node& parent, const std::string& name, const ConnectomeFile& content) {
  const Node group = hdf5::open_group(parent, name);
  hdf5::check_seal(group);
  const std::int64_t regions = length_of(content.regions);
  const auto runs = hdf5::read_array<double>(group, "runs");
  const auto mean = hdf5::read_array<double>(group, "group");
  if (runs.shape != std::vector{length_of(content.runs), regions, regions} ||
      mean.shape != std::vector{regions, regions}) {
    throw FormatError(parent.file, -1, fmt::format("the matrices of '{}' do not fit runs and regions", name));
  }
  ConnectomeMatrices kind{name, {}, matrix_at(mean.values, 0, regions)};
  for (std::size_t r = 0; r < content.runs.size(); ++r) kind.runs.push_back(matrix_at(runs.values, r, regions));
  return kind;
}

}  // namespace

void write_connectome_file(const std::filesystem::path& path, const ConnectomeFile& content) {
  check(content);
  AtomicFile file(path);
  {
    const hdf5::Session session;
    Node root = hdf5::create_file(file.temporary(), path);
    hdf5::write_attribute(root, kSchemaAttribute, kSchema);
    hdf5::write_texts(root, "provenance", {content.provenance});
    hdf5::write_texts(root, "runs", content.runs);
    hdf5::write_texts(root, "subjects", content.subjects);
    write_regions(root, content.regions);
    {
      const Node kinds = hdf5::create_group(root, "connectivity");
      for (const ConnectomeMatrices& kind : content.kinds) write_kind(kinds, kind, length_of(content.regions));
      hdf5::seal(kinds);
    }
    hdf5::seal(root);
    hdf5::close_file(root);
  }
  file.commit();
}

bool is_connectome_file(const std::filesystem::path& path) {
  const hdf5::Session session;
  const Node root = hdf5::open_file(path);
  return hdf5::has_attribute(root, kSchemaAttribute) && hdf5::read_text_attribute(root, kSchemaAttribute) == kSchema;
}

ConnectomeFile read_connectome_file(const std::filesystem::path& path) {
  const hdf5::Session session;
  const Node root = hdf5::open_file(path);
  if (!hdf5::has_attribute(root, kSchemaAttribute) || hdf5::read_text_attribute(root, kSchemaAttribute) != kSchema) {
    throw FormatError(path, -1, fmt::format("is no connectome file: its schema is not '{}'", kSchema));
  }
  hdf5::check_seal(root);
  ConnectomeFile content;
  const std::vector<std::string> provenance = hdf5::read_texts(root, "provenance");
  if (provenance.size() != 1) throw FormatError(path, -1, "has no provenance");
  content.provenance = provenance.front();
  content.runs = hdf5::read_texts(root, "runs");
  content.subjects = hdf5::read_texts(root, "subjects");
  if (content.runs.size() != content.subjects.size()) {
    throw FormatError(path, -1, "runs and their subjects differ in number");
  }
  content.regions = read_regions(root);
  const Node kinds = hdf5::open_group(root, "connectivity");
  hdf5::check_seal(kinds);
  for (const std::string& name : hdf5::members(kinds)) content.kinds.push_back(read_kind(kinds, name, content));
  return content;
}

}  // namespace noema
