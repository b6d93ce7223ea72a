// Modules around the functions of the room.
#include "noema/connectomics/learned_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <limits>

#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {

void ParcellationOptions::validate() const {
  if (compartments.empty()) throw UsageError("parcellation: found no compartments, expected at least one");
  for (const Compartment& part : compartments) {
    if (part.parcels < 1 || part.voxels < 1) {
      throw UsageError(
          fmt::format("parcellation: found a compartment of {} parcels and {} voxels, expected both from 1 "
                      "on",
                      part.parcels, part.voxels));
    }
  }
  if (!(temperature > 0) || !(concentration > 0)) {
    throw UsageError("parcellation: expected a temperature and a concentration above 0");
  }
}

Parcellation::Parcellation(const ParcellationOptions& options) : options_(options) {
  options.validate();
  std::uint64_t seed = options.seed;
  for (const Compartment& part : options.compartments) {
    const at::Tensor start = dirichlet_columns(part.parcels, part.voxels, options.concentration, seed++);
    const auto simplex = simplex_constraint({.axis = 0, .temperature = options.temperature, .minimum = 1e-12});
    logits_.push_back(
        register_parameter(fmt::format("logits{}", logits_.size()), simplex->invert(start).to(options.type)));
  }
}

at::Tensor Parcellation::softened(const at::Tensor& logits) const {
  return simplex_constraint({.axis = 0, .temperature = options_.temperature})->apply(logits);
}

std::vector<at::Tensor> Parcellation::weights() const {
  std::vector<at::Tensor> all;
  for (const at::Tensor& logits : logits_) {
    const at::Tensor soft = softened(logits);
    all.push_back(options_.straight_through ? straight_through(soft, 0) : soft);
  }
  return all;
}

at::Tensor Parcellation::forward(const at::Tensor& series) const {
  require_dimensions(series, "series", 2, "(…, V, T)");
  std::int64_t voxels = 0;
  for (const Compartment& part : options_.compartments) voxels += part.voxels;
  require_size(series, "series", -2, voxels);
  std::vector<at::Tensor> parts;
  std::int64_t begin = 0;
  for (const at::Tensor& weight : weights()) {
    const std::int64_t end = begin + weight.size(1);
    parts.push_back(extract_parcels(series.slice(-2, begin, end), weight, options_.scale));
    begin = end;
  }
  return at::cat(parts, -2);
}

at::Tensor Parcellation::labels() const {
  std::vector<at::Tensor> all;
  std::int64_t first = 0;
  for (const at::Tensor& logits : logits_) {
    all.push_back(logits.detach().argmax(0) + first);
    first += logits.size(0);
  }
  return at::cat(all);
}

void Parcellation::start_from(const at::Tensor& labels, double weight) {
  if (!(weight > 0 && weight < 1))
    throw UsageError(fmt::format("parcellation: found weight {}, expected 0 to 1", weight));
  std::int64_t voxels = 0, first = 0;
  for (const Compartment& part : options_.compartments) voxels += part.voxels;
  if (!labels.defined() || labels.dim() != 1 || labels.scalar_type() != at::kLong || labels.size(0) != voxels) {
    throw ShapeError(fmt::format("labels: found {}, expected int64 ({})",
                                 labels.defined() ? shape_text(labels.sizes()) : "no tensor", voxels));
  }
  const at::NoGradGuard no_gradient;
  std::int64_t begin = 0;
  for (at::Tensor& logits : logits_) {
    const std::int64_t parcels = logits.size(0), end = begin + logits.size(1);
    const at::Tensor own = labels.slice(0, begin, end) - first;
    if ((own < 0).logical_or(own >= parcels).any().item<bool>()) {
      throw UsageError(
          fmt::format("labels: found one outside of its compartment, expected {} to {} for voxels {} to {}", first,
                      first + parcels - 1, begin, end - 1));
    }
    const double rest = parcels > 1 ? (1 - weight) / static_cast<double>(parcels - 1) : 1;
    at::Tensor start =
        at::full_like(logits, rest).scatter_(0, own.to(logits.device()).unsqueeze(0), parcels > 1 ? weight : 1);
    logits.copy_(start.log() * options_.temperature);
    begin = end;
    first += parcels;
  }
}

void Parcellation::set_temperature(double temperature) {
  if (!(temperature > 0))
    throw UsageError(fmt::format("parcellation: found temperature {}, expected above 0", temperature));
  options_.temperature = temperature;
}

void SparseParcellationOptions::validate() const {
  if (parcels < 1 || !(temperature > 0) || !(concentration > 0)) {
    throw UsageError("sparse parcellation: expected parcels from 1 on, a temperature and a concentration above 0");
  }
  if (!candidates.defined() || candidates.dim() != 2 || candidates.scalar_type() != at::kLong ||
      candidates.numel() == 0) {
    throw ShapeError(fmt::format("candidates: found {}, expected int64 (V, K), V and K from 1 on",
                                 candidates.defined() ? shape_text(candidates.sizes()) : "no tensor"));
  }
  if (candidates.min().item<std::int64_t>() < -1 || candidates.max().item<std::int64_t>() >= parcels) {
    throw UsageError(fmt::format("candidates: found parcels {} to {}, expected −1 to {}",
                                 candidates.min().item<std::int64_t>(), candidates.max().item<std::int64_t>(),
                                 parcels - 1));
  }
  const auto alone = (candidates < 0).all(1).sum().item<std::int64_t>();
  if (alone > 0) {
    throw UsageError(fmt::format("candidates: found {} voxels without any, expected one for each or more", alone));
  }
}

