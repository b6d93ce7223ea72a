#include "noema/io/run_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

constexpr std::size_t kMostListed = 20;
constexpr const char* kRawSpace = "raw";

std::string listed(std::vector<std::string> texts) {
  const std::size_t count = texts.size();
  if (count > kMostListed) texts.resize(kMostListed);
  return fmt::format("{}{}", fmt::join(texts, ", "),
                     count > kMostListed ? fmt::format(" … ({} in all)", count) : std::string());
}

std::string label_of(const Entities& entities, const std::string& key) {
  const auto found = entities.find(key);
  return found == entities.end() ? "" : found->second;
}

/// Keeps the candidates whose entity `key` has the label that was asked for, if one was.
void keep_label(std::vector<RunCandidate>& candidates, const std::string& key, const std::string& wanted,
                std::string_view option) {
  if (wanted.empty()) return;
  std::set<std::string> labels;
  for (const RunCandidate& candidate : candidates) {
    if (candidate.entities().contains(key)) labels.insert(candidate.entities().at(key));
  }
  const std::string label = known_labels({wanted}, {labels.begin(), labels.end()}, key, option).front();
  std::erase_if(candidates, [&](const RunCandidate& candidate) {
    return !same_label(key, label_of(candidate.entities(), key), label);
  });
}

void require_one_task(const std::vector<RunCandidate>& candidates) {
  std::map<std::string, int> tasks;
  for (const RunCandidate& candidate : candidates) ++tasks[label_of(candidate.entities(), "task")];
  if (tasks.size() <= 1) return;
  std::vector<std::string> names;
  for (const auto& [task, count] : tasks) names.push_back(task.empty() ? "(no task)" : task);
  throw UsageError(fmt::format("the dataset has several tasks: {}; choose one with --task", listed(names)));
}

/// What is the same for all files of one recording: raw, in every space and resolution, each echo, each reconstruction.
Entities recording_of(const Entities& entities) {
  Entities recording = raw_entities(entities);
  for (const char* key : {"echo", "part", "rec"}) recording.erase(key);
  if (const auto run = recording.find("run"); run != recording.end()) {
    run->second.erase(0, std::min(run->second.find_first_not_of('0'), run->second.size()));
  }
  return recording;
}

using Recordings = std::map<Entities, std::vector<RunCandidate>>;

Recordings group(const std::vector<RunCandidate>& candidates, bool prefer_preprocessed) {
  Recordings recordings;
  for (const RunCandidate& candidate : candidates) recordings[recording_of(candidate.entities())].push_back(candidate);
  for (auto& [recording, files] : recordings) {
    const bool preprocessed =
        std::any_of(files.begin(), files.end(), [](const auto& file) { return file.preprocessed; });
    if (preprocessed && prefer_preprocessed)
      std::erase_if(files, [](const RunCandidate& file) { return !file.preprocessed; });
  }
  return recordings;
}

/// How many recordings there are in each space.
std::map<std::string, int> spaces_of(const Recordings& recordings) {
  std::map<std::string, int> counts;
  for (const auto& [recording, files] : recordings) {
    std::set<std::string> spaces;
    for (const RunCandidate& file : files) spaces.insert(file.space());
    for (const std::string& space : spaces) ++counts[space];
  }
  return counts;
}

void require_one_space(const Recordings& recordings) {
  const std::map<std::string, int> counts = spaces_of(recordings);
  if (counts.size() <= 1) return;
  std::vector<std::string> spaces;
  for (const auto& [space, count] : counts) {
    const char* meaning = space == "func" ? ", preprocessed in their own space" : "";
    spaces.push_back(fmt::format("{} ({} runs{})", space, count, space == kRawSpace ? ", not preprocessed" : meaning));
  }
  throw UsageError(fmt::format("the runs are in several spaces: {}; choose one with --space", listed(spaces)));
}

void keep_space(Recordings& recordings, const std::string& wanted) {
  const std::map<std::string, int> counts = spaces_of(recordings);
  std::vector<std::string> spaces;
  for (const auto& [name, count] : counts) spaces.push_back(name);
  const std::string space = known_labels({wanted}, spaces, "space", "--space").front();
  std::vector<std::string> without;
  for (auto& [recording, files] : recordings) {
    std::erase_if(files, [&](const RunCandidate& file) { return file.space() != space; });
    if (files.empty()) without.push_back(bids_name(recording, "", ""));
  }
  std::erase_if(recordings, [](const auto& entry) { return entry.second.empty(); });
  if (without.empty()) return;
  log_warning(fmt::format("{} runs are not there in the space '{}' and were left out: {}", without.size(), space,
                          listed(without)));
}

