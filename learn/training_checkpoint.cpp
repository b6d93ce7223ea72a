#include "noema/learn/training_checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "noema/core/error.h"
#include "noema/learn/tensors.h"

namespace noema {
namespace {

constexpr int kRecordValues = 5;

TensorData pack_history(const std::vector<EpochRecord>& history) {
  std::vector<double> values;
  for (const EpochRecord& record : history) {
    values.insert(values.end(), {static_cast<double>(record.epoch), record.learning_rate, record.train_loss,
                                 record.validation_loss, record.validation_accuracy});
  }
  return TensorData::from_doubles({static_cast<std::int64_t>(history.size()), kRecordValues}, values);
}

std::vector<EpochRecord> unpack_history(const TensorData& data) {
  const std::vector<double> values = data.doubles();
  std::vector<EpochRecord> history;
  for (std::size_t i = 0; i + kRecordValues <= values.size(); i += kRecordValues) {
    history.push_back({static_cast<int>(values[i]), values[i + 1], values[i + 2], values[i + 3], values[i + 4]});
  }
  return history;
}

void read_into(const at::Tensor& target, const SafeTensors& file, const std::string& name) {
  const at::Tensor stored = tensor_of(file.tensor(name));
  if (stored.sizes() != target.sizes()) {
    throw DataError(fmt::format("array '{}' has {} values, expected {}", name, stored.numel(), target.numel()));
  }
  target.copy_(stored);
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const TrainingState& state, AdamW& optimizer,
                      const std::string& fingerprint) {
  SafeTensors file;
  file.metadata = {{"format", "noema training checkpoint 1"}, {"fingerprint", fingerprint}};
  const std::int64_t counts[] = {state.epoch, state.step, optimizer.steps(), state.best_epoch};
  const double values[] = {state.loss_sum, state.best_loss};
  file.tensors["loop.counts"] = TensorData::from_ints({4}, counts);
  file.tensors["loop.values"] = TensorData::from_doubles({2}, values);
  file.tensors["loop.history"] = pack_history(state.history);
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const TrainedParameter& parameter = optimizer.parameters()[i];
    file.tensors["parameter." + parameter.name] = to_tensor_data(parameter.tensor);
    file.tensors["first_moment." + parameter.name] = to_tensor_data(optimizer.first_moments()[i]);
    file.tensors["second_moment." + parameter.name] = to_tensor_data(optimizer.second_moments()[i]);
    if (!state.best.empty()) file.tensors["best." + parameter.name] = to_tensor_data(state.best[i]);
  }
  write_safetensors(path, file);
}

void read_checkpoint(const std::filesystem::path& path, TrainingState& state, AdamW& optimizer,
                     const std::string& fingerprint) {
  const at::NoGradGuard no_gradients;
  const SafeTensors file = read_safetensors(path);
  if (file.text("fingerprint") != fingerprint) {
    throw UsageError(
        fmt::format("checkpoint '{}' is of a training with other data or settings; give another path, or "
                    "remove it to train from the start",
                    path.string()));
  }
  const std::vector<std::int64_t> counts = file.tensor("loop.counts").ints();
  const std::vector<double> values = file.tensor("loop.values").doubles();
  if (counts.size() != 4 || values.size() != 2) {
    throw DataError(fmt::format("checkpoint '{}' holds {} counts and {} values of the loop, expected 4 and 2",
                                path.string(), counts.size(), values.size()));
  }
  state = {};
  state.epoch = static_cast<int>(counts[0]);
  state.step = counts[1];
  optimizer.set_steps(counts[2]);
  state.best_epoch = static_cast<int>(counts[3]);
  state.loss_sum = values[0];
  state.best_loss = values[1];
  state.history = unpack_history(file.tensor("loop.history"));
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const TrainedParameter& parameter = optimizer.parameters()[i];
    read_into(parameter.tensor.detach(), file, "parameter." + parameter.name);
    read_into(optimizer.first_moments()[i], file, "first_moment." + parameter.name);
    read_into(optimizer.second_moments()[i], file, "second_moment." + parameter.name);
    if (state.best_epoch >= 0) {
      state.best.push_back(parameter.tensor.detach().clone());
      read_into(state.best.back(), file, "best." + parameter.name);
    }
  }
}

}  // namespace noema
