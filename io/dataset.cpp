#include "noema/io/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <system_error>
#include <tuple>

#include "noema/core/cancel.h"
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/bids_filter.h"
#include "noema/io/bids_tree.h"
#include "noema/io/hcp.h"
#include "noema/io/run_choice.h"
#include "noema/io/sidecars.h"
#include "noema/io/system_error.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kImageExtensions{".nii.gz", ".nii"};

/// The raw tree first, then those of the derivatives; addresses stay.
struct Trees {
  struct Derivatives {
    std::unique_ptr<BidsTree> tree;
    bool asked_for = false;
  };
  std::unique_ptr<BidsTree> raw;
  std::vector<Derivatives> derivatives;
};

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool is_candidate = !name.starts_with("sub-") && !name.starts_with('.');
    if (is_candidate && it->is_directory(ignored)) folders.push_back(it->path());
  }
  if (error) throw system_error(folder, "listed", error.value());
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// Adds the trees of a folder of derivatives: itself and the folders in it, where they have subjects.
void add_derivatives(Trees& trees, const fs::path& folder, bool asked_for) {
  std::vector<fs::path> places{folder};
  const std::vector<fs::path> inner = folders_in(folder);
  places.insert(places.end(), inner.begin(), inner.end());
  for (const fs::path& place : places) {
    const auto is_known = [&](const Trees::Derivatives& known) { return fs::equivalent(known.tree->root(), place); };
    if (std::any_of(trees.derivatives.begin(), trees.derivatives.end(), is_known)) continue;
    if (fs::equivalent(trees.raw->root(), place)) continue;
    auto tree = std::make_unique<BidsTree>(place);
    if (!tree->subjects().empty()) trees.derivatives.push_back({std::move(tree), asked_for});
  }
}

Trees open_trees(const fs::path& root, const std::vector<fs::path>& asked_for) {
  Trees trees;
  trees.raw = std::make_unique<BidsTree>(root);
  for (const fs::path& folder : asked_for) {
    BidsTree readable(folder);  // or an error that names it
    const std::size_t before = trees.derivatives.size();
    add_derivatives(trees, folder, true);
    if (trees.derivatives.size() == before) {
      log_warning(
          fmt::format("derivatives '{}': neither it nor the folders in it have folders sub-*", folder.string()));
    }
  }
  if (const fs::path inside = root / "derivatives"; fs::is_directory(inside)) add_derivatives(trees, inside, false);
  return trees;
}

std::vector<std::string> all_subjects(const Trees& trees) {
  std::set<std::string> subjects(trees.raw->subjects().begin(), trees.raw->subjects().end());
  for (const auto& [tree, asked_for] : trees.derivatives) {
    subjects.insert(tree->subjects().begin(), tree->subjects().end());
  }
  return {subjects.begin(), subjects.end()};
}

std::string name_of_dataset(const fs::path& root) {
  const std::string fallback = fs::absolute(root).lexically_normal().filename().string();
  const fs::path description = root / "dataset_description.json";
  if (!fs::exists(description)) {
    log_warning(fmt::format("dataset '{}' has no dataset_description.json, which BIDS requires", root.string()));
    return fallback;
  }
  const nlohmann::json fields = read_json_object(description);
  return fields.contains("Name") && fields["Name"].is_string() ? fields["Name"].get<std::string>() : fallback;
}

bool is_raw_form(const Entities& entities) { return raw_entities(entities).size() == entities.size(); }

/// Is this an image of a run that may be taken? Magnitude images where the filter does not say otherwise.
bool may_be_taken(const BidsFile& file, bool in_raw_tree, const BidsFilter& filter) {
  const BidsName& name = file.name;
  const auto is = [&](const char* key, const char* label) {
    const auto found = name.entities.find(key);
    return found != name.entities.end() && found->second == label;
  };
  const bool of_run = name.suffix == "bold" || (name.suffix == "timeseries" && is_parcels(name));
  if (!of_run || !name.entities.contains("sub") || name.entities.contains("hemi")) return false;
  const bool is_volume =
      std::find(kImageExtensions.begin(), kImageExtensions.end(), name.extension) != kImageExtensions.end();
  if (!is_volume && !is_grayordinates(name)) return false;
  if (!filter.mentions("part") && name.entities.contains("part") && !is("part", "mag")) return false;
  if (is_raw_form(name.entities)) return in_raw_tree && filter.accepts(name.entities);
  if (!is_volume) return filter.accepts(name.entities);  // fMRIPrep gives them no desc
  const bool right_form = filter.mentions("desc") ? name.entities.contains("desc") : is("desc", "preproc");
  return right_form && filter.accepts(name.entities);
}

