#include "noema/pipelines/backbone_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "noema/core/error.h"
#include "noema/tests/support/source_folder.h"

namespace noema {
namespace {

using testing::HasSubstr;

class BackboneConfig : public testing::Test {
 protected:
  BackboneOptions read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_backbone(path_);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      return error.what();
    }
    return "no error";
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / "noema-backbone.toml";
};

TEST_F(BackboneConfig, ReadsAListOfMixers) {
  const BackboneOptions options = read(R"(
channels = 24
output_dropout = 0
[[mixer]]
kind = "h3"
repeat = 2
least_step = 1
largest_step = 2.5
[[mixer]]
kind = "separable-conv"
grid = [2, 3, 2]
[[mixer]]
kind = "attention"
causal = false
)");
  EXPECT_EQ(options.channels, 24);
  EXPECT_EQ(options.input_dropout, 0.2);
  EXPECT_EQ(options.output_dropout, 0);
  const MixerDescription h3{"h3", {{"least_step", std::int64_t{1}}, {"largest_step", 2.5}}};
  const std::vector<MixerDescription> expected{
      h3, h3, {"separable-conv", {{"grid", std::vector<std::int64_t>{2, 3, 2}}}}, {"attention", {{"causal", false}}}};
  EXPECT_EQ(options.mixers, expected);
}

TEST_F(BackboneConfig, WhatIsWrittenIsReadAgain) {
  for (const std::string& name : backbone_names()) {
    BackboneOptions options = named_backbone(name);
    options.kernel_learning_rate_scale = 0.5;
    const BackboneOptions again = read(backbone_to_toml(options));
    EXPECT_EQ(backbone_to_json(again), backbone_to_json(options)) << name;
  }
}

TEST_F(BackboneConfig, HasThePrecisionOfConvolutions) {
  const BackboneOptions options = read("[[mixer]]\nkind = 'h3'\nprecision = 'bf16x3'\n[[mixer]]\nkind = 'long-conv'\n");
  for (const BackboneOptions& again :
       {read(backbone_to_toml(options)), backbone_from_json(backbone_to_json(options))}) {
    EXPECT_EQ(again.mixers.at(0).options.at("precision"), MixerOption(std::string("bf16x3")));
    EXPECT_EQ(again.mixers.at(1).options.at("precision"), MixerOption(std::string("float32")));
  }
  EXPECT_THAT(
      error_of("[[mixer]]\nkind = 'h3'\nprecision = 'half'\n"),
      HasSubstr("line 3: option precision of a mixer of kind 'h3' is 'half', expected one of 'float32', 'bf16x3'"));
}

TEST_F(BackboneConfig, NamesLineAndWhatIsExpected) {
  EXPECT_THAT(error_of("channels = \n"), HasSubstr("line 1"));
  EXPECT_THAT(error_of("channels = 8\n"), HasSubstr("found no mixer, expected at least one table [[mixer]]"));
  EXPECT_THAT(error_of("mixer = 3\n"), HasSubstr("line 1: found no mixer"));
  EXPECT_THAT(
      error_of("\nchanels = 8\n[[mixer]]\nkind = 'h3'\n"),
      HasSubstr("line 2: found the unknown key 'chanels'; did you mean 'channels'?, expected some of channels"));
  EXPECT_THAT(error_of("channels = 8.5\n[[mixer]]\nkind = 'h3'\n"), HasSubstr("line 1: 'channels' is a"));
  EXPECT_THAT(error_of("channels = 0\n[[mixer]]\nkind = 'h3'\n"), HasSubstr("channels is 0, expected at least 1"));
  EXPECT_THAT(error_of("[[mixer]]\nrepeat = 2\n"), HasSubstr("found a mixer without a kind, expected kind = one of"));
  const std::string unknown = error_of("[[mixer]]\nkind = 'swiglu'\n\n[[mixer]]\nkind = 'h4'\n");
  EXPECT_THAT(unknown, HasSubstr("line 5: there is no mixer of kind 'h4'; did you mean 'h3'?, expected one of"));
  EXPECT_THAT(unknown, HasSubstr("attention, butterfly-conv, gated-long-conv, h3"));
  EXPECT_THAT(error_of("[[mixer]]\nkind = 'swiglu'\nhiden = 4\n"), HasSubstr("line 3: a mixer of kind 'swiglu' has no "
                                                                             "option 'hiden'; did you mean 'hidden'?"));
  EXPECT_THAT(error_of("[[mixer]]\nkind = 'swiglu'\nhidden = 'many'\n"), HasSubstr("line 3: option hidden"));
  EXPECT_THAT(error_of("[[mixer]]\nkind = 'swiglu'\nhidden = {a = 1}\n"), HasSubstr("line 3: found a table"));
  EXPECT_THAT(error_of("[[mixer]]\nkind = 'swiglu'\nrepeat = 0\n"), HasSubstr("line 3: 'repeat' is 0"));
  EXPECT_THAT(error_of("\n[[mixer]]\nkind = 'swiglu'\ndropout = 2\n"), HasSubstr("line 2: SwiGLU option dropout is 2"));
  EXPECT_THAT(error_of("channels = 6\n[[mixer]]\nkind = 'attention'\n"),
              HasSubstr("line 2: attention option heads is 4, expected a divisor of the channels"));
  EXPECT_THROW(read_backbone(path_.string() + ".none"), FormatError);
}

TEST(BackboneDocument, NamesEveryBackboneKindAndOption) {
  std::ifstream file(std::filesystem::path(source_folder()) / "docs/backbones.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const std::string& name : backbone_names()) EXPECT_THAT(text, HasSubstr("`" + name + "`"));
  for (const std::string& kind : mixer_kinds()) {
    EXPECT_THAT(text, HasSubstr("| `" + kind + "` |"));
    for (const auto& [name, value] : mixer_defaults(kind)) EXPECT_THAT(text, HasSubstr("`" + name + "`")) << kind;
  }
}

TEST(BackboneExamples, CanBeRead) {
  const std::filesystem::path folder = std::filesystem::path(source_folder()) / "examples/backbones";
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    EXPECT_FALSE(read_backbone(file.path()).mixers.empty()) << file.path();
    ++files;
  }
  EXPECT_GE(files, 2);
}

}  // namespace
}  // namespace noema
