#include "noema/preprocess/smooth_grayordinates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"

namespace noema {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLeft = "CIFTI_STRUCTURE_CORTEX_LEFT";

/// A sheet of 6 × 5 vertices, 2 mm apart.
SurfaceMesh sheet(const std::string& structure) {
  SurfaceMesh mesh;
  mesh.structure = structure;
  mesh.points_mm.resize(30, 3);
  for (int v = 0; v < 30; ++v) mesh.points_mm.row(v) << 2 * (v % 6), 2 * (v / 6), 0;
  mesh.triangles.resize(40, 3);
  for (int j = 0, f = 0; j < 4; ++j) {
    for (int i = 0; i < 5; ++i, f += 2) {
      const int v = 6 * j + i;
      mesh.triangles.row(f) << v, v + 1, v + 6;
      mesh.triangles.row(f + 1) << v + 1, v + 7, v + 6;
    }
  }
  return mesh;
}

/// A cortex without its first four vertices, and two deep structures that touch each other, of 2 × 3 × 2.5 mm voxels.
BrainModels models() {
  BrainModels result;
  result.volume_shape = {8, 8, 8};
  result.ras_from_voxel.diagonal() << -2, 3, 2.5, 1;
  BrainModel cortex{kLeft, 30, {}, {}};
  for (int v = 29; v >= 4; --v) cortex.vertices.push_back(v);
  BrainModel thalamus{"CIFTI_STRUCTURE_THALAMUS_LEFT", 0, {}, {}}, pallidum{"CIFTI_STRUCTURE_PALLIDUM_LEFT", 0, {}, {}};
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 6; ++j) {
      for (int k = 0; k < 2; ++k) (i < 3 ? thalamus : pallidum).voxels.push_back({i, j + i % 2, k});
    }
  }
  result.models = {cortex, thalamus, pallidum};
  return result;
}

std::vector<float> values_of(const BrainModels& models) {
  std::vector<float> values;
  for (std::int64_t g = 0; g < models.count(); ++g) values.push_back(static_cast<float>(std::sin(g * g) + 3));
  return values;
}

// Weighted means over the voxels of the own structure, written out.
std::vector<double> direct(const BrainModel& model, std::span<const float> values, double fwhm_mm) {
  const double size_mm[] = {2, 3, 2.5};
  std::vector<double> result;
  for (const auto& here : model.voxels) {
    double sum = 0, weights = 0;
    for (std::size_t other = 0; other < model.voxels.size(); ++other) {
      double weight = 1;
      for (std::size_t a = 0; a < 3; ++a) {
        const double sigma = fwhm_mm / std::sqrt(8 * std::log(2.0)) / size_mm[a];
        const int step = model.voxels[other][a] - here[a];
        weight *= std::abs(step) <= std::floor(4 * sigma + 0.5) ? std::exp(-step * step / (2 * sigma * sigma)) : 0;
      }
      sum += weight * static_cast<double>(values[other]);
      weights += weight;
    }
    result.push_back(sum / weights);
  }
  return result;
}

TEST(SmoothGrayordinates, CortexAlongItsMeshAndEachDeepStructureAmongItsVoxels) {
  const BrainModels places = models();
  const std::vector<SurfaceMesh> meshes{sheet("CIFTI_STRUCTURE_CORTEX_RIGHT"), sheet(kLeft)};
  const double fwhm_mm = 5;
  const std::vector<float> before = values_of(places);
  std::vector<float> after = before;
  GrayordinateSmoother smoother(places, fwhm_mm, meshes);
  smoother.apply(after);

  const BrainModel& cortex = places.models[0];
  std::vector<float> expected(before.begin(), before.begin() + cortex.count());
  const SurfaceSmoother along(meshes[1], fwhm_mm, cortex.vertices);
  ASSERT_GT(along.passes(), 1);
  along.apply(std::span(expected));
  for (std::size_t v = 0; v < expected.size(); ++v) EXPECT_EQ(after[v], expected[v]) << v;

  std::size_t first = expected.size();
  for (std::size_t m = 1; m < 3; ++m) {
    const std::vector<double> own = direct(places.models[m], std::span(before).subspan(first), fwhm_mm);
    for (std::size_t v = 0; v < own.size(); ++v) EXPECT_NEAR(after[first + v], own[v], 1e-5) << m << " " << v;
    first += own.size();
  }
  // Again the same: nothing is left over from the volume before.
  std::vector<float> again = before;
  smoother.apply(again);
  EXPECT_EQ(again, after);
}

