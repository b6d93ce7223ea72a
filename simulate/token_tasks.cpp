#include "noema/simulate/token_tasks.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

using Tokens = std::vector<std::int64_t>;

/// A sequence to be predicted from its beginning, and which of its tokens are what the task asks for.
struct Text {
  Tokens tokens;
  std::vector<bool> probed;

  void add(std::int64_t token, bool probe = false) {
    tokens.push_back(token);
    probed.push_back(probe);
  }
  void add(const Tokens& several, bool probe) {
    for (const std::int64_t token : several) add(token, probe);
  }
};

std::int64_t one_of(RandomStream& random, std::int64_t first, std::int64_t count) {
  return first + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
}

/// The pairs of a sequence: each key has one value, and knows whether it was there before.
template <class Key, class Value>
class Pairs {
 public:
  /// `draw_value` is called for new keys alone.
  template <class DrawValue>
  std::pair<Value, bool> value_of(const Key& key, const DrawValue& draw_value) {
    if (const auto found = values_.find(key); found != values_.end()) return {found->second, true};
    keys_.push_back(key);
    return {values_.emplace(key, draw_value()).first->second, false};
  }
  const Key& known_key(RandomStream& random) const { return keys_[random.below(keys_.size())]; }

 private:
  std::map<Key, Value> values_;
  std::vector<Key> keys_;
};

/// In context and noisy: L/2 pairs, the last one with a key that was there.
Text recall(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  Pairs<std::int64_t, std::int64_t> pairs;
  Text text;
  const std::int64_t count = options.length / 2;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool last = i == count - 1;
    // There is a pair to ask for: the first is never noise.
    if (i > 0 && !last && random.uniform() < options.noise) {
      for (int twice = 0; twice < 2; ++twice) text.add(one_of(random, roles.noise, options.noise_vocabulary));
      continue;
    }
    const std::int64_t key = last ? pairs.known_key(random) : one_of(random, 0, roles.keys);
    const auto [value, known] = pairs.value_of(key, [&] { return one_of(random, roles.keys, roles.values); });
    text.add(key);
    text.add(value, known);
  }
  return text;
}

/// Different tokens in random order.
Tokens motif(RandomStream& random, std::int64_t first, std::int64_t count, std::int64_t length) {
  const auto order = random.permutation(count);
  Tokens tokens;
  for (std::int64_t i = 0; i < length; ++i) tokens.push_back(first + order[static_cast<std::size_t>(i)]);
  return tokens;
}

/// As many pairs as fit; one of them, at a random place behind the first, has a key that was there. Blanks before.
Text fuzzy_recall(const SequenceTaskOptions& options, const TokenRoles& roles, bool training, RandomStream& random) {
  const std::int64_t room = options.length + 1, longest = options.copies;
  const auto length = [&] { return one_of(random, 1, longest); };
  Pairs<Tokens, Tokens> pairs;
  Text text;
  // All keys as long as can be: so many pairs there are at least.
  const std::int64_t probe = one_of(random, 1, room / (2 * longest) - 1);
  for (std::int64_t i = 0;; ++i) {
    const Tokens key =
        i == probe ? pairs.known_key(random) : motif(random, 0, roles.keys, training ? length() : longest);
    const auto [value, known] = pairs.value_of(key, [&] { return motif(random, roles.keys, roles.values, length()); });
    if (static_cast<std::int64_t>(text.tokens.size() + key.size() + value.size()) > room) break;
    text.add(key, false);
    text.add(value, known);
  }
  Text padded;
  padded.add(Tokens(static_cast<std::size_t>(room) - text.tokens.size(), roles.blank), false);
  padded.tokens.insert(padded.tokens.end(), text.tokens.begin(), text.tokens.end());
  padded.probed.insert(padded.probed.end(), text.probed.begin(), text.probed.end());
  return padded;
}

Text associative_recall(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  Pairs<std::int64_t, std::int64_t> pairs;
  Text text;
  const auto draw_value = [&] { return one_of(random, roles.keys, roles.values); };
  for (std::int64_t i = 0; i < options.length / 2; ++i) {
    const std::int64_t key = one_of(random, 0, roles.keys);
    text.add(key);
    text.add(pairs.value_of(key, draw_value).first);
  }
  text.add(roles.question);
  const std::int64_t key = pairs.known_key(random);
  text.add(key);
  text.add(pairs.value_of(key, draw_value).first, true);
  return text;
}

/// One or two triggers with the same token behind them, and at the end the trigger once more.
Text induction_heads(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  Text text;
  for (std::int64_t i = 0; i < options.length; ++i) text.add(one_of(random, 0, roles.values));
  const std::int64_t copied = one_of(random, 0, roles.values);
  const auto put = [&](std::int64_t place) {
    text.tokens[static_cast<std::size_t>(place)] = roles.question;
    text.tokens[static_cast<std::size_t>(place + 1)] = copied;
  };
  const auto draw_place = [&] { return one_of(random, 0, options.length - 1); };
  const std::int64_t first = draw_place();
  put(first);
  if (random.uniform() < 0.5) {
    std::int64_t second = draw_place();
    while (std::abs(second - first) < 2) second = draw_place();
    put(second);
  }
  text.add(roles.question);
  text.add(copied, true);
  return text;
}

