#include "noema/core/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "noema/core/error.h"

namespace noema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CommandSpec example_spec() {
  CommandSpec spec;
  spec.name = "smooth";
  spec.synopsis = "Smooth an image";
  spec.description = {"Gaussian smoothing."};
  spec.arguments = {text("image", "IMAGE", "What is smoothed"),
                    text("more", "MORE", "More images").many().may_be_absent()};
  spec.groups = {{"Smoothing",
                  {number("fwhm", "MM", "Full width at half maximum").by_default("6").range(0, 100),
                   choice("edge", {"reflect", "zero"}, "What lies beyond the edge").by_default("reflect"),
                   text("subjects", "LABEL", "Which subjects").many(), flag("force", "Overwrite")}}};
  spec.examples = {{"noema smooth a.nii.gz --fwhm 4", "Smooths with 4 mm."}};
  spec.run = [](const CommandArguments&) { return 0; };
  return spec;
}

std::string error_of(const std::vector<std::string>& words) {
  try {
    parse_command(example_spec(), words);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Command, ParsesKindsListsAndDefaults) {
  const CommandArguments arguments =
      parse_command(example_spec(), {"a.nii", "--subjects", "01,02", "03", "--force", "--fwhm=4.5"});
  EXPECT_EQ(arguments.text("image"), "a.nii");
  EXPECT_EQ(arguments.number("fwhm"), 4.5);
  EXPECT_TRUE(arguments.given("fwhm"));
  EXPECT_EQ(arguments.text("edge"), "reflect");
  EXPECT_FALSE(arguments.given("edge"));
  EXPECT_TRUE(arguments.flag("force"));
  EXPECT_FALSE(arguments.flag("quiet"));
  EXPECT_THAT(arguments.list("subjects"), ElementsAre("01", "02", "03"));
  EXPECT_FALSE(arguments.has("threads"));
}

TEST(Command, ErrorsNameWhatWasFoundAndExpected) {
  EXPECT_THAT(error_of({}), HasSubstr("missing IMAGE"));
  EXPECT_THAT(error_of({"a", "--fhwm", "3"}), HasSubstr("unknown option '--fhwm', did you mean '--fwhm'?"));
  EXPECT_THAT(error_of({"a", "--fwhm", "six"}), HasSubstr("--fwhm: found 'six', expected a number"));
  EXPECT_THAT(error_of({"a", "--fwhm", "nan"}), HasSubstr("expected a value from 0 to 100"));
  EXPECT_THAT(error_of({"a", "--fwhm", "101"}), HasSubstr("from 0 to 100"));
  EXPECT_THAT(error_of({"a", "--edge", "reflekt"}), HasSubstr("did you mean 'reflect'?"));
  EXPECT_THAT(error_of({"a", "--threads", "1.5"}), HasSubstr("expected a whole number"));
  EXPECT_THAT(error_of({"a", "--config", "/nonexistent.toml"}), HasSubstr("does not exist"));
}

TEST(Command, ConfigurationFileGivesWayToTheCommandLine) {
  const auto path = std::filesystem::temp_directory_path() / "noema_command_test.toml";
  std::ofstream(path) << "fwhm = 8\nsubjects = ['01', '02']\nforce = true\n";
  const CommandArguments arguments =
      parse_command(example_spec(), {"a", "--config", path.string(), "--fwhm", "2"});
  EXPECT_EQ(arguments.number("fwhm"), 2);
  EXPECT_THAT(arguments.list("subjects"), ElementsAre("01", "02"));
  EXPECT_TRUE(arguments.flag("force"));
  std::ofstream(path) << "fhwm = 8\n";
  EXPECT_THAT(error_of({"a", "--config", path.string()}), HasSubstr("unknown key 'fhwm', did you mean 'fwhm'?"));
  std::ofstream(path) << "fwhm = 800\n";
  EXPECT_THAT(error_of({"a", "--config", path.string()}), HasSubstr("from 0 to 100"));
  std::ofstream(path) << "fwhm = = 3\n";
  EXPECT_THAT(error_of({"a", "--config", path.string()}), HasSubstr("line 1"));
  std::filesystem::remove(path);
}

// The effective configuration, read back as a configuration file, gives the same values.
TEST(Command, EffectiveConfigurationReadsBack) {
  const auto path = std::filesystem::temp_directory_path() / "noema_command_effective.toml";
  const CommandArguments first =
      parse_command(example_spec(), {"a", "--fwhm", "2.5", "--subjects", "x\"y", "--force"});
  std::ofstream(path) << first.effective_toml();
  const CommandArguments second = parse_command(example_spec(), {"a", "--config", path.string()});
  EXPECT_EQ(second.effective_toml(), first.effective_toml());
  EXPECT_THAT(second.list("subjects"), ElementsAre("x\"y"));
  std::filesystem::remove(path);
}

TEST(Command, TextsHoldEveryOption) {
  EXPECT_THAT(command_problems(example_spec()), ElementsAre());
  for (const std::string& text : {command_help(example_spec()), command_markdown(example_spec())}) {
    for (const char* part : {"--fwhm MM", "From 0 to 100", "Default: 6", "--seed N", "Smooths with 4 mm.", "IMAGE"}) {
      EXPECT_THAT(text, HasSubstr(part));
    }
  }
  EXPECT_THAT(bash_completion({example_spec()}), HasSubstr("--subjects"));
}

TEST(Command, FindsProblemsOfADescription) {
  CommandSpec spec = example_spec();
  spec.groups[0].options.push_back(text("fwhm", "", ""));
  EXPECT_THAT(command_problems(spec), ElementsAre("--fwhm has no help", "--fwhm does not name its value",
                                                  "--fwhm stands twice"));
  spec = example_spec();
  spec.examples = {{"noema smooth a --nope", "x"}, {"smooth", "y"}};
  EXPECT_THAT(command_problems(spec), ElementsAre(HasSubstr("--nope"), HasSubstr("does not begin with")));
}

TEST(NearestMatch, IsNearOrNothing) {
  EXPECT_EQ(nearest_match("hihg-pass", {"low-pass", "high-pass"}), "high-pass");
  EXPECT_FALSE(nearest_match("zzzzzz", {"low-pass"}));
}

}  // namespace
}  // namespace noema
