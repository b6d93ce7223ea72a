// decoders/sequence_model: networks of mixers that answer at every place of a sequence, and their training.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "noema/learn/training.h"
#include "noema/mixers/mixer_list.h"

namespace noema {

struct SequenceShape {
  /// Tokens that go in; 0: series.
  std::int64_t tokens = 0;
  /// Of series that go in.
  std::int64_t channels = 0;
  /// Classes or channels that come out.
  std::int64_t outputs = 0;
  /// Do outputs have sizes that count (series), or only an order (classes)?
  bool series_out = false;
  /// Everything is answered from what is known at the last place.
  bool from_one_vector = false;
};

/// Embedding or linear map to C → mixers → LayerNorm (not before series) → linear map to the outputs. From one vector:
/// the last place's C numbers plus sines of each place → linear → GELU → linear → the same end.
class SequenceModel : public torch::nn::Module {
 public:
  /// @param inner     C, and the longest sequence.
  /// @param mixers    in their order, those of channels among them.
  /// @param generator of the processor, so that a model starts alike on all devices; move it with `to`.
  /// @throws UsageError as `make_mixer`.
  SequenceModel(const SequenceShape& shape, const MixerShape& inner, const std::vector<MixerDescription>& mixers,
                at::Generator& generator);

  /// @param inputs (B, T) int64 tokens or (B, T, R) float32 series, on the parameters' device.
  /// @return       (B, T, outputs). Gradient: exact in the parameters.
  at::Tensor forward(const at::Tensor& inputs, const Draws& draws) const;

  std::int64_t parameter_count() const;
  /// Of all mixers, for one sequence.
  std::int64_t state_bytes() const;
  /// Floating-point operations of the mixers for one sequence.
  std::int64_t flops(std::int64_t length) const;
  at::Device device() const { return output_->parameters().front().device(); }
  /// A hash of the shapes, of every option of every mixer, and of the values that the parameters started with.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  SequenceShape shape_;
  std::vector<std::shared_ptr<Mixer>> mixers_;
  at::Tensor embedding_;           // (V, C)
  std::shared_ptr<Linear> input_;  // R → C
  std::shared_ptr<Linear> unfold_first_, unfold_second_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
  std::string fingerprint_;
};

enum class SequenceLoss {
  cross_entropy,  ///< of classes
  squared,        ///< mean squared error of series
  absolute,       ///< mean absolute error of series
};

/// Sequences and what they ask for.
struct SequenceData {
  at::Tensor inputs;   ///< (N, T) int64 or (N, T, R) float32
  at::Tensor targets;  ///< (N, T) int64, −100 where nothing is asked, or (N, T, outputs) float32
};

/// Trains in place on the model's device, each parameter as its mixer advises. A batch that asks for nothing teaches
/// nothing.
/// @param held_in what the best epoch is chosen by, if anything; see `TrainingOptions::patience`.
/// @throws what `train` throws; DataError where no sequence asks for anything
TrainingHistory fit_sequences(const SequenceModel& model, const SequenceData& data, SequenceLoss loss,
                              const TrainingOptions& options, const SequenceData& held_in = {});

/// The part of right answers; for `squared` the part of the targets' mean square that is explained; for `absolute` the
/// mean absolute error.
/// @throws DataError where nothing is asked, or all that is wanted of courses is 0.
double score_sequences(const SequenceModel& model, const SequenceData& data, SequenceLoss loss);

}  // namespace noema
