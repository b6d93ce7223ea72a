#include "noema/pipelines/subject_model.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace noema {
namespace {

using nlohmann::json;

/// How the model of every run is made.
json model_parameters(const GlmJob& job) {
  const json drift = job.no_drift ? json("none") : job.high_pass_hz ? json("cosine") : json("polynomial");
  return {{"haemodynamic_response", hrf_model_name(job.hrf)},
          {"fir_delays", job.fir_delays},
          {"drift", drift},
          {"high_pass_hz", job.high_pass_hz ? json(*job.high_pass_hz) : json()},
          {"drift_order", job.no_drift || job.high_pass_hz ? json() : json(job.drift_order)},
          {"noise", noise_model_name(job.noise)},
          {"fwhm_mm", job.preprocess.fwhm_mm},
          {"run_weights", run_weights_name(job.run_weights)},
          {"by_session", job.by_session},
          {"slice_time_reference", job.slice_time_reference},
          {"scaling", signal_scaling_name(job.scaling)},
          {"effects", effect_unit(job.scaling)}};
}

}  // namespace

std::string folder_of(const std::string& subject) { return fmt::format("sub-{}/func/", subject); }

std::string model_file(const std::string& subject) {
  return fmt::format("sub-{0}/func/sub-{0}_desc-glm_model.json", subject);
}

std::string design_file(const std::string& subject, const std::string& run) {
  return fmt::format("sub-{}/func/{}_design.tsv", subject, run);
}

std::string statmap_file(const std::string& subject) {
  return fmt::format("sub-{0}/func/sub-{0}_statmap.json", subject);
}

json statmap_json(const GlmJob& job) {
  return {{"Description",
           "Maps of a general linear model: effects and their variance, t or F, p (upper tail, not corrected), z; of a "
           "run rsquared, the share of the series' variance that its model explains"},
          {"ModelParameters", model_parameters(job)}};
}

json model_json(const GlmJob& job, const std::string& subject, const SubjectGlm& glm, const std::string& record) {
  json runs = json::array(), contrasts = json::array();
  for (const RunFacts& run : glm.runs) {
    runs.push_back({{"run", run.name},
                    {"design", design_file(subject, run.name)},
                    {"columns", run.design.names},
                    {"volumes", run.design.values.rows()},
                    {"rank", run.rank},
                    {"df", run.df}});
  }
  for (std::size_t c = 0; c < glm.maps.size(); ++c) {
    const GlmMap& map = glm.maps[c];
    json entry{{"name", map.contrast},
               {"formula", job.contrasts[c].formula},
               {"statistic", map.is_f() ? "F" : "t"},
               {"df", map.df}};
    if (map.is_f()) entry["df_numerator"] = map.df_numerator;
    contrasts.push_back(std::move(entry));
  }
  json model = model_parameters(job);
  model.update({{"runs", runs}, {"contrasts", contrasts}, {"files", glm.files}, {"made_from", record}});
  return model;
}

}  // namespace noema
