// connectomics/learned_blocks: blocks with parameters, each kept in its set by a constraint.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "noema/connectomics/constraints.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/low_rank.h"
#include "noema/connectomics/parcels.h"

namespace noema {

/// A part of the brain (such as a hemisphere) whose voxels belong to its own parcels alone.
struct Compartment {
  std::int64_t parcels = 0;
  std::int64_t voxels = 0;
};

struct ParcellationOptions {
  /// In the order of the series' voxels and of the parcels.
  std::vector<Compartment> compartments;
  /// Of the softmax over parcels; may be changed while training.
  double temperature = 1;
  /// Hard parcels forward, gradient of the soft ones.
  bool straight_through = false;
  ParcelScale scale = ParcelScale::mean;
  /// Start: Dirichlet of this concentration for each voxel.
  double concentration = 50;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Parcels that are learned: weights of a voxel are ≥ 0 and sum to 1 over the parcels of its compartment.
class Parcellation : public torch::nn::Module {
 public:
  explicit Parcellation(const ParcellationOptions& options);

  /// (…, V, T) → (…, P, T). @throws ShapeError
  at::Tensor forward(const at::Tensor& series) const;
  /// (P_c, V_c) of each compartment.
  std::vector<at::Tensor> weights() const;
  /// (V): the parcel of largest weight, numbered over all compartments.
  at::Tensor labels() const;
  /// Starts from labels (V) of each voxel's parcel, numbered over all compartments, with this weight on it.
  /// @throws ShapeError; UsageError for a label outside of the voxel's compartment or a weight outside (0, 1)
  void start_from(const at::Tensor& labels, double weight = 0.9);
  /// @throws UsageError unless above 0
  void set_temperature(double temperature);

 private:
  at::Tensor softened(const at::Tensor& logits) const;
  ParcellationOptions options_;
  std::vector<at::Tensor> logits_;
};

struct SparseParcellationOptions {
  std::int64_t parcels = 0;
  /// (V, K) int64: the parcels that each voxel may belong to, all different, such as from `nearest_centres`; −1 where
  /// there are fewer than K. Each voxel has at least one.
  at::Tensor candidates;
  double temperature = 1;
  ParcelScale scale = ParcelScale::mean;
  /// Start: Dirichlet of this concentration over the candidates.
  double concentration = 50;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError, ShapeError
  void validate() const;
};

/// Parcels that are learned where a voxel can only belong to few of them: V·K weights instead of V·P, for whole brains
/// (230,000 voxels, 400 parcels and 8 candidates: 7 MB of weights instead of 368).
class SparseParcellation : public torch::nn::Module {
 public:
  explicit SparseParcellation(const SparseParcellationOptions& options);

  /// (…, V, T) → (…, P, T). O(V·K·T) and no (P, V) array. Differentiable twice. @throws ShapeError
  at::Tensor forward(const at::Tensor& series) const;
  /// One entry for each candidate, 0 for those that are −1; of a voxel they are ≥ 0 and sum to 1.
  SparseWeights weights() const;
  /// (V): the candidate of largest weight.
  at::Tensor labels() const;

 private:
  SparseParcellationOptions options_;
  at::Tensor absent_, parcel_, voxel_;  // (V, K), (V·K), (V·K)
  at::Tensor logits_;                   // (V, K)
};

struct LearnedFilterOptions {
  std::int64_t filters = 1;
  /// Of the series it is used on, with `padding`.
  std::int64_t frames = 0;
  double tr_s = 1;
  /// What stands in the frames that `padding` adds at both ends; with padding 0 the filter is circular: what leaves at
  /// one end comes in at the other.
  EdgePadding edges = EdgePadding::odd;
  std::int64_t padding = 0;
  /// Bands to start from, one for each filter; empty: amplitudes of 0.5.
  std::vector<PassBand> bands;
  std::vector<Clamp> clamps;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Filters without delay whose amplitudes, between 0 and 1 at each frequency, are learned.
class LearnedFilter : public torch::nn::Module {
 public:
  explicit LearnedFilter(const LearnedFilterOptions& options);

  /// (…, F, T) → (…, N, F, T). @throws ShapeError
  at::Tensor forward(const at::Tensor& series) const;
  /// (N, R): the amplitudes that are applied.
  at::Tensor response() const;

 private:
  LearnedFilterOptions options_;
  std::unique_ptr<Constraint> amplitude_;
  at::Tensor free_;
};

/// A recursive filter of second-order sections whose coefficients are learned; stable whatever they become.
class LearnedRecursiveFilter : public torch::nn::Module {
 public:
  /// @param zero_phase run forward and backward. @throws NumericalError for an unstable start
  LearnedRecursiveFilter(const std::vector<Biquad>& start, bool zero_phase, at::ScalarType type = at::kFloat);

  /// (…, T) → (…, T). @throws ShapeError, DataError
  at::Tensor forward(const at::Tensor& series) const;
  /// (S, 5)
  at::Tensor sections() const;

 private:
  bool zero_phase_;
  at::Tensor free_;
};

struct SymmetricLayerOptions {
  std::int64_t inputs = 1;
  std::int64_t outputs = 1;
  /// N of the matrices.
  std::int64_t size = 0;
  std::int64_t rank = 1;
  /// Templates of both signs (learned couplings that start at +1 and −1 in turn), else positive semidefinite ones.
  bool signed_coupling = false;
  CrosshairSimilarity similarity = CrosshairSimilarity::product;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Crosshair similarity of matrices with symmetric templates of low rank, plus a bias for each output:
/// (…, I, N, N) → (…, O, N, N); symmetric in, symmetric out.
class SymmetricLayer : public torch::nn::Module {
 public:
  explicit SymmetricLayer(const SymmetricLayerOptions& options);

  at::Tensor forward(const at::Tensor& matrices) const;
  /// (O, I, N, N)
  at::Tensor templates() const;

 private:
  SymmetricLayerOptions options_;
  at::Tensor factor_, coupling_, bias_;
};

}  // namespace noema
