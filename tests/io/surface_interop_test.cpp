// CIFTI and GIFTI files of ours that nibabel reads, and the other way round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "noema/io/cifti.h"
#include "noema/io/gifti.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using ::testing::ElementsAre;

constexpr const char* kScript = R"(import sys, nibabel, numpy
from nibabel import cifti2
folder = sys.argv[1]
series = nibabel.load(folder + "/ours.dtseries.nii")
times, models = (series.header.get_axis(i) for i in (0, 1))
assert series.shape == (40, 5) and times.step == 0.72 and times.unit == "SECOND", times
assert numpy.array_equal(series.get_fdata(), numpy.arange(200).reshape(40, 5)), series.get_fdata()
assert list(models.vertex[:3]) == [0, 2, 4] and models.nvertices == {"CIFTI_STRUCTURE_CORTEX_LEFT": 5}, models.vertex
assert models.voxel[4].tolist() == [3, 4, 5] and models.name[4] == "CIFTI_STRUCTURE_THALAMUS_LEFT", models.voxel
assert models.volume_shape == (4, 5, 6) and models.affine[0].tolist() == [-2, 0, 0, 90], models.affine
labels = nibabel.load(folder + "/ours.dlabel.nii")
assert labels.header.get_axis(0).label[0] == {0: ("???", (0, 0, 0, 0)), 7: ("B & C", (0, 1, 0.5, 1))}
assert labels.get_fdata().tolist() == [[0, 7, 7, 0, 0]]
surface = nibabel.load(folder + "/ours.surf.gii")
assert surface.agg_data("pointset").tolist() == [[0, 0, 0], [1, 0, 0], [0, 2.5, 0]]
assert surface.agg_data("triangle").tolist() == [[0, 1, 2]]

random = numpy.random.default_rng(0)
times = cifti2.SeriesAxis(start=0, step=2.5, size=3, unit="SECOND")
values = numpy.arange(15, dtype="f4").reshape(3, 5)
cifti2.Cifti2Image(values, (times, models)).to_filename(folder + "/theirs.dtseries.nii")
parcels = cifti2.ParcelsAxis.from_brain_models([("late", models[2:4]), ("early", models[:2])])
cifti2.Cifti2Image(values[:, :2], (times, parcels)).to_filename(folder + "/theirs.ptseries.nii")
array = nibabel.gifti.GiftiDataArray(numpy.arange(6, dtype="f4").reshape(2, 3), intent="NIFTI_INTENT_VECTOR",
                                     encoding="GIFTI_ENCODING_B64GZ", endian="big", ordering="C")
nibabel.save(nibabel.gifti.GiftiImage(darrays=[array]), folder + "/theirs.gii")
)";

void write_ours(const TemporaryFolder& folder) {
  auto models = std::make_shared<BrainModels>();
  models->models = {{"CIFTI_STRUCTURE_CORTEX_LEFT", 5, {0, 2, 4}, {}},
                    {"CIFTI_STRUCTURE_THALAMUS_LEFT", 0, {}, {{1, 2, 3}, {3, 4, 5}}}};
  models->volume_shape = {4, 5, 6};
  models->ras_from_voxel.row(0) << -2, 0, 0, 90;
  Cifti series;
  series.header.kind = CiftiKind::dtseries;
  series.header.brain_models = models;
  series.header.points = 40;
  series.header.series.step = 0.72;
  series.values.resize(40, 5);
  for (Eigen::Index i = 0; i < 200; ++i) series.values(i / 5, i % 5) = static_cast<float>(i);
  write_cifti(folder / "ours.dtseries.nii", series);
  Cifti labels = series;
  labels.header.kind = CiftiKind::dlabel;
  labels.header.points = 1;
  labels.header.maps = {{"regions", {{0, "???", {0, 0, 0, 0}}, {7, "B & C", {0, 1, 0.5F, 1}}}}};
  labels.values.resize(1, 5);
  labels.values << 0, 7, 7, 0, 0;
  write_cifti(folder / "ours.dlabel.nii", labels);
  SurfaceMesh mesh;
  mesh.points_mm.resize(3, 3);
  mesh.points_mm << 0, 0, 0, 1, 0, 0, 0, 2.5, 0;
  mesh.triangles.resize(1, 3);
  mesh.triangles << 0, 1, 2;
  write_surface(folder / "ours.surf.gii", mesh);
}

TEST(SurfaceFiles, InteropWithNibabel) {
  if (std::system("python3 -c 'import nibabel' > /dev/null 2>&1") != 0) GTEST_SKIP() << "python3 has no module nibabel";
  const TemporaryFolder folder;
  write_ours(folder);
  write_text(folder / "check.py", kScript);
  const std::string command = "python3 '" + (folder / "check.py").string() + "' '" + folder.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Series dense = read_cifti_series(folder / "theirs.dtseries.nii");
  EXPECT_DOUBLE_EQ(dense.tr_s, 2.5);
  EXPECT_EQ(dense.values(1, 4), 9);
  EXPECT_THAT(dense.features->mask.grid.grayordinates->models[0].vertices, ElementsAre(0, 2, 4));
  const Series parcels = read_cifti_series(folder / "theirs.ptseries.nii");
  EXPECT_THAT(parcels.features->names, ElementsAre("late", "early"));
  EXPECT_EQ(parcels.values(2, 1), 11);
  const Gifti gifti = read_gifti(folder / "theirs.gii");
  EXPECT_THAT(gifti.arrays.at(0).values, ElementsAre(0, 1, 2, 3, 4, 5));
}

}  // namespace
}  // namespace noema
