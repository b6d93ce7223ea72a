// simulate/token_tasks: the sequence tasks on tokens.
#pragma once

#include "noema/simulate/sequence_tasks.h"

namespace noema {

/// Which token means what. Ordinary tokens come first: keys, then values, where there are such.
struct TokenRoles {
  explicit TokenRoles(const SequenceTaskOptions& options);

  /// Keys 0 … keys − 1, values keys … keys + values − 1; without keys all ordinary tokens are values.
  std::int64_t keys = 0;
  std::int64_t values = 0;
  /// Tokens that can be the answer to what is tested.
  std::int64_t answers = 0;
  /// The first of noise, behind the ordinary ones.
  std::int64_t noise = 0;
  /// Fuzzy recall: what fills up. Copying: between tokens. Behind the noise.
  std::int64_t blank = 0;
  /// Asks for copies, what was compressed, the value, or is the trigger. The last.
  std::int64_t question = 0;
};

/// Tasks on tokens only. @throws UsageError for others.
SequenceSet draw_token_sequences(const SequenceTaskOptions& options, bool training);

}  // namespace noema