/// Grayordinates are taken when their space is asked for, or where there is no preprocessed volume.
void set_grayordinates_aside(Recordings& recordings) {
  for (auto& [recording, files] : recordings) {
    const bool has_volume = std::any_of(files.begin(), files.end(), [](const RunCandidate& file) {
      return file.preprocessed && !is_grayordinates(file.file.name);
    });
    if (has_volume) std::erase_if(files, [](const RunCandidate& file) { return is_grayordinates(file.file.name); });
  }
}

/// Parcels are taken where there is nothing finer of the same rank or a better one.
void set_parcels_aside(std::vector<RunCandidate>& files) {
  int finest = std::numeric_limits<int>::max();
  for (const RunCandidate& file : files) {
    if (!is_parcels(file.file.name)) finest = std::min(finest, file.rank);
  }
  std::erase_if(files, [&](const RunCandidate& file) { return is_parcels(file.file.name) && finest <= file.rank; });
}

/// The one file of a recording.
RunCandidate only_one(std::vector<RunCandidate> files) {
  set_parcels_aside(files);
  const auto by_rank = [](const RunCandidate& a, const RunCandidate& b) { return a.rank < b.rank; };
  const int rank = std::min_element(files.begin(), files.end(), by_rank)->rank;
  std::erase_if(files, [&](const RunCandidate& file) { return file.rank != rank; });
  if (files.size() == 1) return files.front();
  std::set<std::string> differing;
  std::vector<std::string> paths;
  for (const RunCandidate& file : files) {
    paths.push_back(fmt::format("'{}'", file.file.path.string()));
    for (const char* key : {"res", "den", "desc", "cohort", "atlas", "seg", "scale", "stat", "echo", "part", "rec"}) {
      if (label_of(file.entities(), key) != label_of(files.front().entities(), key)) differing.insert(key);
    }
  }
  const std::string remedy = differing.empty()
                                 ? std::string("keep one of them, or name its derivatives folder with --derivatives")
                                 : fmt::format(
                                       "choose by '{}' in a filter file (--bids-filter-file), such as {{\"bold\": "
                                       "{{\"{}\": …}}}}",
                                       fmt::join(differing, "', '"), *differing.begin());
  throw UsageError(fmt::format("{} files are of the same run: {}; {}", files.size(), listed(paths), remedy));
}

}  // namespace

std::string RunCandidate::space() const {
  if (!preprocessed) return kRawSpace;
  const std::string space = label_of(entities(), "space");
  return space.empty() ? "func" : space;
}

std::vector<std::string> known_labels(const std::vector<std::string>& wanted, const std::vector<std::string>& known,
                                      std::string_view key, std::string_view option) {
  if (wanted.empty()) return known;
  std::vector<std::string> labels;
  for (const std::string& text : wanted) {
    const std::string label = without_prefix(text, key);
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const std::string& name) { return same_label(key, name, label); });
    if (found == known.end()) {
      const std::optional<std::string> nearest = nearest_match(label, known);
      throw UsageError(fmt::format("{} {}: the dataset has no such label; {}there are: {}", option, text,
                                   nearest ? fmt::format("did you mean '{}'? ", *nearest) : "",
                                   known.empty() ? "none" : listed(known)));
    }
    if (std::find(labels.begin(), labels.end(), *found) == labels.end()) labels.push_back(*found);
  }
  return labels;
}

std::vector<RunCandidate> choose_runs(std::vector<RunCandidate> candidates, const DatasetQuery& query) {
  keep_label(candidates, "ses", query.session, "--session");
  keep_label(candidates, "task", query.task, "--task");
  require_one_task(candidates);
  keep_label(candidates, "run", query.run, "--run");
  Recordings recordings = group(candidates, query.space != kRawSpace);
  if (query.space.empty()) {
    set_grayordinates_aside(recordings);
    require_one_space(recordings);
  } else {
    keep_space(recordings, query.space);
  }
  std::vector<RunCandidate> chosen;
  for (const auto& [recording, files] : recordings) chosen.push_back(only_one(files));
  return chosen;
}

}  // namespace noema
