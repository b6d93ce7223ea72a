#include "noema/simulate/sequence_tasks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <set>

#include "noema/core/error.h"
#include "noema/simulate/region_tasks.h"
#include "noema/simulate/token_tasks.h"

namespace noema {
namespace {

SequenceTaskOptions few(SequenceTask task) {
  SequenceTaskOptions options = published_options(task);
  options.training = 200;
  options.testing = 100;
  return options;
}

std::vector<std::int64_t> row(const std::vector<std::int64_t>& values, const SequenceSet& set, std::int64_t n) {
  return {values.begin() + n * set.length, values.begin() + (n + 1) * set.length};
}

/// Sequences of the second set that are in the first.
std::int64_t in_both(const SequenceSet& first, const SequenceSet& second) {
  const auto rows = [](const SequenceSet& set) {
    std::vector<std::vector<double>> all;
    const auto cut = [&](const auto& values) {
      const auto size = static_cast<std::ptrdiff_t>(values.size()) / set.count;
      for (auto from = values.begin(); from != values.end(); from += size) all.emplace_back(from, from + size);
    };
    if (set.tokens.empty())
      cut(set.series);
    else
      cut(set.tokens);
    return all;
  };
  const auto known = rows(first), asked = rows(second);
  const std::set<std::vector<double>> in_first(known.begin(), known.end());
  return std::count_if(asked.begin(), asked.end(), [&](const auto& row) { return in_first.contains(row); });
}

TEST(SequenceTasks, DependOnTheirSeedAndPartAlone) {
  for (const SequenceTask task : all_sequence_tasks()) {
    SCOPED_TRACE(name_of(task));
    SequenceTaskOptions options = few(task);
    const SequenceSet train = draw_sequences(options, true), test = draw_sequences(options, false);
    EXPECT_EQ(train.tokens, draw_sequences(options, true).tokens);
    EXPECT_EQ(train.series, draw_sequences(options, true).series);
    // The n-th sequence is the same in a larger set.
    options.training = 300;
    const SequenceSet more = draw_sequences(options, true);
    EXPECT_TRUE(std::equal(train.tokens.begin(), train.tokens.end(), more.tokens.begin()));
    EXPECT_TRUE(std::equal(train.series.begin(), train.series.end(), more.series.begin()));
    EXPECT_TRUE(std::equal(train.asked.begin(), train.asked.end(), more.asked.begin()));
    options.seed = 1;
    const SequenceSet other = draw_sequences(options, true);
    EXPECT_TRUE(other.tokens != more.tokens || other.series != more.series);
    EXPECT_EQ(in_both(train, test), 0);
    EXPECT_EQ(in_both(train, more), 200);
    EXPECT_EQ(sequence_task_named(name_of(task)), task);
  }
  EXPECT_THROW(sequence_task_named("in-context-recal"), UsageError);
  // Nor with few tokens and as many sequences as `noema bench` has.
  SequenceTaskOptions recall = published_options(SequenceTask::associative_recall);
  recall.vocabulary = 12;
  recall.length = 16;
  EXPECT_EQ(in_both(draw_sequences(recall, true), draw_sequences(recall, false)), 0);
}

TEST(SequenceTasks, HaveTheirPublishedSizes) {
  const std::map<SequenceTask, std::int64_t> lengths = {
      {SequenceTask::in_context_recall, 127}, {SequenceTask::noisy_recall, 127},  {SequenceTask::fuzzy_recall, 128},
      {SequenceTask::selective_copying, 256}, {SequenceTask::compression, 32},    {SequenceTask::memorization, 32},
      {SequenceTask::associative_recall, 42}, {SequenceTask::induction_heads, 31}};
  for (const auto& [task, length] : lengths) {
    SCOPED_TRACE(name_of(task));
    const SequenceTaskOptions options = few(task);
    const SequenceSet set = draw_sequences(options, false);
    EXPECT_EQ(set.length, length);
    EXPECT_EQ(set.count, 100);
    EXPECT_EQ(static_cast<std::int64_t>(set.tokens.size()), 100 * length);
    EXPECT_EQ(set.asked.size(), set.tokens.size());
    EXPECT_GE(*std::min_element(set.tokens.begin(), set.tokens.end()), 0);
    EXPECT_LT(*std::max_element(set.tokens.begin(), set.tokens.end()), options.vocabulary);
    EXPECT_EQ(published_options(task).training,
              task == SequenceTask::memorization
                  ? 256
                  : (task == SequenceTask::associative_recall || task == SequenceTask::induction_heads ? 5000 : 12800));
  }
}

// Tested are values of keys that were there, each the same as before, and the last; trained is every next token.
TEST(SequenceTasks, RecallAsksForValuesOfKnownKeys) {
  for (const SequenceTask task : {SequenceTask::in_context_recall, SequenceTask::noisy_recall}) {
    const SequenceTaskOptions options = few(task);
    const SequenceSet test = draw_sequences(options, false), train = draw_sequences(options, true);
    std::int64_t noisy = 0, pairs = 0;
    for (std::int64_t n = 0; n < test.count; ++n) {
      const auto tokens = row(test.tokens, test, n), asked = row(test.asked, test, n);
      std::map<std::int64_t, std::int64_t> known;
      for (std::size_t t = 0; t < tokens.size(); t += 2) {
        const std::int64_t key = tokens[t];
        const bool last = t + 1 == tokens.size();
        ++pairs;
        if (key >= 16) {
          ++noisy;
          EXPECT_GT(t, 0U);
          EXPECT_GE(tokens[t + 1], 16);
          EXPECT_EQ(asked[t], kNotAsked);
        } else {
          ASSERT_LT(key, 8);
          EXPECT_EQ(asked[t], known.contains(key) ? known[key] : kNotAsked);
          if (!last) {
            EXPECT_GE(tokens[t + 1], 8);
            EXPECT_TRUE(known.emplace(key, tokens[t + 1]).first->second == tokens[t + 1]);
          }
        }
        if (!last) {
          EXPECT_EQ(asked[t + 1], kNotAsked);
        }
      }
      EXPECT_NE(asked.back(), kNotAsked);
    }
    const double share = static_cast<double>(noisy) / static_cast<double>(pairs);
    EXPECT_NEAR(share, task == SequenceTask::noisy_recall ? 0.2 : 0, 0.015);
    for (std::int64_t n = 0; n < 5; ++n) {
      const auto tokens = row(train.tokens, train, n), asked = row(train.asked, train, n);
      for (std::size_t t = 0; t + 1 < tokens.size(); ++t) EXPECT_EQ(asked[t], tokens[t + 1]);
    }
    EXPECT_EQ(chance_score(options), 1.0 / 8);
  }
}

TEST(SequenceTasks, TheCommonestAnswerIsThatSeenMostOftenSoFar) {
  SequenceSet set{2, 5, {}, {}, {}, {}};
  set.tokens = {3, 4, 4, 9, 3, 4, 3, 3, 9, 9};
  set.asked = {kNotAsked, kNotAsked, 4, kNotAsked, 3, kNotAsked, kNotAsked, 4, kNotAsked, 3};
  // First: 4 was seen twice; then 3 and 4 twice each, and 3 is smaller. Second: 3 twice, so 4 is missed and 3 is not.
  EXPECT_EQ(commonest_score(set), 0.75);
  set.tokens.clear();
  EXPECT_TRUE(std::isnan(commonest_score(set)));
  // Values that keys share are often that of most: far from one in five.
  SequenceTaskOptions recall = few(SequenceTask::associative_recall);
  recall.vocabulary = 12;
  recall.length = 16;
  recall.testing = 2000;
  EXPECT_NEAR(commonest_score(draw_sequences(recall, false)), 0.48, 0.06);
}

TEST(SequenceTasks, FuzzyRecallHasMotifs) {
  const SequenceTaskOptions options = few(SequenceTask::fuzzy_recall);
  const TokenRoles roles(options);
  EXPECT_EQ(roles.keys, 7);
  EXPECT_EQ(roles.values, 8);
  EXPECT_EQ(roles.blank, 15);
  for (const bool training : {false, true}) {
    const SequenceSet set = draw_sequences(options, training);
    std::set<std::size_t> key_lengths, value_lengths;
    for (std::int64_t n = 0; n < 100; ++n) {
      auto tokens = row(set.tokens, set, n);
      const auto asked = row(set.asked, set, n);
      std::map<std::vector<std::int64_t>, std::vector<std::int64_t>> known;
      std::size_t t = 0, questions = 0;
      while (tokens[t] == 15) ++t;
      for (; t < tokens.size();) {
        std::vector<std::int64_t> key, value;
        const std::size_t start = t;
        while (t < tokens.size() && tokens[t] < 7) key.push_back(tokens[t++]);
        while (t < tokens.size() && tokens[t] >= 7) value.push_back(tokens[t++]);
        if (t == tokens.size()) break;  // the last pair may be cut
        EXPECT_EQ(std::set(key.begin(), key.end()).size(), key.size());
        EXPECT_EQ(std::set(value.begin(), value.end()).size(), value.size());
        key_lengths.insert(key.size());
        value_lengths.insert(value.size());
        const bool was_there = known.contains(key);
        questions += was_there;
        EXPECT_EQ(known.emplace(key, value).first->second, value);
        for (std::size_t i = 0; !training && i < key.size() + value.size() - 1; ++i) {
          EXPECT_EQ(asked[start + i], was_there && i + 1 >= key.size() ? tokens[start + i + 1] : kNotAsked);
        }
      }
      EXPECT_GE(std::count_if(asked.begin(), asked.end(), [](std::int64_t a) { return a != kNotAsked; }), 1);
    }
    EXPECT_EQ(key_lengths, training ? (std::set<std::size_t>{1, 2, 3}) : std::set<std::size_t>{3});
    EXPECT_EQ(value_lengths, (std::set<std::size_t>{1, 2, 3}));
  }
}

TEST(SequenceTasks, CopyingKeepsTheOrder) {
  const SequenceTaskOptions options = few(SequenceTask::selective_copying);
  const SequenceSet set = draw_sequences(options, false);
  std::set<std::size_t> first_places;
  for (std::int64_t n = 0; n < set.count; ++n) {
    const auto tokens = row(set.tokens, set, n), asked = row(set.asked, set, n);
    std::vector<std::int64_t> shown;
    for (std::size_t t = 0; t < 239; ++t) {
      if (tokens[t] != 14) shown.push_back(tokens[t]);
      EXPECT_EQ(asked[t], kNotAsked);
    }
    ASSERT_EQ(shown.size(), 16U);
    EXPECT_LT(*std::max_element(shown.begin(), shown.end()), 14);
    EXPECT_EQ(tokens[239], 15);
    EXPECT_EQ(asked[239], kNotAsked);
    EXPECT_EQ(std::vector(asked.begin() + 240, asked.end()), shown);
    EXPECT_EQ(std::count(tokens.begin() + 240, tokens.end(), 14), 16);
    first_places.insert(static_cast<std::size_t>(
        std::find_if(tokens.begin(), tokens.end(), [](auto x) { return x != 14; }) - tokens.begin()));
  }
  EXPECT_GT(first_places.size(), 20U);
}

TEST(SequenceTasks, CompressionAsksForWhatIsNotNoise) {
  SequenceTaskOptions options = few(SequenceTask::compression);
  SequenceSet set = draw_sequences(options, false);
  for (std::int64_t n = 0; n < set.count; ++n) {
    auto tokens = row(set.tokens, set, n);
    EXPECT_EQ(tokens.back(), 15);
    EXPECT_LT(*std::max_element(tokens.begin(), tokens.end() - 1), 15);
    tokens.back() = kNotAsked;
    EXPECT_EQ(row(set.asked, set, n), tokens);
  }
  options.noise_vocabulary = 4;
  options.noise = 0.3;
  set = draw_sequences(options, false);
  std::int64_t noisy = 0;
  for (std::size_t i = 0; i < set.tokens.size(); ++i) {
    const std::int64_t token = set.tokens[i];
    const bool noise = token >= 11 && token < 15;
    noisy += noise;
    EXPECT_EQ(set.asked[i], noise || token == 15 ? kNotAsked : token);
  }
  EXPECT_NEAR(static_cast<double>(noisy) / 3100, 0.3, 0.03);
}

TEST(SequenceTasks, MemorizationHasOneMapForAll) {
  const SequenceTaskOptions options = few(SequenceTask::memorization);
  std::map<std::int64_t, std::int64_t> values;
  for (const bool training : {true, false}) {
    const SequenceSet set = draw_sequences(options, training);
    for (std::size_t i = 0; i < set.tokens.size(); i += 2) {
      EXPECT_LT(set.tokens[i], 127);
      EXPECT_EQ(set.tokens[i + 1], 255);
      EXPECT_EQ(set.asked[i], kNotAsked);
      EXPECT_GE(set.asked[i + 1], 127);
      EXPECT_LT(set.asked[i + 1], 255);
      EXPECT_EQ(values.emplace(set.tokens[i], set.asked[i + 1]).first->second, set.asked[i + 1]);
    }
  }
  EXPECT_EQ(values.size(), 127U);
  std::set<std::int64_t> different;
  for (const auto& [key, value] : values) different.insert(value);
  EXPECT_GT(different.size(), 60U);
}

TEST(SequenceTasks, AssociativeRecallAndInductionAskOnceAtTheEnd) {
  const SequenceSet recall = draw_sequences(few(SequenceTask::associative_recall), false);
  for (std::int64_t n = 0; n < recall.count; ++n) {
    const auto tokens = row(recall.tokens, recall, n), asked = row(recall.asked, recall, n);
    EXPECT_EQ(tokens[40], 19);
    EXPECT_EQ(std::count(asked.begin(), asked.end(), kNotAsked), 41);
    std::int64_t found = 0;
    for (std::size_t t = 0; t < 40; t += 2) {
      EXPECT_LT(tokens[t], 9);
      EXPECT_GE(tokens[t + 1], 9);
      EXPECT_LT(tokens[t + 1], 18);
      if (tokens[t] != tokens[41]) continue;
      ++found;
      EXPECT_EQ(tokens[t + 1], asked[41]);
    }
    EXPECT_GE(found, 1);
  }
  const SequenceSet heads = draw_sequences(few(SequenceTask::induction_heads), false);
  std::map<std::int64_t, int> triggers;
  std::set<std::size_t> places;
  for (std::int64_t n = 0; n < heads.count; ++n) {
    const auto tokens = row(heads.tokens, heads, n), asked = row(heads.asked, heads, n);
    ++triggers[std::count(tokens.begin(), tokens.end(), 19)];
    EXPECT_EQ(tokens[30], 19);
    EXPECT_EQ(std::count(asked.begin(), asked.end(), kNotAsked), 30);
    for (std::size_t t = 0; t < 30; ++t) {
      if (tokens[t] != 19) continue;
      places.insert(t);
      EXPECT_EQ(tokens[t + 1], asked[30]);
    }
  }
  EXPECT_EQ(places.size(), 29U);   // all but the last
  EXPECT_EQ(triggers.size(), 2U);  // one or two, and that at the end
  EXPECT_GT(triggers[2], 30);
  EXPECT_GT(triggers[3], 30);
}

// Without noise the series is the sum of the responses to the events that are asked for `lag` volumes later.
TEST(SequenceTasks, LaggedResponsesAreTheSumOfTheirEvents) {
  SequenceTaskOptions options = few(SequenceTask::lagged_response);
  options.noise_sd = 0;
  const SequenceSet set = draw_sequences(options, false);
  const std::vector<float> patterns = code_patterns(options), response = event_response();
  EXPECT_EQ(response.size(), 16U);
  EXPECT_EQ(std::max_element(response.begin(), response.end()) - response.begin(), 3);  // 6 s
  EXPECT_EQ(*std::max_element(response.begin(), response.end()), 1);
  for (std::int64_t n = 0; n < 10; ++n) {
    const auto asked = row(set.asked, set, n);
    std::vector<double> expected(128 * 16);
    std::int64_t before = -1;
    for (std::int64_t t = 12; t < 128; ++t) {
      const std::int64_t code = asked[static_cast<std::size_t>(t)];
      if (code == kNotAsked) continue;
      if (before >= 0) {
        EXPECT_GE(t - before, 3);
        EXPECT_LE(t - before, 6);
      }
      before = t;
      for (std::int64_t i = 0; i < 16 && t - 12 + i < 128; ++i) {
        for (std::int64_t r = 0; r < 16; ++r) {
          expected[static_cast<std::size_t>((t - 12 + i) * 16 + r)] +=
              response[static_cast<std::size_t>(i)] * patterns[static_cast<std::size_t>(code * 16 + r)];
        }
      }
    }
    // Events of the last twelve volumes are not asked for.
    for (std::size_t i = 0; i < 116 * 16; ++i)
      EXPECT_NEAR(set.series[static_cast<std::size_t>(n) * 2048 + i], expected[i], 1e-5);
  }
  EXPECT_EQ(chance_score(options), 1.0 / 8);
}

TEST(SequenceTasks, RegionsAreCopiedInOrderAndInNoise) {
  SequenceTaskOptions options = few(SequenceTask::noisy_region_copy);
  options.noise_sd = 0;
  const SequenceSet clean = draw_sequences(options, false);
  const std::vector<float> patterns = code_patterns(options);
  for (std::int64_t n = 0; n < clean.count; ++n) {
    const auto asked = row(clean.asked, clean, n);
    std::size_t next = 120;
    for (std::size_t t = 0; t < 128; ++t) {
      const float* volume = clean.series.data() + (static_cast<std::size_t>(n) * 128 + t) * 16;
      if (std::all_of(volume, volume + 16, [](float x) { return x == 0; })) continue;
      if (t == 119) {
        EXPECT_TRUE(std::equal(volume, volume + 16, patterns.begin() + 8 * 16));
        continue;
      }
      ASSERT_LT(t, 119U);
      EXPECT_TRUE(std::equal(volume, volume + 16, patterns.begin() + asked[next++] * 16));
    }
    EXPECT_EQ(next, 128U);
  }
  options.noise_sd = 0.5;
  const SequenceSet noisy = draw_sequences(options, false);
  double squares = 0;
  for (std::size_t i = 0; i < noisy.series.size(); ++i) squares += std::pow(noisy.series[i] - clean.series[i], 2);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(noisy.series.size())), 0.5, 0.005);
  EXPECT_EQ(noisy.asked, clean.asked);
}

