// pipelines/subject_model: the JSON that says how a subject's maps were made, and where its files lie.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "noema/pipelines/subject_glm.h"

namespace noema {

/// Places relative to the output folder.
std::string folder_of(const std::string& subject);
std::string model_file(const std::string& subject);
std::string design_file(const std::string& subject, const std::string& run);
std::string statmap_file(const std::string& subject);

/// What stands beside the subject's maps, of which it holds by the names of the files.
nlohmann::json statmap_json(const GlmJob& job);

/// The whole model: parameters, runs, contrasts, files, and the record by which it is known again.
nlohmann::json model_json(const GlmJob& job, const std::string& subject, const SubjectGlm& glm,
                          const std::string& record);

}  // namespace noema
