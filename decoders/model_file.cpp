// Network models as files.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/decoders/model_settings.h"
#include "noema/decoders/network_classifier.h"
#include "noema/learn/tensors.h"
#include "noema/learn/torch_settings.h"

namespace noema {

SafeTensors NetworkClassifier::save() const {
  SafeTensors content;
  for (const auto& item : network().named_parameters()) {
    content.tensors["network." + item.key()] = to_tensor_data(item.value());
  }
  for (const auto& item : network().named_buffers()) {
    content.tensors["network." + item.key()] = to_tensor_data(item.value());
  }
  if (transform_) transform_->save(content);
  const TrainingOptions& training = options_.training;
  nlohmann::json model = {{"kind", kind()},
                          {"features", features_},
                          {"network", nlohmann::json::parse(settings())},
                          {"shape",
                           {{"features", shape_.features},
                            {"classes", shape_.classes},
                            {"volumes", shape_.volumes},
                            {"box", shape_.box.size}}},
                          {"training",
                           {{"epochs", training.epochs},
                            {"min_steps", training.min_steps},
                            {"max_steps", training.max_steps},
                            {"batch_size", training.batch_size},
                            {"learning_rate", training.learning_rate},
                            {"warmup", training.warmup},
                            {"weight_decay", training.weight_decay},
                            {"gradient_norm", training.gradient_norm},
                            {"patience", training.patience},
                            {"seed", training.seed},
                            {"label_smoothing", options_.label_smoothing},
                            {"shortest_crop", options_.shortest_crop},
                            {"validation", options_.validation}}}};
  for (const MixerCost& cost : network().mixer_costs()) {
    model["mixers"].push_back({{"kind", cost.kind},
                               {"parameters", cost.parameters},
                               {"flops", cost.flops},
                               {"volumes", cost.volumes},
                               {"state_bytes", cost.state_bytes}});
  }
  content.metadata["model"] = model.dump();
  return content;
}

namespace {

NetworkShape read_shape(const nlohmann::json& model, const SafeTensors& content) {
  const nlohmann::json& shape = model.at("shape");
  NetworkShape read;
  shape.at("features").get_to(read.features);
  shape.at("classes").get_to(read.classes);
  shape.at("volumes").get_to(read.volumes);
  shape.at("box").get_to(read.box.size);
  if (read.features < 1 || read.classes < 2 || read.volumes < 1) {
    throw DataError(fmt::format("the model has {} features, {} classes and {} volumes, expected at least 1, 2 and 1",
                                read.features, read.classes, read.volumes));
  }
  const auto places = content.tensors.find("network.places");
  if (places == content.tensors.end()) return read;
  read.box.places = tensor_of(places->second);
  const std::int64_t room = read.box.size[0] * read.box.size[1] * read.box.size[2];
  const bool fits = places->second.shape == std::vector{read.features} && read.features > 0 &&
                    read.box.places.min().item<std::int64_t>() >= 0 &&
                    read.box.places.max().item<std::int64_t>() < room;
  if (!fits)
    throw DataError(fmt::format("the places of {} features do not fit a box of {} voxels", read.features, room));
  return read;
}

void read_into(const at::Tensor& target, const SafeTensors& content, const std::string& name) {
  const at::Tensor stored = tensor_of(content.tensor(name));
  if (stored.sizes() != target.sizes()) {
    throw DataError(fmt::format("array '{}' has shape [{}], expected [{}]", name, fmt::join(stored.sizes(), ", "),
                                fmt::join(target.sizes(), ", ")));
  }
  target.detach().copy_(stored);
}

}  // namespace

void NetworkClassifier::load_parameters(const SafeTensors& content) {
  const at::NoGradGuard no_gradients;
  read_model(content, kind(), [&](const nlohmann::json& model) {
    model.at("features").get_to(features_);
    shape_ = read_shape(model, content);
  });
  std::optional<FeatureTransform> fitted;
  if (!is_volume_network()) fitted = FeatureTransform::load(content);
  if (fitted && (fitted->features() != features_ || fitted->outputs() != shape_.features)) {
    throw DataError(fmt::format("the feature transform gives {} of {} features, expected {} of {}", fitted->outputs(),
                                fitted->features(), shape_.features, features_));
  }
  const at::Device device = torch_device();
  set_transform(std::move(fitted), device);
  RandomStream stream(0, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  network_ = make_network(shape_, generator);
  for (const auto& item : network_->named_parameters()) read_into(item.value(), content, "network." + item.key());
  for (const auto& item : network_->named_buffers()) read_into(item.value(), content, "network." + item.key());
  network_->to(device);
}

void read_model(const SafeTensors& content, const std::string& kind,
                const std::function<void(const nlohmann::json&)>& read) {
  const std::string& text = content.text("model");
  try {
    const nlohmann::json model = nlohmann::json::parse(text);
    if (model.at("kind") != kind) {
      throw DataError(fmt::format("the model is of kind {}, expected {}", model.at("kind").dump(), kind));
    }
    read(model);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("the settings '{}' of the model cannot be read: {}", text, error.what()));
  }
}

void read_settings(const SafeTensors& content, const std::string& kind,
                   const std::function<void(const nlohmann::json&)>& read) {
  read_model(content, kind, [&](const nlohmann::json& model) { read(model.at("network")); });
}

}  // namespace noema
