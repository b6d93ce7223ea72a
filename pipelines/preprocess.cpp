#include "noema/pipelines/preprocess.h"

#include <algorithm>

#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

std::vector<PreprocessedSubject> count(const PreparedData& data) {
  std::vector<PreprocessedSubject> subjects;
  for (const SubjectOutcome& outcome : data.subjects) {
    PreprocessedSubject subject{outcome, 0, 0, 0, 0};
    for (const LearningRun& run : *data.runs) {
      if (run.subject != outcome.subject) continue;
      ++subject.runs;
      subject.features = run.series.values.cols();
      subject.volumes += run.series.volumes();
      subject.censored += std::count(run.series.keep.begin(), run.series.keep.end(), std::uint8_t{0});
    }
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

void write_rows(const std::filesystem::path& folder, const std::vector<PreprocessedSubject>& subjects) {
  std::vector<std::string> name, outcome, reason;
  std::vector<double> runs, features, volumes, censored;
  for (const PreprocessedSubject& subject : subjects) {
    name.push_back("sub-" + subject.outcome.subject);
    outcome.push_back(to_string(subject.outcome.kind));
    std::string why = subject.outcome.reason;
    std::replace_if(
        why.begin(), why.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    reason.push_back(why);
    runs.push_back(subject.runs);
    features.push_back(static_cast<double>(subject.features));
    volumes.push_back(static_cast<double>(subject.volumes));
    censored.push_back(static_cast<double>(subject.censored));
  }
  Table table;
  table.add("participant_id", name);
  table.add("outcome", outcome);
  table.add("runs", runs);
  table.add("features", features);
  table.add("volumes", volumes, 12);
  table.add("censored_volumes", censored, 12);
  table.add("reason", reason);
  write_table(folder / "preprocessing.tsv", table);
}

}  // namespace

std::string to_string(SubjectOutcome::Kind kind) {
  switch (kind) {
    case SubjectOutcome::Kind::computed:
      return "computed";
    case SubjectOutcome::Kind::reused:
      return "reused";
    case SubjectOutcome::Kind::failed:
      return "failed";
  }
  return "";
}

std::vector<PreprocessedSubject> preprocess_dataset(const PrepareOptions& options) {
  open_output_folder(options.output, "preprocess", options.configuration);
  std::vector<PreprocessedSubject> subjects = count(prepare_dataset(options));
  write_rows(options.output, subjects);
  return subjects;
}

}  // namespace noema
