// connectomics/dynamic_states: connectivity that changes in time: windows, soft weights of states, hidden Markov
// states.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace noema {

struct WindowOptions {
  std::int64_t length = 50;
  std::int64_t step = 25;
  /// Standard deviation in frames of a Gaussian that a rectangular window is convolved with; 0: rectangular.
  double taper_sd = 0;
};
/// (W, T): weights of frames in each window, of sum 1, for weighted covariances. W = ⌊(T − length)/step⌋ + 1.
/// @throws UsageError for a window longer than the series or numbers below 1
at::Tensor window_weights(std::int64_t frames, const WindowOptions& options, const at::TensorOptions& type);

/// Time courses of states from free numbers (…, K, T): softmax over states of each frame; and from them the weights of
/// frames of each state, divided by their sum: (…, K, T). Differentiable.
struct SoftStates {
  at::Tensor probability;  // sums to 1 over K
  at::Tensor weights;      // sums to 1 over T
};
/// @throws ShapeError; UsageError unless temperature > 0
SoftStates soft_states(const at::Tensor& free, double temperature = 1);

/// Log densities of frames under normal distributions: (…, T, K).
/// @param series      (…, F, T)
/// @param means       (K, F), or undefined: zeros (states that differ in covariance alone)
/// @param covariances (K, F, F). Differentiable in all. @throws ShapeError; NumericalError if one is not positive
/// definite
at::Tensor normal_log_density(const at::Tensor& series, const at::Tensor& means, const at::Tensor& covariances);

/// What a hidden Markov chain says of its frames.
struct ChainPosterior {
  at::Tensor probability;   // (…, T, K): of each state at each frame, given the whole series
  at::Tensor transitions;   // (…, K, K): expected numbers of transitions
  at::Tensor log_evidence;  // (…)
};
/// Forward and backward recursion in logarithms. Differentiable to any order; the gradient of `log_evidence` in
/// `log_density` is `probability`. Cost O(T·K²) and T steps.
/// @param log_density    (…, T, K); @param log_initial (K); @param log_transition (K, K), rows: from. −∞ is allowed.
/// @throws ShapeError
ChainPosterior chain_posterior(const at::Tensor& log_density, const at::Tensor& log_initial,
                               const at::Tensor& log_transition);
/// The most probable path (…, T), int64. No gradient (Viterbi). @throws ShapeError
at::Tensor most_probable_path(const at::Tensor& log_density, const at::Tensor& log_initial,
                              const at::Tensor& log_transition);

struct HiddenStatesOptions {
  std::int64_t states = 6;
  /// Whether states have means too, or differ in covariance alone.
  bool means = false;
  int iterations = 100;
  /// Stops when the log evidence per frame rises by less.
  double tolerance = 1e-6;
  /// Runs from different starts; the one of highest evidence is taken.
  int starts = 3;
  /// Share of the common covariance mixed into each state's.
  double shrinkage = 0.02;
  std::uint64_t seed = 0;

  /// @throws UsageError
  void validate() const;
};
struct HiddenStates {
  at::Tensor means;           // (K, F)
  at::Tensor covariances;     // (K, F, F)
  at::Tensor log_initial;     // (K)
  at::Tensor log_transition;  // (K, K)
  double log_evidence = 0;    // per frame, of these states
  int iterations = 0;
  bool converged = false;  // the evidence rose by less than the tolerance; without it a warning says so
};
/// Fits states that all series share by expectation and maximisation (Baum and Welch), starting from k-means of
/// windows' covariances. No gradient. @param series (B, F, T), each on a common scale.
/// @throws ShapeError; UsageError; DataError for fewer frames than states; Cancelled
HiddenStates fit_hidden_states(const at::Tensor& series, const HiddenStatesOptions& options = {});
/// Of new series under fitted states.
ChainPosterior state_posterior(const HiddenStates& states, const at::Tensor& series);

}  // namespace noema
