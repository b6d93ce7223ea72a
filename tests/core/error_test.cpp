#include "noema/core/error.h"

#include <gtest/gtest.h>

#include "noema/core/cancel.h"
#include "noema/core/hash.h"
#include "noema/core/log.h"

namespace noema {
namespace {

// The chain reads from the outside in, and the kind of the exception survives the contexts.
TEST(Error, ContextsStandInFront) {
  try {
    with_context("outer", [] { with_context("inner", [] { throw FormatError("a.nii", 40, "found 9, expected 1 to 7"); }); });
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_STREQ(error.what(), "outer: inner: 'a.nii' (byte 40): found 9, expected 1 to 7");
    EXPECT_EQ(error.offset(), 40);
    EXPECT_NE(std::string(error.where().file_name()).find("error_test.cpp"), std::string::npos);
  }
}

TEST(Error, WithContextPassesValuesThrough) {
  int value = 3;
  int& reference = with_context("c", [&]() -> int& { return value; });
  EXPECT_EQ(&reference, &value);
}

TEST(Cancel, ThrowsOnlyAfterARequest) {
  reset_cancel();
  EXPECT_NO_THROW(check_cancelled());
  request_cancel();
  EXPECT_THROW(check_cancelled(), Cancelled);
  reset_cancel();
  EXPECT_NO_THROW(check_cancelled());
}

// The published XXH3-128 value of the empty input, most significant half first.
TEST(Hash, MatchesThePublishedValue) {
  EXPECT_EQ(hash_text(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Hasher().add("ab").add("c").digest(), hash_text("abc"));
  EXPECT_NE(hash_text("abc"), hash_text("abd"));
  EXPECT_THROW(hash_file("/nonexistent/file"), IoError);
}

// Equal warnings are counted, other levels are not collected, and the sink sees all.
TEST(Log, CollectsWarningsWhileItLives) {
  int sunk = 0;
  LogSink former = set_log_sink([&](LogLevel, std::string_view) { ++sunk; });
  {
    WarningCollector outer;
    log_warning("a");
    WarningCollector inner;
    log_warning("b");
    log_warning("b");
    log_info("c");
    ASSERT_EQ(outer.entries().size(), 2u);
    EXPECT_EQ(outer.entries()[1].count, 2);
    ASSERT_EQ(inner.entries().size(), 1u);
    EXPECT_EQ(inner.entries()[0].message, "b");
  }
  log_warning("nobody collects");
  EXPECT_EQ(sunk, 5);
  set_log_sink(former);
}

}  // namespace
}  // namespace noema
