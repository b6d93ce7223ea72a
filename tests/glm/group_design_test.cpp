#include "noema/glm/group_design.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "golden.h"
#include "made_up.h"
#include "noema/core/error.h"
#include "noema/glm/group.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kSubjects{"06", "01", "02", "03", "04", "05"};

Table participants() {
  Table table;
  table.add("participant_id", {"sub-01", "sub-02", "sub-03", "sub-04", "sub-05", "06", "sub-07"});
  table.add("group", {"patient", "control", "patient", "control", "patient", "control", "n/a"});
  table.add("age", {"20", "30", "25", "45", "40", "50", "n/a"});
  table.add("pair", {"1", "1", "2", "2", "3", "3", "4"});
  table.add("same", {"x", "x", "x", "x", "x", "x", "x"});
  return table;
}

TEST(GroupDesign, Columns) {
  const DesignMatrix mean = make_group_design(participants(), kSubjects, "1");
  EXPECT_THAT(mean.names, ElementsAre("intercept"));
  const DesignMatrix age = make_group_design(participants(), kSubjects, "age");
  EXPECT_THAT(age.names, ElementsAre("age", "intercept"));
  EXPECT_LE((age.values.col(0) - (Eigen::VectorXd(6) << 15, -15, -5, -10, 10, 5).finished()).norm(), 1e-13);
  const DesignMatrix both = make_group_design(participants(), kSubjects, "group + age");
  EXPECT_THAT(both.names, ElementsAre("group[control]", "group[patient]", "age"));
  EXPECT_EQ(both.values.col(0), (Eigen::VectorXd(6) << 1, 0, 1, 0, 1, 0).finished());
  EXPECT_EQ(both.values.col(1), Eigen::VectorXd::Ones(6) - both.values.col(0));
  const DesignMatrix paired = make_group_design(participants(), kSubjects, "group+C(pair)");
  EXPECT_THAT(paired.names, ElementsAre("group[control]", "group[patient]", "pair[2]", "pair[3]"));
  EXPECT_NEAR(paired.values.col(2).sum(), 0, 1e-14);
  EXPECT_NEAR(paired.values(3, 2), 1 - 2.0 / 6, 1e-14);
  EXPECT_THAT(make_group_design(participants(), kSubjects, "1 + group").names,
              ElementsAre("group[patient]", "intercept"));
  EXPECT_THAT(make_group_design(participants(), kSubjects, "0 + age").names, ElementsAre("age"));
  const DesignMatrix slopes = make_group_design(participants(), kSubjects, "group + age + group:age");
  EXPECT_EQ(slopes.names.back(), "group[patient]:age");
  EXPECT_NEAR(slopes.values(0, 3), -0.5 * 15, 1e-13);
}

TEST(GroupDesign, ColumnsOneByOne) {
  const DesignMatrix design = make_group_columns(participants(), kSubjects, {"1", "age", "group.patient"});
  EXPECT_THAT(design.names, ElementsAre("intercept", "age", "group.patient"));
  EXPECT_EQ(design.values.col(0), Eigen::VectorXd::Ones(6));
  EXPECT_EQ(design.values.col(1), (Eigen::VectorXd(6) << 50, 20, 30, 25, 45, 40).finished());
  EXPECT_EQ(design.values.col(2), (Eigen::VectorXd(6) << 0, 1, 0, 1, 0, 1).finished());
  // Wildcards stand for the values of these subjects.
  const DesignMatrix all = make_group_columns(participants(), kSubjects, {"group.*", "age"});
  EXPECT_THAT(all.names, ElementsAre("group.control", "group.patient", "age"));
  EXPECT_EQ(all.values.col(1), design.values.col(2));
  EXPECT_THAT(make_group_columns(participants(), kSubjects, {"pair.[!2]"}).names, ElementsAre("pair.1", "pair.3"));
  EXPECT_THROW(make_group_columns(participants(), kSubjects, {"group.o*"}), UsageError);
  EXPECT_THROW(make_group_columns(participants(), kSubjects, {"group.other"}), DataError);
  EXPECT_THROW(make_group_columns(participants(), kSubjects, {"group"}), DataError);
  EXPECT_THROW(make_group_columns(participants(), {"07"}, {"age"}), DataError);
  EXPECT_THROW(make_group_columns(participants(), kSubjects, {"agee"}), DataError);
}

