// The descriptions of all commands are sound, and options mean what they say.
#include "noema/cli/commands.h"

#include <gtest/gtest.h>

#include <set>

#include "noema/cli/option_groups.h"
#include "noema/core/error.h"
#include "noema/tests/support/source_folder.h"

namespace noema {
namespace {

TEST(Commands, EveryDescriptionIsSound) {
  std::set<std::string> names;
  for (const CommandSpec& command : all_commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    for (const std::string& problem : command_problems(command)) ADD_FAILURE() << command.name << ": " << problem;
  }
}

CommandArguments decode_words(std::vector<std::string> words) {
  words.insert(words.begin(), {source_folder(), "/tmp/out"});
  return parse_command(decode_command(), words);
}

TEST(Options, DefaultsOfDecode) {
  const CommandArguments arguments = decode_words({});
  const EvaluationOptions evaluation = read_evaluation_options(arguments);
  EXPECT_EQ(evaluation.problem.split.unit, "auto");
  EXPECT_EQ(evaluation.rule.delay, DelayKind::automatic);
  EXPECT_FALSE(evaluation.problem.unit.has_value());
  EXPECT_FALSE(evaluation.problem.allow_leakage);
  const ModelOptions models = read_model_options(arguments);
  EXPECT_TRUE(models.models.empty());
  EXPECT_EQ(models.seeds, 3);
  EXPECT_EQ(models.screening_keep, 500);
  EXPECT_FALSE(models.whiten.has_value());
  EXPECT_EQ(read_prepare_options(arguments).high_pass_hz.kind, AutoNumber::Kind::automatic);
}

TEST(Options, DelaysAndSplitsAreRead) {
  EXPECT_EQ(read_evaluation_options(decode_words({"--delay", "hrf"})).rule.delay, DelayKind::hrf);
  const EvaluationOptions fixed = read_evaluation_options(decode_words({"--delay", "4.5"}));
  EXPECT_EQ(fixed.rule.delay, DelayKind::fixed);
  EXPECT_EQ(fixed.rule.delay_s, 4.5);
  EXPECT_THROW(read_evaluation_options(decode_words({"--delay", "soon"})), UsageError);
  EXPECT_EQ(read_evaluation_options(decode_words({"--split", "shuffled", "--folds", "7"})).problem.shuffled_folds, 7);
  EXPECT_EQ(read_evaluation_options(decode_words({"--split", "mine.tsv"})).problem.split.file, "mine.tsv");
  EXPECT_THROW(read_evaluation_options(decode_words({"--split", "subjects"})), UsageError);
  EXPECT_THROW(read_evaluation_options(decode_words({"--samples", "trials"})), UsageError);
}

TEST(Options, ARunLabelMakesRunsTheSamples) {
  EXPECT_EQ(read_evaluation_options(decode_words({"--run-label", "ses"})).problem.unit, SampleUnit::runs);
  EXPECT_EQ(read_evaluation_options(decode_words({"--run-label", "ses", "--samples", "volumes"})).problem.unit,
            SampleUnit::volumes);
}

TEST(Options, ScreeningTakesNumbersAndShares) {
  const ModelOptions share = read_model_options(decode_words({"--screening-features", "12.5%"}));
  EXPECT_TRUE(share.screening_keep_is_percent);
  EXPECT_EQ(share.screening_keep, 12.5);
  EXPECT_THROW(read_model_options(decode_words({"--screening-features", "many"})), UsageError);
  EXPECT_THROW(read_model_options(decode_words({"--screening-features", "-3"})), UsageError);
}

TEST(Options, CutOffsAreNumbersOrWords) {
  EXPECT_EQ(read_prepare_options(decode_words({"--high-pass", "none"})).high_pass_hz.kind, AutoNumber::Kind::none);
  EXPECT_EQ(read_prepare_options(decode_words({"--high-pass", "0.01"})).high_pass_hz.value, 0.01);
  EXPECT_THROW(read_prepare_options(decode_words({"--high-pass", "128s"})), UsageError);
}

}  // namespace
}  // namespace noema
