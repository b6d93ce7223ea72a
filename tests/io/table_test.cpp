#include "noema/io/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TableFile : public testing::Test {
 protected:
  Table read(std::string_view text) {
    write_text(path_, text);
    return read_table(path_);
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "table.tsv";
};

TEST_F(TableFile, TabsMakeColumns) {
  const Table table = read("a\tb c\n1\tx, y\n\t\"z\"\n");
  EXPECT_THAT(table.names, ElementsAre("a", "b c"));
  EXPECT_EQ(table.rows(), 2U);
  EXPECT_THAT(table.column("a"), ElementsAre("1", ""));
  EXPECT_THAT(table.column("b c"), ElementsAre("x, y", "\"z\""));
}

// A comma separates only when the header has no tab.
TEST_F(TableFile, CommasMakeColumnsWhenTheHeaderHasNoTab) {
  EXPECT_THAT(read("a,b\n1,2\n").column("b"), ElementsAre("2"));
  EXPECT_THAT(read("a,b\tc\n1,2\t3\n").column("a,b"), ElementsAre("1,2"));
}

TEST_F(TableFile, WindowsFilesAreTheSame) {
  const Table table = read(
      "\xEF\xBB\xBF"
      "onset\tb\r\n1\t2\r\n\r\n");
  EXPECT_THAT(table.names, ElementsAre("onset", "b"));
  EXPECT_THAT(table.column("b"), ElementsAre("2"));
}

TEST_F(TableFile, LastLineNeedsNoEnd) { EXPECT_THAT(read("a\n1\n2").column("a"), ElementsAre("1", "2")); }

TEST_F(TableFile, HeaderAloneIsATableWithoutRows) {
  const Table table = read("a\tb\n");
  EXPECT_EQ(table.rows(), 0U);
  EXPECT_TRUE(table.numbers("b").empty());
}

TEST_F(TableFile, BrokenTablesNameTheLine) {
  EXPECT_THAT(error_of<FormatError>([&] { read("a\tb\n1\t2\n3\n"); }),
              AllOf(HasSubstr("line 3 has 1 cells"), HasSubstr("2 columns"), HasSubstr("table.tsv")));
  EXPECT_THAT(error_of<FormatError>([&] { read("a\tb\n1\t2\n\n3\t4\n"); }), HasSubstr("line 3"));
  EXPECT_THAT(error_of<FormatError>([&] { read("a\tb\ta\n"); }), AllOf(HasSubstr("line 1"), HasSubstr("'a'")));
  EXPECT_THAT(error_of<FormatError>([&] { read(""); }), HasSubstr("empty"));
  EXPECT_THAT(error_of<IoError>([&] { read_table(folder_ / "none.tsv"); }), HasSubstr("none.tsv"));
  EXPECT_THAT(error_of<IoError>([&] { read_table(folder_.path()); }), HasSubstr("read"));
}

TEST_F(TableFile, ErrorsOfRowsKnowTheByte) {
  write_text(path_,
             "\xEF\xBB\xBF"
             "a\tb\n1\t2\n3\n");
  try {
    read_table(path_);
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_EQ(error.offset(), 11);
  }
}

TEST_F(TableFile, MissingNumbersAreNaN) {
  const std::vector<double> values = read("x\n1\n-2.5e-3\nn/a\nNaN\n +4 \n\n7\n").numbers("x");
  ASSERT_EQ(values.size(), 7U);
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], -2.5e-3);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_TRUE(std::isnan(values[3]));
  EXPECT_EQ(values[4], 4);
  EXPECT_TRUE(std::isnan(values[5]));
  EXPECT_EQ(values[6], 7);
}

TEST_F(TableFile, TextIsNoNumber) {
  const Table table = read("x\ty\n1\t1,5\n1e\t2\n");
  EXPECT_THAT(error_of<DataError>([&] { table.numbers("x"); }),
              AllOf(HasSubstr("'x'"), HasSubstr("line 3"), HasSubstr("'1e'")));
  EXPECT_THAT(error_of<DataError>([&] { table.numbers("y"); }), HasSubstr("'1,5'"));
}

TEST_F(TableFile, UnknownColumnNamesTheNearest) {
  const Table table = read("trial_type\tonset\n");
  EXPECT_FALSE(table.has("trialtype"));
  EXPECT_TRUE(table.has("onset"));
  EXPECT_THAT(error_of<DataError>([&] { table.column("trialtype"); }),
              AllOf(HasSubstr("did you mean 'trial_type'"), HasSubstr("onset")));
}

TEST_F(TableFile, WhatIsWrittenIsReadAgain) {
  Table table;
  table.add("name", std::vector<std::string>{"a b", "", "é"});
  table.add("value", {1.0 / 3, std::numeric_limits<double>::quiet_NaN(), -1e20});
  write_table(path_, table);
  EXPECT_EQ(read_text(path_), "name\tvalue\na b\t0.3333333\nn/a\tn/a\né\t-1e+20\n");
  EXPECT_THAT(read_table(path_).names, ElementsAre("name", "value"));
  EXPECT_EQ(folder_.entries(), 1U);
}

TEST_F(TableFile, ColumnsMustFit) {
  Table table;
  table.add("a", std::vector<double>{1, 2}, 3);
  EXPECT_THAT(error_of<ShapeError>([&] { table.add("b", std::vector<double>{1}); }),
              AllOf(HasSubstr("'b' has 1"), HasSubstr("2")));
  EXPECT_THAT(error_of<UsageError>([&] { table.add("a", std::vector<double>{1, 2}); }), HasSubstr("'a'"));
  table.add("c", std::vector<std::string>{"x", "y\tz"});
  EXPECT_THAT(error_of<DataError>([&] { write_table(path_, table); }), HasSubstr("tab"));
  EXPECT_EQ(folder_.entries(), 0U);
}

}  // namespace
}  // namespace noema
