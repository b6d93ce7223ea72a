#include "noema/pipelines/surfaces.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/brain_models.h"
#include "noema/preprocess/smooth_grayordinates.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLeft = "CIFTI_STRUCTURE_CORTEX_LEFT";
constexpr const char* kRight = "CIFTI_STRUCTURE_CORTEX_RIGHT";

/// The hemisphere that the name of a file says: BIDS (hemi-L), the Human Connectome Project (.L.), FreeSurfer (lh.).
std::string structure_of_name(const fs::path& file) {
  const std::string name = "." + file.filename().string();
  const auto says = [&](std::initializer_list<const char*> parts) {
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return name.find(part) != name.npos; });
  };
  const bool left = says({"hemi-L", ".L.", ".lh."}), right = says({"hemi-R", ".R.", ".rh."});
  if (left != right) return left ? kLeft : kRight;
  throw DataError(fmt::format(
      "'{}' does not say of which hemisphere it is: expected AnatomicalStructurePrimary in the file, or hemi-L or "
      "hemi-R in its name; rename it, or write the structure with wb_command -set-structure",
      file.string()));
}

void check_vertices(const fs::path& file, const SurfaceMesh& mesh, const BrainModels& models) {
  const BrainModel* model = models.find(mesh.structure, true);
  if (model == nullptr) {
    throw ShapeError(fmt::format("'{}' is a surface of {}, which the runs do not have: they have {}", file.string(),
                                 short_structure(mesh.structure), describe(models)));
  }
  if (model->surface_vertices == mesh.vertices()) return;
  throw ShapeError(
      fmt::format("'{}' has {} vertices, the runs' {} has {}; give the mesh of the runs (for instance fsLR "
                  "32k, from TemplateFlow: tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii)",
                  file.string(), mesh.vertices(), short_structure(mesh.structure), model->surface_vertices));
}

}  // namespace

std::vector<SurfaceMesh> read_meshes(const std::vector<fs::path>& files) {
  std::vector<SurfaceMesh> meshes;
  std::set<std::string> structures;
  for (const fs::path& file : files) {
    SurfaceMesh mesh = read_surface(file);
    if (mesh.structure.empty()) mesh.structure = structure_of_name(file);
    if (!structures.insert(mesh.structure).second) {
      throw UsageError(fmt::format("'{}' is a second mesh of {}, expected one of each hemisphere", file.string(),
                                   short_structure(mesh.structure)));
    }
    meshes.push_back(std::move(mesh));
  }
  return meshes;
}

std::vector<SurfaceMesh> read_meshes(const std::vector<fs::path>& files, const Grid& grid) {
  if (files.empty()) return {};
  if (grid.grayordinates == nullptr) {
    throw UsageError(
        "--surface: the runs are volumes, which are smoothed and drawn as such; leave it out, or choose runs of "
        "grayordinates (--space fsLR)");
  }
  std::vector<SurfaceMesh> meshes = read_meshes(files);
  for (std::size_t i = 0; i < meshes.size(); ++i) check_vertices(files[i], meshes[i], *grid.grayordinates);
  return meshes;
}

void check_surfaces(const PrepareOptions& options, const Grid& grid) {
  static_cast<void>(read_meshes(options.surfaces, grid));
  const PreprocessOptions& preprocess = options.preprocess;
  if (grid.grayordinates == nullptr || !(preprocess.fwhm_mm > 0)) return;
  const std::vector<SurfaceMesh> meshes = preprocess.surfaces ? *preprocess.surfaces : std::vector<SurfaceMesh>{};
  static_cast<void>(GrayordinateSmoother(*grid.grayordinates, preprocess.fwhm_mm, meshes));
}

std::vector<std::string> keep_meshes(const fs::path& folder, const std::vector<SurfaceMesh>& meshes) {
  std::vector<std::string> files;
  if (!meshes.empty()) make_folder(folder / "surfaces");
  for (const SurfaceMesh& mesh : meshes) {
    files.push_back(fmt::format("surfaces/{}.surf.gii", gifti_structure(mesh.structure)));
    write_surface(folder / files.back(), mesh);
  }
  return files;
}

}  // namespace noema