TEST(SequenceTasks, CoursesAreSlowAndOfUnitVariance) {
  const SequenceTaskOptions options = few(SequenceTask::band_limited_compression);
  const SequenceSet set = draw_sequences(options, true);
  EXPECT_TRUE(set.asked.empty());
  double squares = 0, noise = 0;
  for (std::size_t i = 0; i < set.wanted.size(); ++i) {
    squares += std::pow(set.wanted[i], 2);
    noise += std::pow(set.series[i] - set.wanted[i], 2);
  }
  EXPECT_NEAR(squares / static_cast<double>(set.wanted.size()), 1, 0.05);
  EXPECT_NEAR(std::sqrt(noise / static_cast<double>(set.wanted.size())), 0.5, 0.01);
  for (int m = 0; m < 64; ++m) {
    double sum = 0;
    for (int t = 0; t < 64; ++t)
      sum += set.wanted[static_cast<std::size_t>(t * 8 + 3)] * std::cos(std::numbers::pi * m * (t + 0.5) / 64);
    if (m == 0 || m > 6)
      EXPECT_NEAR(sum, 0, 1e-4);
    else
      EXPECT_GT(std::abs(sum), 1e-3);
  }
  EXPECT_EQ(chance_score(options), 0);
}

TEST(SequenceTasks, RefuseWhatLeavesNoRoom) {
  SequenceTaskOptions options = published_options(SequenceTask::selective_copying);
  options.length = 48;
  EXPECT_THROW(draw_sequences(options, true), UsageError);
  options = published_options(SequenceTask::lagged_response);
  options.lag = 128;
  EXPECT_THROW(draw_sequences(options, true), UsageError);
  options = published_options(SequenceTask::noisy_recall);
  options.noise_vocabulary = 28;
  EXPECT_THROW(draw_sequences(options, true), UsageError);
}

}  // namespace
}  // namespace noema