TEST(GroupDesign, TwoSampleTest) {
  const MatrixD effects = ar1_noise(6, 4, 0, 41).array() + 2;
  const GlmFit fit = fit_glm(effects, make_group_design(participants(), kSubjects, "group"), NoiseModel::ols);
  const ContrastMaps maps = t_contrast(fit, "group[patient] - group[control]");
  EXPECT_EQ(maps.df, 4);
  for (Eigen::Index v = 0; v < 4; ++v) {
    const Eigen::Vector3d controls(effects(0, v), effects(2, v), effects(4, v));
    const Eigen::Vector3d patients(effects(1, v), effects(3, v), effects(5, v));
    const double squares =
        (controls.array() - controls.mean()).square().sum() + (patients.array() - patients.mean()).square().sum();
    const double difference = patients.mean() - controls.mean();
    EXPECT_NEAR(maps.effect[v], difference, 1e-12);
    EXPECT_NEAR(maps.stat[v], difference / std::sqrt(squares / 4 * (2.0 / 3)), 1e-11);
  }
}

TEST(GroupDesign, MatchedPairsAreATestOfDifferences) {
  const MatrixD effects = ar1_noise(6, 4, 0, 42);
  MatrixD differences(3, 4);  // pairs are 01 and 02, 03 and 04, 05 and 06
  differences << effects.row(1) - effects.row(2), effects.row(3) - effects.row(4), effects.row(5) - effects.row(0);
  const GlmFit fit = fit_glm(effects, make_group_design(participants(), kSubjects, "group + C(pair)"), NoiseModel::ols);
  const ContrastMaps found = t_contrast(fit, "group[patient] - group[control]");
  const ContrastMaps expected = one_sample_t(differences);
  EXPECT_LE(relative_difference(found.effect, expected.effect), 1e-11);
  EXPECT_LE(relative_difference(found.stat, expected.stat), 1e-11);
  EXPECT_EQ(found.df, expected.df);
}

// The mean beside a covariate is that at the covariate's average: the plain mean of the subjects.
TEST(GroupDesign, CovariateLeavesTheMean) {
  const MatrixD effects = ar1_noise(6, 4, 0, 43).array() + 1;
  const GlmFit fit = fit_glm(effects, make_group_design(participants(), kSubjects, "age"), NoiseModel::ols);
  const ContrastMaps mean = t_contrast(fit, "intercept");
  EXPECT_LE(relative_difference(mean.effect, Eigen::VectorXd(effects.colwise().mean().transpose())), 1e-12);
  const ContrastMaps slope = t_contrast(fit, "age");
  const Eigen::VectorXd age = (Eigen::VectorXd(6) << 15, -15, -5, -10, 10, 5).finished();
  EXPECT_NEAR(slope.effect[2], age.dot(effects.col(2)) / age.squaredNorm(), 1e-12);
}

std::string complaint(std::string_view formula, const std::vector<std::string>& subjects = kSubjects) {
  try {
    make_group_design(participants(), subjects, formula);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(GroupDesign, Complaints) {
  EXPECT_THAT(complaint("grup"), HasSubstr("no column 'grup' (did you mean 'group'?)"));
  EXPECT_THAT(complaint("group + "), HasSubstr("a term is empty"));
  EXPECT_THAT(complaint("age + age"), HasSubstr("'age' comes twice"));
  EXPECT_THAT(complaint("0"), HasSubstr("no column"));
  EXPECT_THAT(complaint("same"), HasSubstr("all 6 subjects have the value 'x'"));
  EXPECT_THAT(complaint("age", {"01", "07"}), HasSubstr("subject '07' has no value in the column 'age'"));
  EXPECT_THAT(complaint("age", {"01", "12"}), HasSubstr("subject '12' has no row"));
  EXPECT_THROW(make_group_design(participants(), {}, "1"), UsageError);
}

}  // namespace
}  // namespace noema
