#include "noema/core/pattern.h"

#include <gtest/gtest.h>

namespace noema {
namespace {

TEST(Pattern, FitsAsFileNamesDo) {
  EXPECT_TRUE(fits_pattern("trans_x", "trans_*"));
  EXPECT_FALSE(fits_pattern("rot_x", "trans_*"));
  EXPECT_TRUE(fits_pattern("trans_x", "*_x"));
  EXPECT_TRUE(fits_pattern("face1", "face?"));
  EXPECT_FALSE(fits_pattern("face", "face?"));
  EXPECT_FALSE(fits_pattern("face12", "face?"));
  EXPECT_TRUE(fits_pattern("rot_y", "rot_[xy]"));
  EXPECT_FALSE(fits_pattern("rot_z", "rot_[xy]"));
  EXPECT_TRUE(fits_pattern("rot_z", "rot_[!xy]"));
  EXPECT_TRUE(fits_pattern("a/b", "a*"));
  EXPECT_TRUE(fits_pattern("group[a]", "group[a]"));  // a name is itself
  EXPECT_TRUE(fits_pattern("", "*"));
  EXPECT_FALSE(fits_pattern("face", "Face"));
}

TEST(Pattern, WildcardsAreTold) {
  for (const char* text : {"a*", "?", "x[12]"}) EXPECT_TRUE(has_wildcard(text)) << text;
  for (const char* text : {"", "trial_type.face", "a]"}) EXPECT_FALSE(has_wildcard(text)) << text;
}

}  // namespace
}  // namespace noema
