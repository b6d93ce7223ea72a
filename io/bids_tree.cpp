#include "noema/io/bids_tree.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "noema/io/system_error.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

std::string_view without_zeros(std::string_view index) {
  const std::size_t first = index.find_first_not_of('0');
  return first == std::string_view::npos ? std::string_view("0") : index.substr(first);
}

bool is_index(std::string_view label) {
  return !label.empty() && label.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Names of what a folder holds, sorted; nothing if the folder is not there.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) throw system_error(folder, "listed", error.value());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<fs::path> folders_named(const fs::path& folder, std::string_view prefix) {
  std::vector<fs::path> folders;
  for (const fs::path& entry : entries_of(folder)) {
    std::error_code ignored;
    if (entry.filename().string().starts_with(prefix) && fs::is_directory(entry, ignored)) folders.push_back(entry);
  }
  return folders;
}

}  // namespace

bool same_label(std::string_view key, std::string_view a, std::string_view b) {
  if ((key == "run" || key == "echo") && is_index(a) && is_index(b)) return without_zeros(a) == without_zeros(b);
  return a == b;
}

bool contains(const Entities& whole, const Entities& part) {
  return std::all_of(part.begin(), part.end(), [&](const auto& entity) {
    const auto found = whole.find(entity.first);
    return found != whole.end() && same_label(entity.first, found->second, entity.second);
  });
}

Entities raw_entities(Entities entities) {
  for (const char* key : {"space", "cohort", "res", "den", "desc", "hemi", "atlas", "seg", "scale", "stat"})
    entities.erase(key);
  return entities;
}

std::string without_prefix(std::string_view label, std::string_view key) {
  if (label.starts_with(key) && label.substr(key.size()).starts_with('-')) label.remove_prefix(key.size() + 1);
  return std::string(label);
}

BidsTree::BidsTree(fs::path root) : root_(std::move(root)) {
  std::error_code error;
  if (!fs::is_directory(root_, error)) throw system_error(root_, "opened", fs::exists(root_) ? ENOTDIR : ENOENT);
  for (const fs::path& folder : folders_named(root_, "sub-")) {
    subjects_.push_back(without_prefix(folder.filename().string(), "sub"));
  }
}

const std::vector<BidsFile>& BidsTree::files_in(const fs::path& folder) {
  const auto [known, is_new] = files_.try_emplace(folder);
  if (!is_new) return known->second;
  for (const fs::path& entry : entries_of(folder)) {
    std::error_code ignored;
    if (!fs::is_directory(entry, ignored)) known->second.push_back({entry, parse_bids_name(entry)});
  }
  return known->second;
}

std::vector<BidsFile> BidsTree::functional_files(const std::string& subject) {
  const fs::path folder = root_ / ("sub-" + subject);
  std::vector<fs::path> above = folders_named(folder, "ses-");
  above.insert(above.begin(), folder);
  std::vector<BidsFile> files;
  for (const fs::path& level : above) {
    const std::vector<BidsFile>& functional = files_in(level / "func");
    files.insert(files.end(), functional.begin(), functional.end());
  }
  return files;
}

std::vector<BidsFile> BidsTree::inherited(const Entities& entities, std::string_view suffix,
                                          std::string_view extension) {
  std::vector<fs::path> levels{root_, root_ / ("sub-" + entities.at("sub"))};
  if (const auto session = entities.find("ses"); session != entities.end()) {
    levels.push_back(levels.back() / ("ses-" + session->second));
  }
  levels.push_back(levels.back() / "func");
  std::vector<BidsFile> inherited;
  for (const fs::path& level : levels) {
    const auto first = static_cast<std::ptrdiff_t>(inherited.size());
    for (const BidsFile& file : files_in(level)) {
      const BidsName& name = file.name;
      if (name.suffix == suffix && name.extension == extension && contains(entities, name.entities)) {
        inherited.push_back(file);
      }
    }
    std::stable_sort(inherited.begin() + first, inherited.end(), [](const BidsFile& a, const BidsFile& b) {
      return a.name.entities.size() < b.name.entities.size();
    });
  }
  return inherited;
}

const BidsFile* BidsTree::find(const fs::path& folder, const Entities& entities, std::string_view suffix,
                               const std::vector<std::string>& extensions) {
  for (const BidsFile& file : files_in(folder)) {
    const BidsName& name = file.name;
    if (name.suffix == suffix && name.entities.size() == entities.size() && contains(entities, name.entities) &&
        std::find(extensions.begin(), extensions.end(), name.extension) != extensions.end()) {
      return &file;
    }
  }
  return nullptr;
}

}  // namespace noema
