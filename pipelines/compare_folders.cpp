#include "noema/pipelines/compare_folders.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "noema/core/error.h"
#include "noema/core/memory.h"
#include "noema/io/table.h"
#include "noema/learn/samples.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/results_page.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// Numbers names in the order of their first appearance; shared by both folders, so that equal names have equal
/// numbers.
class Numbers {
 public:
  int operator()(const std::string& name) {
    return numbers_.emplace(name, static_cast<int>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, int> numbers_;
};

struct Naming {
  std::vector<std::string> labels;
  Numbers fold, run, block;
  /// By number of the run: what `resampling_groups` needs to know.
  std::vector<LearningRun> runs;
};

int label_number(const Naming& naming, const std::string& label, const fs::path& path) {
  const auto found = std::find(naming.labels.begin(), naming.labels.end(), label);
  if (found == naming.labels.end()) {
    throw FormatError(path, -1,
                      fmt::format("found the label '{}', expected one of {}", label, fmt::join(naming.labels, ", ")));
  }
  return static_cast<int>(found - naming.labels.begin());
}

/// What each model said, in the order of the table.
std::map<std::string, Predictions> read_predictions(const fs::path& folder, Naming& naming) {
  const fs::path path = folder / "predictions.tsv";
  const Table table = read_table(path);
  return with_context(fmt::format("'{}'", path.string()), [&] {
    const auto& model = table.column("model");
    const auto& fold = table.column("fold");
    const auto& subject = table.column("subject");
    const auto& run = table.column("run");
    const auto& onset = table.column("block_onset");
    const auto& truth = table.column("truth");
    const auto& predicted = table.column("predicted");
    std::map<std::string, Predictions> models;
    for (std::size_t row = 0; row < table.rows(); ++row) {
      Predictions& p = models[model[row]];
      p.classes = static_cast<int>(naming.labels.size());
      p.truth.push_back(label_number(naming, truth[row], path));
      p.predicted.push_back(label_number(naming, predicted[row], path));
      p.fold.push_back(naming.fold(fold[row]));
      p.run.push_back(naming.run(run[row]));
      p.block.push_back(naming.block(run[row] + " " + onset[row]));
      if (static_cast<std::size_t>(p.run.back()) == naming.runs.size()) {
        naming.runs.emplace_back();
        naming.runs.back().id = run[row];
        naming.runs.back().subject = subject[row];
      }
    }
    return models;
  });
}

void require_comparable(const Results& a, const Results& b, const fs::path& first, const fs::path& second) {
  for (const auto& [results, folder] : {std::pair{&a, &first}, {&b, &second}}) {
    if (results->models.empty()) {
      throw DataError(
          fmt::format("'{}' was written by noema {} and has no scores; expected a folder of noema decode, "
                      "evaluate or finetune",
                      folder->string(), results->command));
    }
    if (results->split.hash.empty()) {
      throw DataError(fmt::format("'{}' was scored with a split that leaks; expected honest scores", folder->string()));
    }
  }
  if (a.labels != b.labels) {
    throw DataError(fmt::format("'{}' has the labels {}, '{}' has {}; expected the same", first.string(),
                                fmt::join(a.labels, ", "), second.string(), fmt::join(b.labels, ", ")));
  }
  if (a.split.hash != b.split.hash) {
    throw DataError(fmt::format(
        "the folders were scored on different splits: '{}' has {} ({}), '{}' has {} ({}). Run one of them again with "
        "--split {}",
        first.string(), a.split.hash, a.split.unit, second.string(), b.split.hash, b.split.unit,
        (first / "split.tsv").string()));
  }
}

const ModelScores* find_model(const Results& results, const std::string& name) {
  for (const ModelScores& model : results.models) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

FolderDifference difference_of(const ModelScores& a, const ModelScores& b, const Predictions& first,
                               const Predictions& second, const std::vector<LearningRun>& runs) {
  const Comparison found = with_context(
      fmt::format("model '{}' (are samples of both folders the same? They have {} {} and {} {})", a.name, a.samples,
                  a.sample_unit, b.samples, b.sample_unit),
      [&] { return compare_models(first, second, resampling_groups(first, runs), Metric::balanced_accuracy); });
  return {a.name,
          score(first).balanced_accuracy,
          score(second).balanced_accuracy,
          {a.name + " (first)", a.name + " (second)", found.difference, found.interval, found.p}};
}

void add_models(const Results& from, const char* which, Results& to) {
  for (ModelScores model : from.models) {
    model.name += fmt::format(" ({})", which);
    to.models.push_back(std::move(model));
  }
}

}  // namespace

FolderComparison compare_folders(const fs::path& first, const fs::path& second) {
  const Results a = read_results(first).results;
  const Results b = read_results(second).results;
  require_comparable(a, b, first, second);
  Naming naming;
  naming.labels = a.labels;
  const auto said_a = read_predictions(first, naming);
  const auto said_b = read_predictions(second, naming);
  FolderComparison comparison;
  for (const ModelScores& model : a.models) {
    const ModelScores* other = find_model(b, model.name);
    if (!other || !said_a.contains(model.name) || !said_b.contains(model.name)) continue;
    comparison.models.push_back(
        difference_of(model, *other, said_a.at(model.name), said_b.at(model.name), naming.runs));
  }
  if (comparison.models.empty()) {
    const auto names = [](const Results& results) {
      std::vector<std::string> list;
      for (const ModelScores& model : results.models) list.push_back(model.name);
      return fmt::format("{}", fmt::join(list, ", "));
    };
    throw DataError(fmt::format("no model is in both folders: '{}' has {}, '{}' has {}", first.string(), names(a),
                                second.string(), names(b)));
  }
  Results& results = comparison.results;
  results.command = "compare";
  results.dataset = a.dataset;
  results.subjects = a.subjects;
  results.labels = a.labels;
  results.chance = a.chance;
  results.split = a.split;
  results.title = fmt::format("{} (first) and {} (second)", first.string(), second.string());
  add_models(a, "first", results);
  add_models(b, "second", results);
  for (const FolderDifference& model : comparison.models) results.comparisons.push_back(model.difference);
  return comparison;
}

void write_folder_comparison(const fs::path& folder, FolderComparison comparison, const Provenance& provenance) {
  open_output_folder(folder, "compare", provenance.configuration);
  comparison.results.peak_memory_mb = peak_memory_mb();
  comparison.results.files.emplace_back("report.html");
  write_results(folder, comparison.results, provenance);
  write_report(folder);
}

}  // namespace noema
