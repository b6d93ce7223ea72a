// Names of files and runs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "noema/io/bids_tree.h"
#include "noema/io/dataset.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

// The order of the BIDS schema (1.10), with `cohort` of TemplateFlow after the space it belongs to.
constexpr std::array<std::string_view, 36> kOrder{
    "sub",   "ses",       "sample", "task",  "tracksys", "acq",   "nuc", "voi",  "ce",    "trc",  "stain", "rec",
    "dir",   "run",       "mod",    "echo",  "flip",     "inv",   "mt",  "part", "proc",  "hemi", "space", "cohort",
    "split", "recording", "chunk",  "atlas", "seg",      "scale", "res", "den",  "label", "desc", "from",  "to"};

std::size_t place_of(std::string_view entity) {
  return static_cast<std::size_t>(std::find(kOrder.begin(), kOrder.end(), entity) - kOrder.begin());
}

}  // namespace

BidsName parse_bids_name(const std::filesystem::path& path) {
  const std::string file = path.filename().string();
  const std::size_t dot = std::min(file.find('.'), file.size());
  BidsName name;
  name.extension = file.substr(dot);
  const std::vector<std::string> pieces = split_text(std::string_view(file).substr(0, dot), '_');
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::size_t dash = pieces[i].find('-');
    if (dash != std::string::npos) {
      name.entities[pieces[i].substr(0, dash)] = pieces[i].substr(dash + 1);
    } else if (i + 1 == pieces.size()) {
      name.suffix = pieces[i];
    }
  }
  return name;
}

bool is_parcels(const BidsName& name) { return name.extension == ".ptseries.nii"; }

bool is_grayordinates(const BidsName& name) { return name.extension == ".dtseries.nii" || is_parcels(name); }

std::string bids_name(const Entities& entities, const std::string& suffix, const std::string& extension) {
  std::vector<std::pair<std::string, std::string>> ordered(entities.begin(), entities.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return place_of(a.first) < place_of(b.first); });
  std::string name;
  for (const auto& [key, label] : ordered) {
    if (!name.empty()) name += '_';
    name += fmt::format("{}-{}", key, label);
  }
  if (!name.empty() && !suffix.empty()) name += '_';
  return name + suffix + extension;
}

std::string Run::entity(const std::string& key) const {
  const auto found = entities.find(key);
  return found == entities.end() ? "" : found->second;
}

std::string Run::id() const { return bids_name(raw_entities(entities), "", ""); }

std::vector<std::string> Dataset::subjects() const {
  std::vector<std::string> labels;
  for (const Run& run : runs) {
    if (labels.empty() || labels.back() != run.subject()) labels.push_back(run.subject());
  }
  return labels;
}

}  // namespace noema