/// Inputs and answers of equal length.
struct Exercise {
  Tokens tokens;
  Tokens asked;
};

/// Every token but the last is an input, the next one the answer.
Exercise of_text(const Text& text, const TokenRoles& roles, bool all) {
  Exercise exercise;
  for (std::size_t t = 0; t + 1 < text.tokens.size(); ++t) {
    const std::int64_t next = text.tokens[t + 1];
    const bool asks = text.probed[t + 1] || (all && next != roles.blank);
    exercise.tokens.push_back(text.tokens[t]);
    exercise.asked.push_back(asks ? next : kNotAsked);
  }
  return exercise;
}

Exercise selective_copying(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  const std::int64_t n = options.copies, shown = options.length - n - 1;
  const auto length = static_cast<std::size_t>(options.length);
  Exercise exercise{Tokens(length, roles.blank), Tokens(length, kNotAsked)};
  auto places = random.permutation(shown);
  std::sort(places.begin(), places.begin() + n);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t token = one_of(random, 0, roles.values);
    exercise.tokens[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])] = token;
    exercise.asked[static_cast<std::size_t>(shown + 1 + i)] = token;
  }
  exercise.tokens[static_cast<std::size_t>(shown)] = roles.question;
  return exercise;
}

Exercise compression(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  Exercise exercise;
  for (std::int64_t t = 0; t + 1 < options.length; ++t) {
    const bool noise = random.uniform() < options.noise;
    exercise.tokens.push_back(noise ? one_of(random, roles.noise, options.noise_vocabulary)
                                    : one_of(random, 0, roles.values));
    exercise.asked.push_back(noise ? kNotAsked : exercise.tokens.back());
  }
  exercise.tokens.push_back(roles.question);
  exercise.asked.push_back(kNotAsked);
  return exercise;
}

Exercise memorization(const SequenceTaskOptions& options, const TokenRoles& roles, RandomStream& random) {
  Exercise exercise;
  for (std::int64_t i = 0; i < options.length / 2; ++i) {
    const std::int64_t key = one_of(random, 0, roles.keys);
    RandomStream map(options.seed, "memorised values", {static_cast<std::uint64_t>(key)});
    exercise.tokens.insert(exercise.tokens.end(), {key, roles.question});
    exercise.asked.insert(exercise.asked.end(), {kNotAsked, one_of(map, roles.keys, roles.values)});
  }
  return exercise;
}

Exercise draw(const SequenceTaskOptions& options, const TokenRoles& roles, bool training, RandomStream& random) {
  switch (options.task) {
    case SequenceTask::in_context_recall:
    case SequenceTask::noisy_recall:
      return of_text(recall(options, roles, random), roles, training);
    case SequenceTask::fuzzy_recall:
      return of_text(fuzzy_recall(options, roles, training, random), roles, training);
    case SequenceTask::associative_recall:
      return of_text(associative_recall(options, roles, random), roles, training);
    case SequenceTask::induction_heads:
      return of_text(induction_heads(options, roles, random), roles, training);
    case SequenceTask::selective_copying:
      return selective_copying(options, roles, random);
    case SequenceTask::compression:
      return compression(options, roles, random);
    case SequenceTask::memorization:
      return memorization(options, roles, random);
    default:
      throw UsageError("this task is not one on tokens");
  }
}

}  // namespace

TokenRoles::TokenRoles(const SequenceTaskOptions& options) {
  const SequenceTask task = options.task;
  const bool blanks = task == SequenceTask::fuzzy_recall || task == SequenceTask::selective_copying ||
                      task == SequenceTask::associative_recall || task == SequenceTask::induction_heads;
  const bool asks = task == SequenceTask::selective_copying || task == SequenceTask::compression ||
                    task == SequenceTask::memorization || task == SequenceTask::associative_recall ||
                    task == SequenceTask::induction_heads;
  const bool keyed = task != SequenceTask::selective_copying && task != SequenceTask::compression &&
                     task != SequenceTask::induction_heads;
  const std::int64_t ordinary = options.vocabulary - options.noise_vocabulary - (blanks ? 1 : 0) - (asks ? 1 : 0);
  keys = keyed ? ordinary / 2 : 0;
  values = ordinary - keys;
  answers = values;
  noise = ordinary;
  blank = blanks ? ordinary + options.noise_vocabulary : -1;
  question = asks ? options.vocabulary - 1 : -1;
}

SequenceSet draw_token_sequences(const SequenceTaskOptions& options, bool training) {
  const TokenRoles roles(options);
  SequenceSet set;
  set.count = training ? options.training : options.testing;
  const std::string purpose = std::string(name_of(options.task)) + (training ? " training" : " testing");
  for (std::int64_t n = 0; n < set.count; ++n) {
    RandomStream random(options.seed, purpose, {static_cast<std::uint64_t>(n)});
    const Exercise exercise = draw(options, roles, training, random);
    set.length = static_cast<std::int64_t>(exercise.tokens.size());
    set.tokens.insert(set.tokens.end(), exercise.tokens.begin(), exercise.tokens.end());
    set.asked.insert(set.asked.end(), exercise.asked.begin(), exercise.asked.end());
  }
  return set;
}

}  // namespace noema
