#include "noema/decoders/cnn3d.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "noema/core/error.h"
#include "noema/decoders/model_settings.h"

namespace noema {
namespace {

class Cnn3dNetwork : public Network {
 public:
  Cnn3dNetwork(const Cnn3dOptions& options, const NetworkShape& shape, at::Generator& generator)
      : options_(options), box_(shape.box) {
    register_buffer("places", box_.places);
    std::array<std::int64_t, 3> size = shape.box.size;
    std::int64_t in = 1;
    for (const int out : options.channels) {
      std::array<std::int64_t, 3> stride{};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        stride[axis] = size[axis] > 1 ? 2 : 1;
        size[axis] = (size[axis] + stride[axis] - 1) / stride[axis];
      }
      layers_.push_back(register_module(fmt::format("convolution{}", layers_.size()),
                                        std::make_shared<VolumeConvolution>(in, out, stride, generator)));
      in = out;
    }
    output_ =
        register_module("output", std::make_shared<Linear>(in * size[0] * size[1] * size[2], shape.classes, generator));
  }

  at::Tensor forward(const at::Tensor& windows, const at::Tensor& weights, const Draws& draws) const override {
    const at::Tensor volumes = windows.flatten(0, 1);  // (B·T, F)
    at::Tensor x = scatter_to_box(noema::dropout(volumes, options_.input_dropout, draws), box_);
    for (const auto& layer : layers_) x = layer->forward(x);
    const at::Tensor decisions = output_->forward(noema::dropout(x.flatten(1), options_.dropout, draws));  // (B·T, K)
    const at::Tensor by_sample = decisions.view({windows.size(0), windows.size(1), -1});
    return (by_sample * weights.unsqueeze(-1)).sum(1);
  }

 private:
  Cnn3dOptions options_;
  VoxelBox box_;
  std::vector<std::shared_ptr<VolumeConvolution>> layers_;
  std::shared_ptr<Linear> output_;
};

}  // namespace

Cnn3dOptions::Cnn3dOptions() {
  network.training.epochs = 5;
  network.training.min_steps = 100;
  network.training.batch_size = 64;
  network.training.learning_rate = 3e-3;
}

void Cnn3dOptions::validate() const {
  network.validate();
  if (channels.empty()) throw UsageError("the volume network has no layer, expected channels of at least one");
  for (const int count : channels) {
    if (count < 1)
      throw UsageError(fmt::format("a layer of the volume network has {} channels, expected 1 or more", count));
  }
  for (const double p : {input_dropout, dropout}) {
    if (!(p >= 0 && p < 1)) throw UsageError(fmt::format("a dropout is {}, expected a number from 0 to below 1", p));
  }
}

Cnn3dClassifier::Cnn3dClassifier(Cnn3dOptions options)
    : NetworkClassifier((options.validate(), options.network)), options_(std::move(options)) {}

std::shared_ptr<Network> Cnn3dClassifier::make_network(const NetworkShape& shape, at::Generator& generator) const {
  return std::make_shared<Cnn3dNetwork>(options_, shape, generator);
}

std::string Cnn3dClassifier::settings() const {
  return nlohmann::json{
      {"channels", options_.channels}, {"input_dropout", options_.input_dropout}, {"dropout", options_.dropout}}
      .dump();
}

std::unique_ptr<Cnn3dClassifier> Cnn3dClassifier::load(const SafeTensors& content) {
  Cnn3dOptions options;
  read_settings(content, "cnn3d", [&](const nlohmann::json& json) {
    json.at("channels").get_to(options.channels);
    json.at("input_dropout").get_to(options.input_dropout);
    json.at("dropout").get_to(options.dropout);
  });
  auto model = std::make_unique<Cnn3dClassifier>(std::move(options));
  model->load_parameters(content);
  return model;
}

}  // namespace noema
