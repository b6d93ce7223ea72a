#include "noema/decoders/registry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "made_up_samples.h"
#include "noema/core/error.h"
#include "noema/decoders/network_classifier.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

SampleSet voxel_samples() {
  auto space = std::make_shared<FeatureSpace>();
  space->mask.grid.shape = {3, 4, 2};
  for (std::int64_t voxel = 0; voxel < 24; ++voxel) space->mask.voxels.push_back(voxel);
  return made_up::samples({2, 2, 3, 24, 24}, made_up::mean_pattern, space);
}

TEST(Registry, EveryKindIsMadeFittedSavedAndOpened) {
  const OneTorchThread guard;
  const SampleSet set = voxel_samples();
  const std::vector<std::string> kinds = classifier_kinds();
  EXPECT_TRUE(std::is_sorted(kinds.begin(), kinds.end()));
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"attention", "backbone", "band-limited-conv", "cnn3d", "fc-ridge", "h3", "hyena",
                                      "implicit-long-conv", "logistic", "long-conv", "majority", "mlp", "monarch-mixer",
                                      "rational-conv", "ridge", "s4d", "short-conv", "sliding-attention", "svc"}));
  for (const std::string& kind : kinds) {
    const auto model = default_factory(kind)(3);
    EXPECT_EQ(model->kind(), kind);
    if (auto* network = dynamic_cast<NetworkClassifier*>(model.get())) {
      NetworkOptions options = network->network_options();
      options.training.epochs = 1;
      options.training.min_steps = 0;
      network->train_by(options);
    }
    model->fit(set);
    const auto opened = open_classifier(model->save());
    EXPECT_EQ(opened->kind(), kind);
    EXPECT_EQ(opened->predict(set).decisions, model->predict(set).decisions) << kind;
  }
}

TEST(Registry, SaysWhichKindsThereAre) {
  try {
    default_factory("forest");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("long-conv"), std::string::npos);
  }
  SafeTensors content;
  EXPECT_THROW(open_classifier(content), DataError);
  content.metadata["model"] = R"({"kind": "forest"})";
  EXPECT_THROW(open_classifier(content), DataError);
  content.metadata["model"] = "not JSON";
  EXPECT_THROW(open_classifier(content), DataError);
}

}  // namespace
}  // namespace noema
