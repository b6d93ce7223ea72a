// report/methods: sentences and references for the method text of reports.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// What a model of this name is, in one sentence; empty for names that are not known. A name may carry a suffix after
/// a space, as in "ridge (all voxels)".
std::string model_sentence(std::string_view name);

/// What an attribution method of this name does, in one sentence; for names that are not known only that it was used.
std::string attribution_sentence(std::string_view name);

/// The works that a text cites as "[Efron 1979]", in alphabetical order.
std::vector<std::string> references_in(std::string_view text);

}  // namespace noema
