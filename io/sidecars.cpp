#include "noema/io/sidecars.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

/// Headers keep the TR as float32, and some tools round it to milliseconds.
constexpr double kSameTr_s = 1e-3;

double seconds_of(const nlohmann::json& fields, const char* field, double smallest_s,
                  const std::filesystem::path& run) {
  const nlohmann::json& value = fields.at(field);
  const double seconds = value.is_number() ? value.get<double>() : std::nan("");
  if (std::isfinite(seconds) && seconds >= smallest_s) return seconds;
  throw DataError(fmt::format("run '{}': its sidecars give {} as {}, expected {} number of seconds; correct the JSON",
                              run.string(), field, value.dump(), smallest_s > 0 ? "a positive" : "a"));
}

}  // namespace

const nlohmann::json& Sidecars::fields_of(const std::filesystem::path& path) {
  const auto known = files_.find(path);
  if (known != files_.end()) return *known->second;
  auto fields = std::make_shared<const nlohmann::json>(read_json_object(path));
  return *files_.emplace(path, std::move(fields)).first->second;
}

nlohmann::json Sidecars::bold_fields(BidsTree& tree, const Entities& entities) {
  nlohmann::json fields = nlohmann::json::object();
  for (const BidsFile& file : tree.inherited(entities, "bold", ".json")) fields.update(fields_of(file.path));
  return fields;
}

RunTiming timing_of(const nlohmann::json& fields, const std::filesystem::path& run) {
  RunTiming timing;
  constexpr double kShortestTr_s = 1e-3;
  if (fields.contains("RepetitionTime")) {
    timing.tr_s = seconds_of(fields, "RepetitionTime", kShortestTr_s, run);
  } else if (fields.contains("VolumeTiming")) {
    throw DataError(
        fmt::format("run '{}': its sidecars give VolumeTiming and no RepetitionTime; volumes at irregular "
                    "times are not supported",
                    run.string()));
  }
  if (fields.contains("StartTime")) timing.slice_time_s = seconds_of(fields, "StartTime", 0, run);
  return timing;
}

double agreed_tr(const Run& run, const ImageHeader& header) {
  const std::string file = run.bold.string();
  if (run.tr_s <= 0 && header.tr_s <= 0) {
    throw DataError(
        fmt::format("run '{}': neither its sidecars nor its header give a TR; write {{\"RepetitionTime\": "
                    "seconds}} into '{}'",
                    file, bids_name(run.entities, "bold", ".json")));
  }
  if (run.tr_s <= 0) {
    log_warning(
        fmt::format("run '{}': no sidecar gives RepetitionTime; the header's TR of {:g} s is used", file, header.tr_s));
    return header.tr_s;
  }
  if (header.tr_s > 0 && std::abs(header.tr_s - run.tr_s) > kSameTr_s) {
    log_warning(fmt::format("run '{}': its header gives a TR of {:g} s, its sidecars {:g} s, which is used", file,
                            header.tr_s, run.tr_s));
  }
  return run.tr_s;
}

}  // namespace noema
