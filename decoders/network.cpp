#include "noema/decoders/network.h"

#include "noema/decoders/trained_parameters.h"

namespace noema {

bool is_output_layer(std::string_view name) { return name.starts_with("output."); }

std::vector<TrainedParameter> Network::trained_parameters() const { return trained_parameters_of(*this); }

}  // namespace noema
