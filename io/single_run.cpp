// A run that is given by its image file alone.
#include <nlohmann/json.hpp>

#include "noema/io/bids_tree.h"
#include "noema/io/dataset.h"
#include "noema/io/sidecars.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

fs::path if_there(const fs::path& path) { return fs::exists(path) ? path : fs::path(); }

}  // namespace

Run run_of_file(const fs::path& bold) {
  const std::string file = bold.filename().string();
  Run run;
  run.bold = bold;
  if (file.starts_with("sub-")) run.entities = parse_bids_name(bold).entities;
  const fs::path sidecar = bold.parent_path() / (file.substr(0, file.find('.')) + ".json");
  if (fs::exists(sidecar)) {
    const RunTiming timing = timing_of(read_json_object(sidecar), bold);
    run.tr_s = timing.tr_s;
    run.slice_time_s = timing.slice_time_s;
  }
  if (!run.entities.contains("desc")) return run;
  Entities beside = raw_entities(run.entities);
  beside["desc"] = "confounds";
  run.confounds = if_there(bold.parent_path() / bids_name(beside, "timeseries", ".tsv"));
  return run;
}

}  // namespace noema
