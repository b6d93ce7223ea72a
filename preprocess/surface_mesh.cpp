// Normals, area and neighbours of a mesh.
#include <Eigen/Geometry>
#include <algorithm>

#include "noema/preprocess/surface.h"

namespace noema {
namespace {

/// Twice its area long.
Eigen::Vector3d triangle_normal(const SurfaceMesh& mesh, Eigen::Index triangle) {
  const auto corner = [&](int i) -> Eigen::Vector3d {
    return mesh.points_mm.row(mesh.triangles(triangle, i)).transpose();
  };
  return (corner(1) - corner(0)).cross(corner(2) - corner(0));
}

}  // namespace

Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> vertex_normals(const SurfaceMesh& mesh) {
  Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> normals;
  normals.setZero(mesh.vertices(), 3);
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) {
    const Eigen::RowVector3d normal = triangle_normal(mesh, f).normalized().transpose();
    for (int corner = 0; corner < 3; ++corner) normals.row(mesh.triangles(f, corner)) += normal;
  }
  for (Eigen::Index v = 0; v < normals.rows(); ++v) {
    const double length = normals.row(v).norm();
    if (length > 0) normals.row(v) /= length;
  }
  return normals;
}

double mesh_area_mm2(const SurfaceMesh& mesh) {
  double area = 0;
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) area += triangle_normal(mesh, f).norm() / 2;
  return area;
}

MeshNeighbours mesh_neighbours(const SurfaceMesh& mesh) {
  std::vector<std::pair<std::int32_t, std::int32_t>> edges;
  edges.reserve(static_cast<std::size_t>(mesh.triangles.size()) * 2);
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) {
    for (int corner = 0; corner < 3; ++corner) {
      const std::int32_t a = mesh.triangles(f, corner), b = mesh.triangles(f, (corner + 1) % 3);
      if (a == b) continue;
      edges.emplace_back(a, b);
      edges.emplace_back(b, a);
    }
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  MeshNeighbours neighbours;
  neighbours.first.assign(static_cast<std::size_t>(mesh.vertices()) + 1, 0);
  for (const auto& [from, to] : edges) {
    ++neighbours.first[static_cast<std::size_t>(from) + 1];
    neighbours.vertices.push_back(to);
  }
  for (std::size_t v = 1; v < neighbours.first.size(); ++v) neighbours.first[v] += neighbours.first[v - 1];
  return neighbours;
}

}  // namespace noema
