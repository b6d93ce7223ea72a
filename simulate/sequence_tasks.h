// simulate/sequence_tasks: made-up sequences that ask a model for one ability each.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace noema {

/// The first six are the tasks of mechanistic architecture design (Poli et al. 2024, arXiv 2403.17844), the next two
/// those of H3 (Fu et al. 2022, arXiv 2212.14052), the last three are like fMRI.
enum class SequenceTask {
  in_context_recall,  ///< keys and values in turn: the value of a key that was there before
  noisy_recall,       ///< the same with pairs of noise between
  fuzzy_recall,       ///< the same with keys and values of one to three tokens
  selective_copying,  ///< tokens among blanks, later to be repeated in their order
  compression,        ///< all tokens from a single vector
  memorization,       ///< values of keys that are the same in all sequences
  associative_recall,
  induction_heads,           ///< what followed a trigger before
  lagged_response,           ///< regions respond to events: the event a fixed time ago
  noisy_region_copy,         ///< patterns of regions in noise, later to be named in their order
  band_limited_compression,  ///< slow courses of regions from a single vector
};

std::vector<SequenceTask> all_sequence_tasks();
/// "in-context-recall" … "band-limited-compression".
std::string_view name_of(SequenceTask task);
/// @throws UsageError naming the nearest task.
SequenceTask sequence_task_named(std::string_view name);

struct SequenceTaskOptions {
  SequenceTask task = SequenceTask::in_context_recall;
  /// V: tokens, those of noise and with a meaning of their own included. Series: number of codes, each a pattern.
  std::int64_t vocabulary = 16;
  /// L. Recall and induction are made of this many tokens, and what is asked behind them.
  std::int64_t length = 128;
  /// Recall and compression: which of the tokens are noise, and how often a pair or token is.
  std::int64_t noise_vocabulary = 0;
  double noise = 0;
  /// Copying: n. Fuzzy recall: the longest key and value.
  std::int64_t copies = 16;
  /// Series: regions, SD of the white noise where a pattern's is 1, volumes from an event to the question, and the
  /// slowest cosines that courses are made of.
  std::int64_t regions = 0;
  double noise_sd = 0.5;
  std::int64_t lag = 12;
  std::int64_t cosines = 6;

  std::int64_t training = 12800;
  std::int64_t testing = 1280;
  std::uint64_t seed = 0;

  /// @throws UsageError for values that leave no room.
  void validate() const;
};

/// As published; lagged response, region copy and courses: 128, 128 and 64 volumes of 16, 16 and 8 regions.
SequenceTaskOptions published_options(SequenceTask task);

/// Where nothing is asked.
inline constexpr std::int64_t kNotAsked = -100;

/// N sequences of T places, with tokens or series, and with classes or series that are asked for.
struct SequenceSet {
  std::int64_t count = 0;            // N
  std::int64_t length = 0;           // T
  std::vector<std::int64_t> tokens;  ///< (N, T), or empty
  std::vector<float> series;         ///< (N, T, R), or empty
  std::vector<std::int64_t> asked;   ///< (N, T): the class, or `kNotAsked`; empty where `wanted` is not
  std::vector<float> wanted;         ///< (N, T, R)
};

/// Training asks for every next token in recall and induction, and otherwise, as testing, for what the task is about.
/// Each sequence has its own random numbers, so that sets do not depend on one another or on the order they are made.
SequenceSet draw_sequences(const SequenceTaskOptions& options, bool training);

/// Is everything asked of one vector, when all of the sequence has been seen?
bool compresses(SequenceTask task);
/// Classes of the answers; 0 where courses are asked for.
std::int64_t answer_classes(const SequenceTaskOptions& options);
/// The score of guessing: right answers, or the explained part of the variance of courses.
double chance_score(const SequenceTaskOptions& options);
/// The part of right answers of naming, of the tokens that are ever asked for, the one most often seen so far in the
/// sequence (the smallest of several): what no recall at all can reach. NaN for series.
double commonest_score(const SequenceSet& set);

}  // namespace noema
