#include "noema/decoders/mlp.h"

#include <ATen/ops/gelu.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "noema/core/error.h"
#include "noema/decoders/model_settings.h"

namespace noema {
namespace {

class MlpNetwork : public Network {
 public:
  MlpNetwork(const MlpOptions& options, const NetworkShape& shape, at::Generator& generator)
      : options_(options),
        hidden_(register_module("hidden", std::make_shared<Linear>(shape.features, options.hidden, generator))),
        output_(register_module("output", std::make_shared<Linear>(options.hidden, shape.classes, generator))) {}

  at::Tensor forward(const at::Tensor& windows, const at::Tensor& weights, const Draws& draws) const override {
    const at::Tensor mean = (windows * weights.unsqueeze(-1)).sum(1);  // (B, F)
    const at::Tensor hidden = at::gelu(hidden_->forward(noema::dropout(mean, options_.input_dropout, draws)));
    return output_->forward(noema::dropout(hidden, options_.dropout, draws));
  }

 private:
  MlpOptions options_;
  std::shared_ptr<Linear> hidden_;
  std::shared_ptr<Linear> output_;
};

}  // namespace

MlpOptions::MlpOptions() {
  network.training.min_steps = 300;
  network.training.max_steps = 6000;
}

void MlpOptions::validate() const {
  network.validate();
  if (hidden < 1) throw UsageError(fmt::format("the hidden layer has {} units, expected at least 1", hidden));
  for (const double p : {input_dropout, dropout}) {
    if (!(p >= 0 && p < 1)) throw UsageError(fmt::format("a dropout is {}, expected a number from 0 to below 1", p));
  }
}

MlpClassifier::MlpClassifier(MlpOptions options)
    : NetworkClassifier((options.validate(), options.network)), options_(std::move(options)) {}

std::shared_ptr<Network> MlpClassifier::make_network(const NetworkShape& shape, at::Generator& generator) const {
  return std::make_shared<MlpNetwork>(options_, shape, generator);
}

std::string MlpClassifier::settings() const {
  return nlohmann::json{
      {"hidden", options_.hidden}, {"input_dropout", options_.input_dropout}, {"dropout", options_.dropout}}
      .dump();
}

std::unique_ptr<MlpClassifier> MlpClassifier::load(const SafeTensors& content) {
  MlpOptions options;
  read_settings(content, "mlp", [&](const nlohmann::json& json) {
    json.at("hidden").get_to(options.hidden);
    json.at("input_dropout").get_to(options.input_dropout);
    json.at("dropout").get_to(options.dropout);
  });
  auto model = std::make_unique<MlpClassifier>(std::move(options));
  model->load_parameters(content);
  return model;
}

}  // namespace noema
