#include "noema/io/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "temporary_folder.h"

namespace noema {

bool operator==(const Event& a, const Event& b) {
  return a.onset_s == b.onset_s && a.duration_s == b.duration_s && a.label == b.label && a.modulation == b.modulation;
}
void PrintTo(const Event& event, std::ostream* stream) {
  *stream << event.label << " " << event.onset_s << "+" << event.duration_s << " ×" << event.modulation;
}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EventsFile : public testing::Test {
 protected:
  std::vector<Event> read(std::string_view text, const EventsOptions& options = {}) {
    write_text(path_, text);
    const WarningCollector collector;
    std::vector<Event> events = read_events(path_, options);
    warnings_.clear();
    for (const WarningCollector::Entry& entry : collector.entries()) warnings_.push_back(entry.message);
    return events;
  }
  std::string error(std::string_view text) {
    return error_of<FormatError>([&] { read(text); });
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "events.tsv";
  std::vector<std::string> warnings_;
};

TEST_F(EventsFile, ColumnsInAnyOrderAndMore) {
  const auto events = read("trial_type\tduration\tresponse\tonset\nface\t0.5\tleft\t1.25\ncat\t0\tn/a\t3\n");
  EXPECT_THAT(events, ElementsAre(Event{1.25, 0.5, "face", 1}, Event{3, 0, "cat", 1}));
  EXPECT_EQ(events[0].end_s(), 1.75);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(EventsFile, CommasAreAccepted) {
  EXPECT_THAT(read("onset,duration,trial_type,modulation\n-1,2,a,0.5\n"), ElementsAre(Event{-1, 2, "a", 0.5}));
}

TEST_F(EventsFile, SortedByOnsetWithAWarning) {
  EXPECT_THAT(read("onset\tduration\ttrial_type\n5\t1\tb\n2\t1\ta\n5\t1\ta\n3\t1\tc\n"),
              ElementsAre(Event{2, 1, "a"}, Event{3, 1, "c"}, Event{5, 1, "b"}, Event{5, 1, "a"}));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("2 rows"), HasSubstr("sorted"), HasSubstr("events.tsv"))));
}

// Rows that differ in one of the three are no duplicates.
TEST_F(EventsFile, DuplicatesAreMerged) {
  EXPECT_THAT(read("onset\tduration\ttrial_type\n1\t1\ta\n1\t1\ta\n1\t1\tb\n1\t2\ta\n1\t1\ta\n2\t1\ta\n"),
              ElementsAre(Event{1, 1, "a"}, Event{1, 1, "b"}, Event{1, 2, "a"}, Event{2, 1, "a"}));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("2 rows"), HasSubstr("merged"))));
}

TEST_F(EventsFile, AmplitudesOfDuplicatesAddUp) {
  EXPECT_THAT(read("onset\tduration\ttrial_type\tmodulation\n1\t1\ta\t0.5\n1\t1\ta\t2\n"),
              ElementsAre(Event{1, 1, "a", 2.5}));
}

// What such a row gives as times does not matter.
TEST_F(EventsFile, RowsWithoutLabelAreLeftOut) {
  EXPECT_THAT(read("onset\tduration\ttrial_type\n1\t1\ta\nn/a\tn/a\tn/a\n2\t1\tb\n"),
              ElementsAre(Event{1, 1, "a"}, Event{2, 1, "b"}));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("1 of 3 rows"), HasSubstr("trial_type"))));
}

TEST_F(EventsFile, AnotherColumnOfLabels) {
  const std::string text = "onset\tduration\ttrial_type\tstimulus\n1\t1\ta\tx\n";
  EXPECT_THAT(read(text, {"stimulus"}), ElementsAre(Event{1, 1, "x"}));
  EXPECT_THAT(error_of<FormatError>([&] { read(text, {"stimulu"}); }), HasSubstr("did you mean 'stimulus'"));
}

TEST_F(EventsFile, WithoutLabelsEverythingIsDummy) {
  EXPECT_THAT(read("onset\tduration\n1\t1\n2\t1\n"), ElementsAre(Event{1, 1, "dummy"}, Event{2, 1, "dummy"}));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("trial_type"), HasSubstr("2 events"), HasSubstr("dummy"))));
}

TEST_F(EventsFile, BadRowsNameTheLine) {
  EXPECT_THAT(error("duration\ttrial_type\n1\ta\n"), HasSubstr("no column 'onset'"));
  EXPECT_THAT(error("onset\ttrial_type\n1\ta\n"), HasSubstr("no column 'duration'"));
  EXPECT_THAT(error("onset\tduration\ttrial_type\n1\t1\ta\n2\tlong\ta\n"),
              AllOf(HasSubstr("'duration', line 3"), HasSubstr("'long'"), HasSubstr("events.tsv")));
  EXPECT_THAT(error("onset\tduration\ttrial_type\n1\t1\ta\n2\t-1\ta\n"), AllOf(HasSubstr("line 3"), HasSubstr("-1")));
  EXPECT_THAT(error("onset\tduration\ttrial_type\nn/a\t1\ta\n"), AllOf(HasSubstr("'onset', line 2"), HasSubstr("n/a")));
  EXPECT_THAT(error("onset\tduration\ttrial_type\n1\tinf\ta\n"), HasSubstr("'duration', line 2"));
  EXPECT_THAT(error("onset\tduration\ttrial_type\tmodulation\n1\t1\ta\tn/a\n"), HasSubstr("'modulation', line 2"));
}

TEST_F(EventsFile, NoRowsNoEvents) { EXPECT_THAT(read("onset\tduration\ttrial_type\n"), IsEmpty()); }

TEST_F(EventsFile, WhatIsWrittenIsReadAgain) {
  const std::vector<Event> events{{1234.5678, 0, "a", 1}, {2000.125, 1e-3, "b c", -0.5}};
  write_events(path_, events);
  EXPECT_EQ(read_text(path_),
            "onset\tduration\ttrial_type\tmodulation\n1234.5678\t0\ta\t1\n2000.125\t0.001\tb c\t-0.5\n");
  EXPECT_EQ(read_events(path_), events);
  write_events(path_, {events[0]});
  EXPECT_EQ(read_text(path_), "onset\tduration\ttrial_type\n1234.5678\t0\ta\n");
}

}  // namespace
}  // namespace noema
