#include "noema/io/stats_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"

namespace noema {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class StatsModelTest : public testing::Test {
 protected:
  void SetUp() override {
    model_ = json::parse(R"({
      "Name": "faces", "BIDSModelVersion": "1.0.0", "Input": {"task": "faces", "subject": ["01", "02"]},
      "Nodes": [
        {"Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
         "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": [
           {"Name": "Factor", "Input": ["condition"]},
           {"Name": "Convolve", "Input": ["condition.*"], "Model": "glover", "Derivative": true}]},
         "Model": {"Type": "glm", "X": ["condition.face", "condition.house", "trans_x", 1],
                   "Options": {"HighPassFilterCutoffHz": 0.01}},
         "Contrasts": [
           {"Name": "faces", "ConditionList": ["condition.face", "condition.house"], "Weights": ["1/2", -0.5], "Test": "t"},
           {"Name": "any", "ConditionList": ["condition.face", "condition.house"], "Weights": [[1, 0], [0, 1]],
            "Test": "F"}]},
        {"Level": "Subject", "GroupBy": ["subject", "contrast"], "Model": {"Type": "meta", "X": [1]},
         "DummyContrasts": {"Test": "t"}},
        {"Level": "Dataset", "Model": {"Type": "glm", "X": [1, "age"]},
         "DummyContrasts": {"Test": "t", "Conditions": ["age"]}}],
      "Edges": [{"Source": "run", "Destination": "Subject"}, {"Source": "Subject", "Destination": "Dataset"}]})");
  }

  StatsModel read() const {
    const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "stats_model.json";
    std::ofstream(path) << model_.dump();
    return read_stats_model(path);
  }

  std::string complaint() const {
    try {
      read();
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  }

  json& run() { return model_["Nodes"][0]; }

  json model_;
};

TEST_F(StatsModelTest, ReadsItsParts) {
  const StatsModel model = read();
  EXPECT_EQ(model.name, "faces");
  EXPECT_THAT(model.input.at("task"), ElementsAre("faces"));
  EXPECT_THAT(model.input.at("subject"), ElementsAre("01", "02"));
  EXPECT_EQ(model.factor, "condition");
  ASSERT_TRUE(model.convolution);
  EXPECT_EQ(model.convolution->model, "glover");
  EXPECT_TRUE(model.convolution->derivative);
  EXPECT_FALSE(model.convolution->dispersion);
  EXPECT_EQ(model.high_pass_hz, 0.01);
  EXPECT_THAT(model.run.columns, ElementsAre("condition.face", "condition.house", "trans_x", "1"));
  ASSERT_EQ(model.run.contrasts.size(), 2U);
  EXPECT_FALSE(model.run.contrasts[0].is_f);
  EXPECT_THAT(model.run.contrasts[0].weights, ElementsAre(ElementsAre(0.5, -0.5)));
  EXPECT_TRUE(model.run.contrasts[1].is_f);
  EXPECT_THAT(model.run.contrasts[1].weights, ElementsAre(ElementsAre(1, 0), ElementsAre(0, 1)));
  ASSERT_TRUE(model.subject);
  EXPECT_TRUE(model.subject->has_dummy_contrasts);
  ASSERT_TRUE(model.dataset);
  EXPECT_THAT(model.dataset->columns, ElementsAre("1", "age"));
  EXPECT_THAT(model.dataset->dummy_conditions, ElementsAre("age"));
}

TEST_F(StatsModelTest, SessionsStandBetweenRunsAndSubjects) {
  EXPECT_FALSE(read().session);
  json session = model_["Nodes"][1];
  session["Level"] = "Session";
  session["GroupBy"] = {"subject", "session", "contrast"};
  model_["Nodes"].insert(model_["Nodes"].begin() + 1, session);
  model_.erase("Edges");
  const StatsModel model = read();
  ASSERT_TRUE(model.session && model.subject);
  EXPECT_TRUE(model.session->has_dummy_contrasts);
}

