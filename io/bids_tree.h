// io/bids_tree: the files of one BIDS tree, raw or derivative, and which of them hold for a run.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/dataset.h"

namespace noema {

/// Labels of an entity are the same text, or for the indices `run` and `echo` the same number ("1" and "01").
bool same_label(std::string_view key, std::string_view a, std::string_view b);
/// Has `whole` all entities of `part`, with the same labels?
bool contains(const Entities& whole, const Entities& part);
/// Without the entities that only derivatives have: space, cohort, res, den, desc, hemi, atlas, seg, scale and stat.
Entities raw_entities(Entities entities);
/// "sub-01" and "01" give "01".
std::string without_prefix(std::string_view label, std::string_view key);

/// Is it a file of grayordinates (`.dtseries.nii`) or of parcels of them over time?
bool is_grayordinates(const BidsName& name);
/// Is it a file of parcels of grayordinates over time (`.ptseries.nii`)?
bool is_parcels(const BidsName& name);

struct BidsFile {
  std::filesystem::path path;
  BidsName name;
};

/// A folder with folders `sub-*`. Folders are listed once, when first asked for. Not thread-safe.
class BidsTree {
 public:
  /// @throws IoError if `root` is not a folder that can be listed.
  explicit BidsTree(std::filesystem::path root);

  const std::filesystem::path& root() const { return root_; }
  /// Labels of the folders `sub-*`, sorted.
  const std::vector<std::string>& subjects() const { return subjects_; }
  /// The files of `sub-<subject>/[ses-*/]func`, sorted by path. Broken links are files too.
  std::vector<BidsFile> functional_files(const std::string& subject);
  /// The files named `…<suffix><extension>` that hold for a run with these entities (inheritance principle): those of
  /// the root, of the subject, of the session and of `func` whose entities the run has too; the most special last.
  std::vector<BidsFile> inherited(const Entities& entities, std::string_view suffix, std::string_view extension);
  /// The file of one folder with exactly these entities; nullptr if there is none.
  const BidsFile* find(const std::filesystem::path& folder, const Entities& entities, std::string_view suffix,
                       const std::vector<std::string>& extensions);

 private:
  const std::vector<BidsFile>& files_in(const std::filesystem::path& folder);
  std::filesystem::path root_;
  std::vector<std::string> subjects_;
  std::map<std::filesystem::path, std::vector<BidsFile>> files_;
};

}  // namespace noema