SparseParcellation::SparseParcellation(const SparseParcellationOptions& options) : options_(options) {
  options.validate();
  const std::int64_t voxels = options.candidates.size(0), count = options.candidates.size(1);
  absent_ = register_buffer("absent", options.candidates < 0);
  parcel_ = register_buffer("parcel", options.candidates.clamp_min(0).flatten());
  voxel_ = register_buffer(
      "voxel", at::arange(voxels, options.candidates.options()).unsqueeze(1).expand({voxels, count}).flatten());
  const at::Tensor start = dirichlet_columns(count, voxels, options.concentration, options.seed).t();
  const auto simplex = simplex_constraint({.axis = 1, .temperature = options.temperature, .minimum = 1e-12});
  logits_ = register_parameter("logits", simplex->invert(start).to(options.type).contiguous());
}

SparseWeights SparseParcellation::weights() const {
  const at::Tensor allowed = logits_.masked_fill(absent_, -std::numeric_limits<double>::infinity());
  return {parcel_, voxel_, at::softmax(allowed / options_.temperature, 1).flatten(), options_.parcels, logits_.size(0)};
}

at::Tensor SparseParcellation::forward(const at::Tensor& series) const {
  return extract_parcels(series, weights(), options_.scale);
}

at::Tensor SparseParcellation::labels() const {
  const at::Tensor allowed = logits_.detach().masked_fill(absent_, -std::numeric_limits<double>::infinity());
  return parcel_.reshape(logits_.sizes()).gather(1, allowed.argmax(1, true)).squeeze(1);
}

void LearnedFilterOptions::validate() const {
  if (filters < 1 || frames < 2 || !(tr_s > 0) || padding < 0) {
    throw UsageError(
        "learned filter: expected filters from 1 on, two frames or more, a TR above 0 and padding from 0 on");
  }
  if (!bands.empty() && static_cast<std::int64_t>(bands.size()) != filters) {
    throw UsageError(
        fmt::format("learned filter: found {} bands for {} filters, expected one for each", bands.size(), filters));
  }
}

LearnedFilter::LearnedFilter(const LearnedFilterOptions& options)
    : options_(options), amplitude_(bounded_constraint(0, 1)) {
  options.validate();
  const std::int64_t size = response_size(options.frames, options.padding);
  at::Tensor start = at::full({options.filters, size}, 0.5, at::kDouble);
  for (std::size_t n = 0; n < options.bands.size(); ++n) {
    const at::Tensor once = butterworth_response(options.bands[n], options.tr_s, size, start.options());
    start[static_cast<std::int64_t>(n)] = once.square();
  }
  free_ = register_parameter("free_amplitudes", amplitude_->invert(start).to(options.type));
}

at::Tensor LearnedFilter::response() const {
  return clamp_response(amplitude_->apply(free_), options_.clamps, options_.tr_s);
}

at::Tensor LearnedFilter::forward(const at::Tensor& series) const {
  return frequency_filter(series, response(), options_.padding == 0 ? EdgePadding::none : options_.edges,
                          options_.padding);
}

LearnedRecursiveFilter::LearnedRecursiveFilter(const std::vector<Biquad>& start, bool zero_phase, at::ScalarType type)
    : zero_phase_(zero_phase) {
  const at::Tensor sections = section_tensor(start, at::TensorOptions(at::kDouble));
  free_ = register_parameter("free_sections", free_sections(sections).to(type));
}

at::Tensor LearnedRecursiveFilter::sections() const { return stable_sections(free_); }

at::Tensor LearnedRecursiveFilter::forward(const at::Tensor& series) const {
  return zero_phase_ ? zero_phase_filter(series, sections()) : sos_filter(series, sections());
}

void SymmetricLayerOptions::validate() const {
  if (inputs < 1 || outputs < 1 || size < 1 || rank < 1) {
    throw UsageError("symmetric layer: expected inputs, outputs, size and rank from 1 on");
  }
}

SymmetricLayer::SymmetricLayer(const SymmetricLayerOptions& options) : options_(options) {
  options.validate();
  factor_ = register_parameter(
      "factor", symmetric_template_start(options.outputs, options.inputs, options.size, options.rank, options.seed)
                    .to(options.type));
  bias_ = register_parameter("bias", at::zeros({options.outputs}, options.type));
  if (options.signed_coupling) {
    const at::Tensor sign = 1 - 2 * at::remainder(at::arange(options.rank, options.type), 2);
    coupling_ = register_parameter("coupling", sign.expand({options.outputs, options.inputs, options.rank}).clone());
  }
}

at::Tensor SymmetricLayer::templates() const { return expand_outer(factor_, {}, coupling_); }

at::Tensor SymmetricLayer::forward(const at::Tensor& matrices) const {
  require_square(matrices, "matrices");
  return crosshair_similarity(matrices, templates(), options_.similarity) + bias_.unsqueeze(-1).unsqueeze(-1);
}

}  // namespace noema
