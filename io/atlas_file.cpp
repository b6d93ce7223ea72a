// Atlases from files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atlas.h"
#include "noema/io/cifti.h"
#include "noema/io/nifti.h"
#include "noema/io/region_names.h"

namespace noema {
namespace {

constexpr std::size_t kMostListed = 20;

using NamesById = std::map<std::int32_t, std::string>;

/// Rows by id are the maps in order, whatever the ids are; a row for the background may be there besides.
std::vector<std::string> names_of_maps(const std::filesystem::path& table, const NamesById& rows, std::size_t maps) {
  std::vector<std::string> names;
  const std::size_t skipped = rows.size() == maps + 1 && rows.begin()->first == 0 ? 1 : 0;
  for (const auto& [id, name] : rows) names.push_back(name);
  names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(skipped));
  if (names.size() != maps) {
    throw FormatError(table, -1, fmt::format("found {} regions, the atlas has {} maps", names.size(), maps));
  }
  return names;
}

std::vector<std::string> names_of_labels(const std::filesystem::path& table, const NamesById& rows,
                                         const std::vector<std::int32_t>& ids) {
  std::vector<std::string> names;
  std::vector<std::int32_t> without;
  for (const std::int32_t id : ids) {
    const auto row = rows.find(id);
    if (row == rows.end()) without.push_back(id);
    names.push_back(row == rows.end() ? fmt::format("region_{}", id) : row->second);
  }
  if (without.empty()) return names;
  const std::size_t count = without.size();
  without.resize(std::min(count, kMostListed));
  log_warning(fmt::format("table '{}': {} of {} regions have no row and are named region_<id>: {}{}", table.string(),
                          count, ids.size(), fmt::join(without, ", "), count > kMostListed ? " …" : ""));
  return names;
}

/// Regions that share a name get their ids behind it.
void tell_apart(const std::filesystem::path& table, const std::vector<std::int32_t>& ids,
                std::vector<std::string>& names) {
  std::map<std::string, int> uses;
  for (const std::string& name : names) ++uses[name];
  std::size_t renamed = 0;
  std::string example;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (uses[names[i]] == 1) continue;
    example = names[i];
    names[i] += fmt::format("_{}", ids[i]);
    ++renamed;
  }
  if (renamed == 0) return;
  log_warning(fmt::format("table '{}': {} regions share their name with another (such as '{}') and got their ids added",
                          table.string(), renamed, example));
}

/// The first map of a dlabel file as an image of keys; its table in `rows`.
Image read_label_map(const std::filesystem::path& path, NamesById& rows) {
  Cifti cifti = read_cifti(path);
  const CiftiMap& map = cifti.header.maps.front();
  if (cifti.header.points > 1) {
    log_warning(fmt::format("atlas '{}': the first of its {} maps, '{}', is used", path.string(), cifti.header.points,
                            map.name));
  }
  for (const CiftiLabel& label : map.labels) rows[label.key] = label.name;
  Image image;
  image.header.grid = image.header.disk_grid = grid_of(cifti.header.brain_models);
  image.header.path = path;
  image.values.assign(cifti.values.row(0).begin(), cifti.values.row(0).end());
  return image;
}

}  // namespace

Atlas read_atlas(const std::filesystem::path& path, const std::filesystem::path& names) {
  NamesById rows;
  const bool is_dlabel = is_cifti_file(path) && read_cifti_header(path).kind == CiftiKind::dlabel;
  Image image = is_dlabel ? read_label_map(path, rows) : read_image(path);
  image.header.path = path;
  Atlas atlas;
  try {
    atlas = make_atlas(std::move(image));
  } catch (const DataError& error) {
    throw FormatError(path, -1, error.message());
  }
  std::filesystem::path table = names;
  if (table.empty()) table = is_dlabel ? path : region_names_beside(path);
  if (table.empty()) return atlas;
  if (table != path) rows = read_region_names(table);
  std::vector<std::string> named = atlas.kind == FeatureKind::maps ? names_of_maps(table, rows, atlas.ids.size())
                                                                   : names_of_labels(table, rows, atlas.ids);
  tell_apart(table, atlas.ids, named);
  return make_atlas(std::move(atlas.image), std::move(named));
}

}  // namespace noema