void add_candidates(BidsTree& tree, int rank, bool in_raw_tree, const std::vector<std::string>& subjects,
                    const BidsFilter& filter, std::vector<RunCandidate>& candidates) {
  for (const std::string& subject : subjects) {
    check_cancelled();
    for (const BidsFile& file : tree.functional_files(subject)) {
      if (!may_be_taken(file, in_raw_tree, filter)) continue;
      if (file.name.entities.at("sub") != subject) {
        throw DataError(
            fmt::format("'{}' lies in the folder of sub-{}; rename the file or move it", file.path.string(), subject));
      }
      candidates.push_back({file, &tree, !is_raw_form(file.name.entities), rank});
    }
  }
}

std::vector<RunCandidate> find_candidates(Trees& trees, const std::vector<std::string>& subjects,
                                          const DatasetQuery& query) {
  const BidsFilter filter = query.filter_file.empty() ? BidsFilter() : BidsFilter(query.filter_file);
  std::vector<RunCandidate> candidates;
  add_candidates(*trees.raw, 1, true, subjects, filter, candidates);
  for (auto& [tree, asked_for] : trees.derivatives) {
    add_candidates(*tree, asked_for ? 0 : 1, false, subjects, filter, candidates);
  }
  if (!candidates.empty()) return candidates;
  throw DataError(fmt::format(
      "dataset '{}': found no functional run of {} subjects in {} folders of derivatives or the dataset itself; "
      "expected sub-*/[ses-*/]func/*_bold.nii[.gz] or *_desc-preproc_bold.nii[.gz] or *_space-fsLR_den-91k_bold.dtseries.nii or .ptseries.nii (.func.gii is not read){}",
      trees.raw->root().string(), subjects.size(), trees.derivatives.size(),
      query.filter_file.empty() ? "" : fmt::format("; check the filter file '{}'", query.filter_file.string())));
}

/// Files beside a preprocessed run, also under its names without echo and part, which masks of combined echoes lack.
fs::path beside(BidsTree& tree, const fs::path& bold, Entities entities, const char* desc, const char* suffix,
                const std::vector<std::string>& extensions) {
  entities["desc"] = desc;
  const BidsFile* file = tree.find(bold.parent_path(), entities, suffix, extensions);
  if (file == nullptr && entities.erase("echo") + entities.erase("part") > 0) {
    file = tree.find(bold.parent_path(), entities, suffix, extensions);
  }
  return file == nullptr ? fs::path() : file->path;
}

fs::path confounds_beside(BidsTree& tree, const fs::path& bold, const Entities& entities) {
  const Entities raw = raw_entities(entities);
  const fs::path current = beside(tree, bold, raw, "confounds", "timeseries", {".tsv"});
  return current.empty() ? beside(tree, bold, raw, "confounds", "regressors", {".tsv"}) : current;
}

fs::path events_of(BidsTree& tree, const Entities& entities) {
  const std::vector<BidsFile> files = tree.inherited(raw_entities(entities), "events", ".tsv");
  if (files.empty()) return {};
  if (files.size() > 1) {
    const BidsFile& last = files.back();
    const BidsFile& other = files[files.size() - 2];
    if (last.path.parent_path() == other.path.parent_path() &&
        last.name.entities.size() == other.name.entities.size()) {
      throw DataError(fmt::format("'{}' and '{}' both hold for the run '{}'; keep one", other.path.string(),
                                  last.path.string(), bids_name(entities, "bold", "")));
    }
  }
  return files.back().path;
}

