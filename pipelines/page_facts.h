// pipelines/page_facts: what the report of a decoding shows besides scores and maps, put into its results.
#pragma once

#include "noema/pipelines/results.h"

namespace noema {

struct CommandFindings;

/// Fills the parts of the results that only the report shows, and compares the best network with the best linear model
/// where nothing was compared yet.
void add_page_facts(const CommandFindings& found, Results& results);

}  // namespace noema