TEST(SmoothGrayordinates, ConstantsStayAndNothingLeaksIntoAnotherStructure) {
  const BrainModels places = models();
  std::vector<float> values;
  for (std::size_t m = 0; m < 3; ++m)
    values.insert(values.end(), static_cast<std::size_t>(places.models[m].count()), 10.0F * m);
  const std::vector<float> before = values;
  GrayordinateSmoother(places, 9, std::vector{sheet(kLeft)}).apply(values);
  for (std::size_t g = 0; g < values.size(); ++g) EXPECT_NEAR(values[g], before[g], 1e-5);
  std::vector<float> same = values_of(places);
  GrayordinateSmoother(places, 0, {}).apply(same);
  EXPECT_EQ(same, values_of(places));
}

TEST(SmoothGrayordinates, ValuesThatAreNotFiniteStaySoAndCountForNothing) {
  BrainModels places = models();
  std::vector<float> values = values_of(places);
  std::vector<float> others;
  BrainModels rest = places;
  for (BrainModel& model : rest.models) {
    model.vertices.clear();
    model.voxels.clear();
  }
  std::size_t g = 0;
  for (std::size_t m = 0; m < places.models.size(); ++m) {
    for (std::int64_t i = 0; i < places.models[m].count(); ++i, ++g) {
      if (g % 7 == 3) {
        values[g] = std::nanf("");
        continue;
      }
      others.push_back(values[g]);
      const auto at = static_cast<std::size_t>(i);
      if (places.models[m].is_surface()) {
        rest.models[m].vertices.push_back(places.models[m].vertices[at]);
      } else {
        rest.models[m].voxels.push_back(places.models[m].voxels[at]);
      }
    }
  }
  const std::vector<SurfaceMesh> meshes{sheet(kLeft)};
  GrayordinateSmoother smoother(places, 5, meshes);
  smoother.apply(values);
  GrayordinateSmoother(rest, 5, meshes).apply(others);
  for (std::size_t at = 0, kept = 0; at < values.size(); ++at) {
    if (at % 7 == 3) {
      EXPECT_TRUE(std::isnan(values[at])) << at;
    } else {
      EXPECT_NEAR(values[at], others[kept++], 2e-6) << at;
    }
  }
  // A whole volume afterwards is weighted as one.
  std::vector<float> whole = values_of(places), fresh = whole;
  smoother.apply(whole);
  GrayordinateSmoother(places, 5, meshes).apply(fresh);
  EXPECT_EQ(whole, fresh);
}

TEST(SmoothGrayordinates, SaysWhichMeshIsMissing) {
  const BrainModels places = models();
  try {
    GrayordinateSmoother(places, 4, std::vector{sheet("CIFTI_STRUCTURE_CORTEX_RIGHT")});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no mesh of CORTEX_LEFT"));
    EXPECT_THAT(error.what(), HasSubstr("--surface"));
  }
  SurfaceMesh large = sheet(kLeft);
  large.points_mm.conservativeResize(31, 3);
  EXPECT_THROW(GrayordinateSmoother(places, 4, std::vector{large}), ShapeError);
  EXPECT_THROW(GrayordinateSmoother(places, -1, {}), UsageError);
  std::vector<float> few(3);
  EXPECT_THROW(GrayordinateSmoother(places, 4, std::vector{sheet(kLeft)}).apply(few), ShapeError);
}

TEST(SmoothGrayordinates, FingerprintIsOfShapeAndHemisphere) {
  const std::vector<SurfaceMesh> meshes{sheet("CIFTI_STRUCTURE_CORTEX_RIGHT"), sheet(kLeft)};
  EXPECT_EQ(surfaces_fingerprint(meshes), surfaces_fingerprint(std::vector{meshes[1], meshes[0]}));
  EXPECT_NE(surfaces_fingerprint(meshes), surfaces_fingerprint(std::vector{meshes[0]}));
  std::vector<SurfaceMesh> moved = meshes;
  moved[1].points_mm(3, 2) += 0.01;
  EXPECT_NE(surfaces_fingerprint(meshes), surfaces_fingerprint(moved));
}

}  // namespace
}  // namespace noema