TEST_F(StatsModelTest, WhatIsNotSupportedIsNamed) {
  const json whole = model_;
  const auto after = [&](const std::function<void()>& change) {
    model_ = whole;
    change();
    return complaint();
  };
  EXPECT_THAT(after([&] { run()["Transformations"]["Instructions"][0]["Name"] = "Scale"; }),
              HasSubstr("Nodes[0].Transformations.Instructions[0].Name: 'Scale' is not supported"));
  EXPECT_THAT(after([&] { run()["Transformations"]["Instructions"][1]["Model"] = "fir"; }),
              HasSubstr("Nodes[0].Transformations.Instructions[1].Model: 'fir'"));
  EXPECT_THAT(after([&] { run()["Model"]["VarianceComponents"] = json::array({1}); }),
              HasSubstr("Nodes[0].Model.VarianceComponents: is not supported"));
  EXPECT_THAT(after([&] { run()["Model"]["Type"] = "meta"; }), HasSubstr("Nodes[0].Model.Type: 'meta'"));
  EXPECT_THAT(after([&] { run()["Level"] = "Group"; }), HasSubstr("Nodes[0].Level: 'Group'"));
  EXPECT_THAT(after([&] {
                model_["Nodes"][1]["Level"] = "Session";
                model_["Nodes"][1].erase("GroupBy");
                model_["Nodes"][1]["Model"]["X"] = {1, "age"};
              }),
              HasSubstr("Nodes[1].Model.X: 1 alone"));
  EXPECT_THAT(after([&] { model_["Nodes"][1]["Level"] = "Run"; }), HasSubstr("Nodes[1].Level: 'Run' comes twice"));
  EXPECT_THAT(after([&] { model_["Nodes"].erase(0); }), HasSubstr("Nodes: there is no node of level Run"));
  EXPECT_THAT(after([&] { model_["Nodes"][1]["Model"]["X"] = {1, "age"}; }), HasSubstr("Nodes[1].Model.X"));
  EXPECT_THAT(after([&] { model_["Edges"][0]["Filter"] = {{"contrast", {"a"}}}; }), HasSubstr("Edges[0].Filter"));
  EXPECT_THAT(after([&] { model_.erase("Nodes"); }), HasSubstr("'Nodes' is missing"));
}

TEST_F(StatsModelTest, GroupsAreThoseOfTheLevels) {
  const json whole = model_;
  const auto grouped = [&](std::size_t node, const std::vector<std::string>& by) {
    model_ = whole;
    model_["Nodes"][node]["GroupBy"] = by;
    return complaint();
  };
  EXPECT_EQ(grouped(0, {"subject", "session", "run"}), "");
  EXPECT_EQ(grouped(0, {"run", "task", "subject"}), "");
  EXPECT_EQ(grouped(1, {"contrast", "subject"}), "");
  EXPECT_EQ(grouped(2, {"contrast"}), "");
  EXPECT_THAT(grouped(0, {"subject"}), HasSubstr("Nodes[0].GroupBy: found subject, expected run, subject (and session, "
                                                 "task if you like); other groups are not supported"));
  EXPECT_THAT(grouped(0, {"run", "subject", "contrast"}), HasSubstr("Nodes[0].GroupBy"));
  EXPECT_THAT(grouped(1, {"contrast"}), HasSubstr("Nodes[1].GroupBy: found contrast, expected contrast, subject;"));
  EXPECT_THAT(grouped(1, {"subject"}), HasSubstr("Nodes[1].GroupBy"));
  EXPECT_THAT(grouped(1, {"subject", "session", "contrast"}), HasSubstr("Nodes[1].GroupBy"));
  EXPECT_THAT(grouped(2, {"contrast", "group"}), HasSubstr("Nodes[2].GroupBy: found contrast, group"));
  EXPECT_THAT(grouped(2, {"subject", "contrast"}), HasSubstr("Nodes[2].GroupBy"));
  EXPECT_THAT(grouped(2, {}), HasSubstr("Nodes[2].GroupBy"));
  model_ = whole;
  model_["Nodes"][1]["Level"] = "Session";
  EXPECT_THAT(complaint(),
              HasSubstr("Nodes[1].GroupBy: found subject, contrast, expected contrast, session, subject;"));
}

