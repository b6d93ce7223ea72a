// decoders/registry: every kind of model by its name, fresh or from a file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/learn/classifier.h"

namespace noema {

/// The names of all kinds, in alphabetical order.
std::vector<std::string> classifier_kinds();

/// Makes fresh models of a kind with its default settings. @throws UsageError for an unknown kind (lists them).
ClassifierFactory default_factory(const std::string& kind);

/// The fitted model of a model file, whatever its kind.
/// @throws DataError if the file holds no model, one of an unknown kind, or parts of it do not fit together.
std::unique_ptr<Classifier> open_classifier(const SafeTensors& content);

}  // namespace noema
