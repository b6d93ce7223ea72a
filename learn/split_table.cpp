// Splits as tables on disk.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "noema/core/error.h"
#include "noema/io/table.h"
#include "noema/learn/splits.h"

namespace noema {
namespace {

constexpr double kOnsetTolerance_s = 0.01;

struct Row {
  std::string subject, session, run;
  std::optional<double> onset_s;
  std::string fold;  // empty: only trained on
};

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::vector<Row> rows_of(const Table& table) {
  const auto cell = [&](const char* name, std::size_t row) {
    const std::string text = table.has(name) ? table.column(name)[row] : "";
    return text == "n/a" ? "" : text;
  };
  const std::vector<double> onsets = table.has("onset") ? table.numbers("onset") : std::vector<double>();
  table.column("subject");
  table.column("fold");
  std::vector<Row> rows;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    Row row{without_prefix(cell("subject", i), "sub-"), without_prefix(cell("session", i), "ses-"),
            without_prefix(cell("run", i), "run-"), std::nullopt, cell("fold", i)};
    if (!onsets.empty() && std::isfinite(onsets[i])) row.onset_s = onsets[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Says nothing of the subject.
bool agrees(const Row& row, const Block& block, const LearningRun& run) {
  const auto fits = [](const std::string& wanted, const std::string& found) {
    return wanted.empty() || wanted == found;
  };
  return fits(row.session, run.session) && fits(row.run, run.run) &&
         (!row.onset_s || std::abs(*row.onset_s - block.onset_s) <= kOnsetTolerance_s);
}

std::string describe(const Block& block, const std::vector<LearningRun>& runs) {
  return fmt::format("the block at {:g} s of run '{}'", block.onset_s, runs[static_cast<std::size_t>(block.run)].id);
}

using BlocksOfSubject = std::map<std::string, std::vector<std::size_t>>;

/// Under "" all blocks.
BlocksOfSubject blocks_by_subject(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  BlocksOfSubject by_subject;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    by_subject[""].push_back(b);
    by_subject[runs[static_cast<std::size_t>(blocks[b].run)].subject].push_back(b);
  }
  return by_subject;
}

/// The row that speaks for each block.
std::vector<int> match_rows(const std::vector<Row>& rows, const std::vector<LearningRun>& runs,
                            const std::vector<Block>& blocks, const std::string& file) {
  BlocksOfSubject by_subject = blocks_by_subject(runs, blocks);
  std::vector<int> row_of_block(blocks.size(), -1);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    bool used = false;
    for (std::size_t b : by_subject[rows[r].subject]) {
      if (!agrees(rows[r], blocks[b], runs[static_cast<std::size_t>(blocks[b].run)])) continue;
      used = true;
      const int former = row_of_block[b];
      if (former >= 0 && rows[static_cast<std::size_t>(former)].fold != rows[r].fold) {
        throw DataError(fmt::format("split '{}': lines {} and {} send {} to different folds ('{}' and '{}')", file,
                                    former + 2, r + 2, describe(blocks[b], runs),
                                    rows[static_cast<std::size_t>(former)].fold, rows[r].fold));
      }
      row_of_block[b] = static_cast<int>(r);
    }
    if (!used) {
      throw DataError(fmt::format("split '{}': line {} (subject '{}', run '{}'{}) speaks for no block of the data",
                                  file, r + 2, rows[r].subject, rows[r].run,
                                  rows[r].onset_s ? fmt::format(", onset {:g} s", *rows[r].onset_s) : ""));
    }
  }
  const auto missing = std::count(row_of_block.begin(), row_of_block.end(), -1);
  if (missing > 0) {
    const auto first = std::find(row_of_block.begin(), row_of_block.end(), -1) - row_of_block.begin();
    throw DataError(
        fmt::format("split '{}': {} of {} blocks have no row, the first is {}; give them a fold, or n/a for "
                    "blocks that are only trained on",
                    file, missing, blocks.size(), describe(blocks[static_cast<std::size_t>(first)], runs)));
  }
  return row_of_block;
}

}  // namespace

Split read_split(const std::filesystem::path& path, const std::vector<LearningRun>& runs,
                 const std::vector<Block>& blocks, const LabelTable& labels) {
  const std::vector<Row> rows = rows_of(read_table(path));
  const std::vector<int> row_of_block = match_rows(rows, runs, blocks, path.string());
  Split split{"given", "", false, {}};
  for (const Row& row : rows) {
    const auto known = [&](const Fold& fold) { return fold.name == row.fold; };
    if (row.fold.empty() || std::any_of(split.folds.begin(), split.folds.end(), known)) continue;
    Fold fold{row.fold, {}, {}};
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const bool tested = rows[static_cast<std::size_t>(row_of_block[b])].fold == row.fold;
      (tested ? fold.test : fold.train).push_back(static_cast<int>(b));
    }
    split.folds.push_back(std::move(fold));
  }
  check_split(split, blocks, labels);
  return split;
}

void write_split(const std::filesystem::path& path, const Split& split, const std::vector<LearningRun>& runs,
                 const std::vector<Block>& blocks, const LabelTable& labels) {
  const std::vector<int> test_fold = test_fold_of_blocks(split, blocks.size());
  std::size_t tested = 0;
  for (const Fold& fold : split.folds) {
    tested += fold.test.size();
    if (fold.train.size() + fold.test.size() == blocks.size()) continue;
    throw UsageError(fmt::format("fold '{}' leaves {} of {} blocks unused, which a table of test folds cannot say",
                                 fold.name, blocks.size() - fold.train.size() - fold.test.size(), blocks.size()));
  }
  const auto only_trained = static_cast<std::size_t>(std::count(test_fold.begin(), test_fold.end(), -1));
  if (tested + only_trained != blocks.size()) {
    throw UsageError("a block is tested in several folds, which a table of test folds cannot say");
  }
  const std::vector<std::string> names{"subject", "session", "run", "onset", "end", "label", "fold"};
  std::vector<std::vector<std::string>> columns(names.size());
  const auto or_missing = [](const std::string& text) { return text.empty() ? std::string("n/a") : text; };
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const LearningRun& run = runs[static_cast<std::size_t>(blocks[b].run)];
    const std::vector<std::string> cells{
        or_missing(run.subject),
        or_missing(run.session),
        or_missing(run.run),
        fmt::format("{:.3f}", blocks[b].onset_s),
        fmt::format("{:.3f}", blocks[b].end_s),
        labels.names[static_cast<std::size_t>(blocks[b].label)],
        test_fold[b] < 0 ? "n/a" : split.folds[static_cast<std::size_t>(test_fold[b])].name};
    for (std::size_t c = 0; c < cells.size(); ++c) columns[c].push_back(cells[c]);
  }
  Table table;
  for (std::size_t c = 0; c < names.size(); ++c) table.add(names[c], std::move(columns[c]));
  write_table(path, table);
}

}  // namespace noema
