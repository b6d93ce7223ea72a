#include "noema/io/hcp.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/bids_tree.h"
#include "noema/io/run_choice.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

const fs::path kResults = fs::path("MNINonLinear") / "Results";

struct EvFile {
  const char* task;
  const char* stem;
  const char* state;
};
/// Thomas et al. (2023), hcprep: which files say what the subject was doing.
constexpr EvFile kStates[] = {
    {"EMOTION", "fear", "fear"},
    {"EMOTION", "neut", "neut"},
    {"GAMBLING", "loss_event", "loss"},
    {"GAMBLING", "neut_event", "neut"},
    {"GAMBLING", "win_event", "win"},
    {"LANGUAGE", "math", "math"},
    {"LANGUAGE", "story", "story"},
    {"MOTOR", "lf", "lf"},
    {"MOTOR", "lh", "lh"},
    {"MOTOR", "rf", "rf"},
    {"MOTOR", "rh", "rh"},
    {"MOTOR", "t", "t"},
    {"RELATIONAL", "match", "match"},
    {"RELATIONAL", "relation", "relation"},
    {"SOCIAL", "mental_resp", "mental"},
    {"SOCIAL", "other_resp", "other"},
    {"WM", "0bk_body", "body"},
    {"WM", "0bk_faces", "faces"},
    {"WM", "0bk_places", "places"},
    {"WM", "0bk_tools", "tools"},
    {"WM", "2bk_body", "body"},
    {"WM", "2bk_faces", "faces"},
    {"WM", "2bk_places", "places"},
    {"WM", "2bk_tools", "tools"},
};

/// "tfMRI_MOTOR_LR" → MOTOR and LR.
struct RunName {
  std::string task;
  std::string direction;
};
std::optional<RunName> run_name(const std::string& folder) {
  const std::vector<std::string> parts = split_text(folder, '_');
  if (parts.size() != 3 || parts[0] != "tfMRI" || (parts[2] != "LR" && parts[2] != "RL")) return {};
  return RunName{parts[1], parts[2]};
}

std::vector<fs::path> folders_of(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) folders.push_back(it->path());
  }
  if (error) throw IoError(folder, fmt::format("cannot be listed ({})", error.message()));
  std::sort(folders.begin(), folders.end());
  return folders;
}

bool is_subject(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder / kResults, ignored);
}

/// Folders of subjects by their label.
std::map<std::string, fs::path> subjects_of(const fs::path& root) {
  if (is_subject(root)) return {{fs::absolute(root).lexically_normal().filename().string(), root}};
  std::map<std::string, fs::path> subjects;
  for (const fs::path& folder : folders_of(root)) {
    if (is_subject(folder)) subjects[folder.filename().string()] = folder;
  }
  return subjects;
}

RunCandidate candidate(const fs::path& file, const std::string& subject, const RunName& run, const char* space,
                       const char* extension) {
  RunCandidate found;
  found.file = {file,
                {{{"sub", subject}, {"task", run.task}, {"run", run.direction}, {"space", space}}, "bold", extension}};
  found.preprocessed = true;
  return found;
}

void add_runs_of(const std::string& subject, const fs::path& folder, std::vector<RunCandidate>& candidates) {
  for (const fs::path& place : folders_of(folder / kResults)) {
    const std::string name = place.filename().string();
    const auto run = run_name(name);
    if (!run) continue;
    for (const char* ending : {"_Atlas_MSMAll.dtseries.nii", "_Atlas.dtseries.nii"}) {
      if (!fs::exists(place / (name + ending))) continue;
      candidates.push_back(candidate(place / (name + ending), subject, *run, "fsLR", ".dtseries.nii"));
      break;
    }
    if (const fs::path volume = place / (name + ".nii.gz"); fs::exists(volume)) {
      candidates.push_back(candidate(volume, subject, *run, "MNI152NLin6Asym", ".nii.gz"));
    }
  }
}

fs::path if_there(const fs::path& path) { return fs::exists(path) ? path : fs::path(); }

Run describe_run(const RunCandidate& candidate) {
  const fs::path folder = candidate.file.path.parent_path();
  Run run;
  run.entities = candidate.entities();
  run.bold = candidate.file.path;
  if (!is_grayordinates(candidate.file.name)) run.mask = if_there(folder / "brainmask_fs.2.nii.gz");
  run.confounds = if_there(folder / "Movement_Regressors.txt");
  run.events = if_there(folder / "EVs");
  return run;
}

void refuse_bids_options(const DatasetQuery& query) {
  const char* option = !query.filter_file.empty()   ? "--bids-filter-file"
                       : !query.derivatives.empty() ? "--derivatives"
                       : !query.session.empty()     ? "--session"
                                                    : nullptr;
  if (option == nullptr) return;
  throw UsageError(fmt::format("{} is for BIDS datasets; folders of the HCP have no such thing: leave it out", option));
}

void require_events(const Dataset& dataset) {
  for (const Run& run : dataset.runs) {
    if (!run.events.empty()) continue;
    throw DataError(fmt::format("run '{}' has no events; looked for the folder '{}'; download the EVs of this task",
                                run.bold.string(), (run.bold.parent_path() / "EVs").string()));
  }
}

