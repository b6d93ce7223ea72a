#include "noema/tests/io/fake_dataset.h"

#include <fmt/format.h>

namespace noema {

void put(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  write_text(path, text);
}

std::vector<std::string> FakeDataset::stems() const {
  std::vector<std::string> stems;
  for (const std::string& subject : subjects) {
    for (const std::string& session : sessions.empty() ? std::vector<std::string>{""} : sessions) {
      const std::string folder = session.empty() ? "" : fmt::format("ses-{}/", session);
      const std::string entity = session.empty() ? "" : fmt::format("_ses-{}", session);
      for (const std::string& task : tasks) {
        for (int run = 1; run <= runs; ++run) {
          stems.push_back(
              fmt::format("sub-{0}/{1}func/sub-{0}{2}_task-{3}_run-{4:02}", subject, folder, entity, task, run));
        }
      }
    }
  }
  return stems;
}

void FakeDataset::write_raw(const std::filesystem::path& root) const {
  put(root / "dataset_description.json", R"({"Name": "made up", "BIDSVersion": "1.9.0"})");
  for (const std::string& stem : stems()) {
    put(root / (stem + "_bold.nii.gz"));
    put(root / (stem + "_bold.json"), R"({"RepetitionTime": 1.5})");
    put(root / (stem + "_events.tsv"), "onset\tduration\ttrial_type\n10\t1\tc0\n");
    put(root / (stem + "_sbref.nii.gz"));
  }
}

void FakeDataset::write_derivatives(const std::filesystem::path& root) const {
  put(root / "dataset_description.json", R"({"Name": "made up", "DatasetType": "derivative"})");
  for (const std::string& stem : stems()) {
    for (const std::string& space : spaces) {
      const std::string name = space.empty() ? stem : fmt::format("{}_space-{}", stem, space);
      put(root / (name + "_desc-preproc_bold.nii.gz"));
      put(root / (name + "_desc-preproc_bold.json"), R"({"RepetitionTime": 1.5, "StartTime": 0.75})");
      put(root / (name + "_desc-fmriprep_bold.nii.gz"));
      put(root / (name + "_desc-brain_mask.nii.gz"));
    }
    put(root / (stem + "_hemi-L_space-fsaverage5_bold.func.gii"));
    put(root / (stem + "_space-fsLR_den-91k_bold.dtseries.nii"));
    put(root / fmt::format("{}_{}.tsv", stem, confounds), "csf\n1\n");
  }
}

}  // namespace noema
