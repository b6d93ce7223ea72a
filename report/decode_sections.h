// report/decode_sections: the sections of the page of `noema decode`, each as HTML, empty where there is nothing to
// show.
#pragma once

#include <string>
#include <vector>

#include "noema/report/decode_report.h"
#include "noema/report/html.h"

namespace noema {

/// The best scoring model or baseline; nullptr without scores.
const ModelResult* best_of(const std::vector<ModelResult>& models, bool baseline);

std::vector<HtmlCard> headline_cards(const DecodeReport& report);
std::string warnings_html(const DecodeReport& report);
std::string data_section(const DecodeReport& report);
std::string scores_section(const DecodeReport& report);
std::string confusion_section(const DecodeReport& report);
std::string split_section(const DecodeReport& report);
std::string training_section(const DecodeReport& report);
std::string maps_section(const DecodeReport& report);
std::string connectome_section(const DecodeReport& report);
std::string contrasts_section(const DecodeReport& report);
std::string agreement_section(const DecodeReport& report);
std::string faithfulness_section(const DecodeReport& report);
std::string design_section(const DecodeReport& report);
std::string methods_section(const DecodeReport& report);
std::string provenance_section(const DecodeReport& report);
std::string workflow_section(const DecodeReport& report);

}  // namespace noema