TEST_F(StatsModelTest, EdgesFollowTheLevels) {
  const json whole = model_;
  const auto joined = [&](const std::vector<std::pair<std::string, std::string>>& edges) {
    model_ = whole;
    model_["Edges"] = json::array();
    for (const auto& [source, destination] : edges) {
      model_["Edges"].push_back({{"Source", source}, {"Destination", destination}});
    }
    return complaint();
  };
  EXPECT_EQ(joined({{"Subject", "Dataset"}, {"run", "Subject"}}), "");
  EXPECT_THAT(joined({{"runs", "Subject"}, {"Subject", "Dataset"}}),
              HasSubstr("Edges[0].Source: no node is called 'runs'; there are run, Subject, Dataset"));
  EXPECT_THAT(joined({{"run", "Subject"}, {"Subject", "group"}}), HasSubstr("Edges[1].Destination: no node"));
  EXPECT_THAT(joined({{"Subject", "run"}, {"Subject", "Dataset"}}),
              HasSubstr("Edges[0]: from 'Subject' to 'run' is not supported; edges must follow the levels: run → "
                        "Subject → Dataset"));
  EXPECT_THAT(joined({{"run", "Dataset"}}), HasSubstr("Edges[0]: from 'run' to 'Dataset'"));
  EXPECT_THAT(joined({{"run", "run"}}), HasSubstr("Edges[0]: from 'run' to 'run'"));
  EXPECT_THAT(joined({{"run", "Subject"}}), HasSubstr("Edges: none leads to the node 'Dataset'"));
  model_ = whole;
  model_.erase("Edges");
  EXPECT_EQ(complaint(), "");
  std::swap(model_["Nodes"][1], model_["Nodes"][2]);
  EXPECT_THAT(complaint(), HasSubstr("Nodes: without Edges the order is that of the nodes, which must be run, Subject, "
                                     "Dataset; found 'Dataset' in place 2"));
  model_ = whole;
  model_["Nodes"][2]["Name"] = "run";
  EXPECT_THAT(complaint(), HasSubstr("Nodes: two nodes have the same name"));
}

TEST_F(StatsModelTest, OptionsAreThoseOfTheRun) {
  const json whole = model_;
  for (const std::size_t node : {1U, 2U}) {
    model_ = whole;
    model_["Nodes"][node]["Model"]["Options"] = json::object();
    EXPECT_EQ(complaint(), "");
    model_["Nodes"][node]["Model"]["Options"]["HighPassFilterCutoffHz"] = 0.01;
    EXPECT_THAT(complaint(), HasSubstr(".Model.Options: is supported at the level Run alone"));
  }
}

TEST_F(StatsModelTest, BrokenContrasts) {
  const json whole = model_;
  const auto contrast = [&](const char* key, const json& value) {
    model_ = whole;
    run()["Contrasts"][0][key] = value;
    return complaint();
  };
  EXPECT_THAT(contrast("Weights", {1}), HasSubstr("Nodes[0].Contrasts[0].Weights: 1 weights for 2 conditions"));
  EXPECT_THAT(contrast("Weights", {"one", 1}), HasSubstr("Weights[0]: 'one' is no number"));
  EXPECT_THAT(contrast("Test", "z"), HasSubstr("Nodes[0].Contrasts[0].Test: 'z'"));
  EXPECT_THAT(contrast("Weights", {{1, 0}, {0, 1}}), HasSubstr("one row of weights"));
  EXPECT_THAT(contrast("Name", 1.5), HasSubstr("Nodes[0].Contrasts[0].Name: expected text"));
}

}  // namespace
}  // namespace noema