Run describe_run(const RunCandidate& candidate, BidsTree& raw, Sidecars& sidecars) {
  Run run;
  run.entities = candidate.entities();
  run.bold = candidate.file.path;
  BidsTree& tree = *candidate.tree;
  if (!fs::exists(run.bold)) {
    throw DataError(fmt::format("'{}' is a broken link: its content is not on this machine; fetch it (datalad get)",
                                run.bold.string()));
  }
  nlohmann::json fields = sidecars.bold_fields(raw, raw_entities(run.entities));
  if (candidate.preprocessed) {
    run.mask = beside(tree, run.bold, run.entities, "brain", "mask", kImageExtensions);
    run.confounds = confounds_beside(tree, run.bold, run.entities);
    // To which time slices were shifted is a matter of preprocessing alone.
    fields.erase("StartTime");
    fields.update(sidecars.bold_fields(tree, run.entities));
  }
  const RunTiming timing = timing_of(fields, run.bold);
  run.tr_s = timing.tr_s;
  run.slice_time_s = timing.slice_time_s;
  run.events = events_of(raw, run.entities);
  if (run.events.empty() && &tree != &raw) run.events = events_of(tree, run.entities);
  return run;
}

/// Digits as numbers, so that run 2 comes before run 10.
std::tuple<std::size_t, std::string> natural_key(const std::string& label) {
  const bool is_number = label.find_first_not_of("0123456789") == std::string::npos;
  const std::size_t zeros = is_number ? std::min(label.find_first_not_of('0'), label.size()) : 0;
  return {is_number ? label.size() - zeros : std::string::npos, label.substr(zeros)};
}

bool comes_before(const Run& a, const Run& b) {
  for (const char* key : {"sub", "ses", "task", "run"}) {
    const auto key_a = natural_key(a.entity(key));
    const auto key_b = natural_key(b.entity(key));
    if (key_a != key_b) return key_a < key_b;
  }
  return a.id() < b.id();
}

void require_events(const Dataset& dataset) {
  std::vector<const Run*> without;
  for (const Run& run : dataset.runs) {
    if (run.events.empty()) without.push_back(&run);
  }
  if (without.empty()) return;
  Entities entities = raw_entities(without.front()->entities);
  const std::string task = without.front()->entity("task");
  entities.erase("echo");
  entities.erase("part");
  fs::path expected = dataset.root / ("sub-" + entities.at("sub"));
  if (entities.contains("ses")) expected /= "ses-" + entities.at("ses");
  expected = expected / "func" / bids_name(entities, "events", ".tsv");
  throw DataError(fmt::format(
      "{} of {} runs have no events; looked for '{}' and for files that hold for several runs, such as "
      "'task-{}_events.tsv' in '{}'; add the file, or choose other runs (--task, --session, --run, "
      "--participant-label){}",
      without.size(), dataset.runs.size(), expected.string(), task, dataset.root.string(),
      is_raw_form(without.front()->entities)
          ? ""
          : "; events lie in the raw dataset: give that as the dataset, and this run's folder as --derivatives"));
}

void require_runs_of(const std::vector<std::string>& asked_for, const Dataset& dataset) {
  const std::vector<std::string> found = dataset.subjects();
  std::vector<std::string> missing;
  for (const std::string& subject : asked_for) {
    if (std::find(found.begin(), found.end(), subject) == found.end()) missing.push_back("sub-" + subject);
  }
  if (missing.empty()) return;
  throw DataError(fmt::format("no run of {} fits what was asked for (task, session, run, space, filter file)",
                              fmt::join(missing, ", ")));
}

}  // namespace

Dataset index_dataset(const fs::path& root, const DatasetQuery& query) {
  if (is_hcp_folder(root)) return index_hcp(root, query);
  Trees trees = open_trees(root, query.derivatives);
  const std::vector<std::string> subjects =
      known_labels(query.participants, all_subjects(trees), "sub", "--participant-label");
  Dataset dataset;
  dataset.root = root;
  dataset.name = name_of_dataset(root);
  if (const fs::path table = root / "participants.tsv"; fs::exists(table)) dataset.participants = read_table(table);
  Sidecars sidecars;
  for (const RunCandidate& candidate : choose_runs(find_candidates(trees, subjects, query), query)) {
    check_cancelled();
    dataset.runs.push_back(describe_run(candidate, *trees.raw, sidecars));
  }
  std::sort(dataset.runs.begin(), dataset.runs.end(), comes_before);
  if (!query.participants.empty()) require_runs_of(subjects, dataset);
  if (query.needs_events) require_events(dataset);
  return dataset;
}

}  // namespace noema
