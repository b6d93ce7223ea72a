#include "noema/mixers/training_tags.h"

namespace noema {
namespace {

/// A module's place: its full name, its name within `adviser`, each with a dot behind unless empty.
struct Place {
  std::string name;
  const TrainingAdvice* adviser = nullptr;
  std::string within;
};

void add_tags(const torch::nn::Module& module, Place place, std::map<std::string, TrainingTag>& tags) {
  if (const auto* adviser = dynamic_cast<const TrainingAdvice*>(&module)) {
    place.adviser = adviser;
    place.within.clear();
  }
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    const at::Tensor& parameter = item.value();
    tags[place.name + item.key()] =
        place.adviser ? place.adviser->training_tag(place.within + item.key(), parameter) : usual_tag(parameter);
  }
  for (const auto& child : module.named_children()) {
    const std::string name = child.key() + ".";
    add_tags(*child.value(), {place.name + name, place.adviser, place.within + name}, tags);
  }
}

}  // namespace

std::map<std::string, TrainingTag> training_tags(const torch::nn::Module& module) {
  std::map<std::string, TrainingTag> tags;
  add_tags(module, {}, tags);
  return tags;
}

}  // namespace noema