/// The numbers of each line; empty lines are passed over.
std::vector<std::vector<double>> rows_of_numbers(const fs::path& path, std::size_t columns) {
  const TextLines lines(path);
  std::vector<std::vector<double>> rows;
  for (std::size_t l = 0; l < lines.count(); ++l) {
    std::vector<double> row;
    std::string_view rest = trimmed(lines[l]);
    if (rest.empty()) continue;
    while (!rest.empty()) {
      double value = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      if (error != std::errc() || !std::isfinite(value)) break;
      row.push_back(value);
      rest = trimmed(rest.substr(static_cast<std::size_t>(end - rest.data())));
    }
    if (!rest.empty() || row.size() != columns) {
      throw FormatError(path, lines.offset(l),
                        fmt::format("line {} is '{}', expected {} numbers; download the file again", l + 1,
                                    trimmed(lines[l]).substr(0, 60), columns));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void add_events(const fs::path& file, const std::string& label, std::vector<Event>& events) {
  for (const std::vector<double>& row : rows_of_numbers(file, 3)) {
    if (row[1] < 0)
      throw FormatError(file, -1, fmt::format("found a duration of {:g} s, expected none below 0", row[1]));
    events.push_back({row[0], row[1], label, row[2]});
  }
}

void add_states(const fs::path& folder, std::vector<Event>& events) {
  const auto run = run_name(fs::absolute(folder).lexically_normal().parent_path().filename().string());
  const std::string task = run ? run->task : "";
  bool known = false;
  std::vector<std::string> missing;
  for (const EvFile& file : kStates) {
    if (task != file.task) continue;
    known = true;
    const fs::path path = folder / (std::string(file.stem) + ".txt");
    if (fs::exists(path)) {
      add_events(path, file.state, events);
    } else {
      missing.push_back(path.filename().string());
    }
  }
  if (!missing.empty()) {
    log_warning(fmt::format("'{}' lacks {}: what happened then has no label; was it downloaded whole?", folder.string(),
                            fmt::join(missing, ", ")));
  }
  if (known) return;
  throw DataError(
      fmt::format("'{}': no states are known of the task '{}', expected EMOTION, GAMBLING, LANGUAGE, MOTOR, "
                  "RELATIONAL, SOCIAL or WM; take the names of the files as labels (--label-column ev)",
                  folder.string(), task));
}

void add_files(const fs::path& folder, std::vector<Event>& events) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt" && entry.path().stem() != "Sync") files.insert(entry.path());
  }
  for (const fs::path& file : files) add_events(file, file.stem().string(), events);
}

}  // namespace

bool is_hcp_folder(const fs::path& root) {
  if (is_subject(root)) return true;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (is_subject(it->path())) return true;
  }
  return false;
}

Dataset index_hcp(const fs::path& root, const DatasetQuery& query) {
  refuse_bids_options(query);
  const std::map<std::string, fs::path> folders = subjects_of(root);
  std::vector<std::string> labels;
  for (const auto& [label, folder] : folders) labels.push_back(label);
  const std::vector<std::string> subjects = known_labels(query.participants, labels, "sub", "--participant-label");
  std::vector<RunCandidate> candidates;
  for (const std::string& subject : subjects) {
    check_cancelled();
    add_runs_of(subject, folders.at(subject), candidates);
  }
  if (candidates.empty()) {
    throw DataError(
        fmt::format("'{}': found no task run of {} subjects; expected <subject>/MNINonLinear/Results/"
                    "tfMRI_<TASK>_<LR|RL>/tfMRI_<TASK>_<LR|RL>_Atlas[_MSMAll].dtseries.nii or .nii.gz",
                    root.string(), subjects.size()));
  }
  Dataset dataset;
  dataset.root = root;
  dataset.name = fs::absolute(root / "").lexically_normal().parent_path().filename().string();
  if (const fs::path table = root / "participants.tsv"; fs::exists(table)) dataset.participants = read_table(table);
  for (const RunCandidate& chosen : choose_runs(std::move(candidates), query))
    dataset.runs.push_back(describe_run(chosen));
  std::sort(dataset.runs.begin(), dataset.runs.end(), [](const Run& a, const Run& b) { return a.id() < b.id(); });
  if (query.needs_events) require_events(dataset);
  return dataset;
}

std::vector<Event> read_hcp_events(const fs::path& folder, const std::string& label_column) {
  std::vector<Event> events;
  if (label_column == "trial_type") {
    add_states(folder, events);
  } else if (label_column == "ev") {
    add_files(folder, events);
  } else {
    throw UsageError(
        fmt::format("--label-column {}: events of the HCP have no columns, expected trial_type (the states "
                    "of the task) or ev (the names of the files)",
                    label_column));
  }
  if (events.empty()) throw DataError(fmt::format("'{}': found no event in its files", folder.string()));
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.onset_s < b.onset_s; });
  return events;
}

ConfoundTable read_movement_regressors(const fs::path& path) {
  constexpr std::array<const char*, 6> kNames{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  constexpr Eigen::Index kDisplacement = 12;
  const std::vector<std::vector<double>> rows = rows_of_numbers(path, 12);
  if (rows.empty()) throw FormatError(path, -1, "no rows; expected one for each volume of the run");
  ConfoundTable table;
  table.path = path;
  for (const char* name : kNames) table.names.emplace_back(name);
  for (const char* name : kNames) table.names.push_back(std::string(name) + "_derivative1");
  table.names.emplace_back("framewise_displacement");
  table.values.resize(static_cast<Eigen::Index>(rows.size()), kDisplacement + 1);
  for (std::size_t t = 0; t < rows.size(); ++t) {
    for (std::size_t c = 0; c < 12; ++c) {
      const double unit = c % 6 < 3 ? 1 : std::numbers::pi / 180;
      table.values(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(c)) = rows[t][c] * unit;
    }
  }
  const std::vector<double> displacement_mm = framewise_displacement(table.values.leftCols(6));
  table.values.col(kDisplacement) = Eigen::Map<const Eigen::VectorXd>(displacement_mm.data(), table.values.rows());
  return table;
}

}  // namespace noema
