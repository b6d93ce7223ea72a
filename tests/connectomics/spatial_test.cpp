// Distances, spatial losses, smoothing, quality of parcels and QC-FC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/parcel_quality.h"
#include "noema/connectomics/qc_fc.h"
#include "noema/connectomics/regression.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/spatial.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using std::numbers::pi;

at::Tensor rows_of(std::vector<double> values, std::int64_t columns) {
  return at::tensor(values, at::kDouble).reshape({-1, columns});
}
at::Tensor labels_of(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }
bool finite_gradients(const at::Tensor& value, const std::vector<at::Tensor>& leaves) {
  for (const at::Tensor& gradient : torch::autograd::grad({value.sum()}, leaves)) {
    if (!gradient.isfinite().all().item<bool>()) return false;
  }
  return true;
}

/// N points spread over a sphere (a spiral of golden angles).
at::Tensor sphere_points(std::int64_t count, double radius) {
  const at::Tensor i = at::arange(count, at::kDouble) + 0.5;
  const at::Tensor z = 1 - 2 * i / static_cast<double>(count), turn = i * (pi * (3 - std::sqrt(5.0)));
  const at::Tensor ring = (1 - z * z).sqrt();
  return radius * at::stack({ring * turn.cos(), ring * turn.sin(), z}, 1);
}

TEST(Spatial, DistancesOfBothGeometries) {
  const at::Tensor x = rows_of({100, 0, 0, 0, 100, 0, 0, 0, -100, -100, 0, 0}, 3);
  const at::Tensor arc = distance_matrix(x, x, Geometry::spherical);
  EXPECT_NEAR(arc[0][1].item<double>(), 50 * pi, 1e-10);
  EXPECT_NEAR(arc[0][3].item<double>(), 100 * pi, 1e-10);
  EXPECT_EQ(arc[2][2].item<double>(), 0);
  EXPECT_NEAR(distance_matrix(x, x)[0][1].item<double>(), 100 * std::sqrt(2.0), 1e-12);
  // Nearby points: no cancellation.
  const at::Tensor near = rows_of({100 * std::cos(1e-7), 100 * std::sin(1e-7), 0}, 3);
  EXPECT_NEAR(point_distance(x[0], near[0], Geometry::spherical).item<double>(), 1e-5, 1e-13);
  for (const Geometry geometry : {Geometry::euclidean, Geometry::spherical}) {
    EXPECT_LT(gradient_error([&](const auto& in) { return distance_matrix(in[0], in[1], geometry); },
                             {made_up({3, 3}), made_up({4, 3}, 2)}),
              1e-7);
    at::Tensor leaf = x.clone().set_requires_grad(true);
    EXPECT_TRUE(finite_gradients(distance_matrix(leaf, leaf, geometry), {leaf}));  // coincident and antipodal
  }
  EXPECT_THROW(distance_matrix(made_up({3, 2}), made_up({3, 2}), Geometry::spherical), ShapeError);
  EXPECT_THROW(distance_matrix(made_up({3, 2}), made_up({3, 3})), ShapeError);
}

TEST(Spatial, CentresOfManyBatches) {
  const at::Tensor x = rows_of({0, 0, 0, 4, 0, 0, 0, 8, 0}, 3);
  const at::Tensor w = rows_of({1, 1, 2, 0, 3, 0}, 3).expand({5, 2, 3});
  const at::Tensor centres = parcel_centres(w, x);
  EXPECT_EQ(centres.sizes().vec(), (std::vector<std::int64_t>{5, 2, 3}));
  EXPECT_LT(largest_difference(centres[4], rows_of({1, 4, 0, 4, 0, 0}, 3)), 1e-15);
  const at::Tensor points = sphere_points(50, 100);
  const at::Tensor round = parcel_centres(made_up({2, 3, 50}).abs(), points, Geometry::spherical);
  EXPECT_LT(largest_difference(round.norm(2, {-1}), at::full({2, 3}, 100.0, at::kDouble)), 1e-12);
  for (const Geometry geometry : {Geometry::euclidean, Geometry::spherical}) {
    const auto of_weights = [&](const std::vector<at::Tensor>& in) {
      return parcel_centres(in[0], points.slice(0, 0, 9), geometry);
    };
    EXPECT_LT(gradient_error(of_weights, {made_up({2, 3, 9}).abs()}), 1e-7);
    at::Tensor empty = at::zeros({2, 9}, at::kDouble).set_requires_grad(true);
    EXPECT_TRUE(finite_gradients(of_weights({empty}), {empty}));
  }
}

TEST(Spatial, CompactnessIsAMeanDistance) {
  const at::Tensor x = rows_of({0, 0, 0, 6, 0, 0, 0, 0, 9}, 3);
  const at::Tensor w = rows_of({1, 1, 0, 1, 0, 2, 0, 5, 0, 0, 0, 0}, 3);
  // Centre (3,0,0): 3; centre (0,0,6): (6 + 2·3)/3; one vertex: 0; none: 0.
  EXPECT_LT(largest_difference(compactness(w, x), at::tensor({3., 4., 0., 0.}, at::kDouble)), 1e-14);
  EXPECT_LT(
      largest_difference(compactness(w, x, Geometry::euclidean, 4), at::tensor({0., 2. / 3, 0., 0.}, at::kDouble)),
      1e-14);
  EXPECT_LT(largest_difference(compactness(3 * w, x), compactness(w, x)), 1e-14);  // not a matter of size
  for (const Geometry geometry : {Geometry::euclidean, Geometry::spherical}) {
    const at::Tensor points = sphere_points(9, 10);
    EXPECT_LT(gradient_error([&](const auto& in) { return compactness(in[0], points, geometry); },
                             {made_up({2, 9}).abs() + 0.1}),
              1e-7);
    at::Tensor leaf = w.clone().set_requires_grad(true);  // a vertex at the centre, an empty parcel
    EXPECT_TRUE(finite_gradients(compactness(leaf, sphere_points(3, 10), geometry), {leaf}));
    at::Tensor even = at::ones({1, 2}, at::kDouble).set_requires_grad(true);  // no direction of the centre
    EXPECT_TRUE(finite_gradients(compactness(even, rows_of({0, 0, 1, 0, 0, -1}, 3), geometry), {even}));
  }
}

TEST(Spatial, DispersionAndTethersAreTrueDistances) {
  const at::Tensor c = rows_of({0, 0, 0, 3, 4, 0, 0, 0, 2}, 3);
  EXPECT_LT(largest_difference(dispersion(c), at::tensor({-5., -2., -std::sqrt(29.0)}, at::kDouble)), 1e-14);
  // Displacements that cancel in sum are still displacements.
  const at::Tensor moved = c + rows_of({1, 0, 0, -1, 0, 0, 0, 0, 0}, 3);
  EXPECT_LT(largest_difference(tether(moved, c), at::tensor({1., 1., 0.}, at::kDouble)), 1e-15);
  EXPECT_EQ(tether(c, c).abs().max().item<double>(), 0);
  const at::Tensor mirror = c * at::tensor({-1., 1., 1.}, at::kDouble);
  EXPECT_EQ(interhemispheric_tether(c, mirror).abs().max().item<double>(), 0);
  EXPECT_NEAR(interhemispheric_tether(c, c)[1].item<double>(), 6, 1e-15);
  EXPECT_LT(gradient_error([](const auto& in) { return tether(in[0], in[1], Geometry::spherical); },
                           {made_up({4, 3}), made_up({4, 3}, 2)}),
            1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return dispersion(in[0]); }, {made_up({2, 4, 3})}), 1e-7);
  at::Tensor leaf = c.clone().set_requires_grad(true);
  EXPECT_TRUE(finite_gradients(tether(leaf, c), {leaf}));
  EXPECT_THROW(dispersion(c.slice(0, 0, 1)), ShapeError);
  EXPECT_THROW(tether(c, c.slice(0, 0, 2)), ShapeError);
}

TEST(Smoothing, NeighboursAreAllPairsWithinReach) {
  const at::Tensor x = sphere_points(300, 10);
  for (const Geometry geometry : {Geometry::euclidean, Geometry::spherical}) {
    const Neighbours found = neighbours_within(x, 3, geometry);
    const at::Tensor all = distance_matrix(x, x, geometry);
    EXPECT_EQ(found.distance.numel(), (all <= 3).sum().item<std::int64_t>());
    EXPECT_NEAR(found.distance.sum().item<double>(), at::where(all <= 3, all, at::zeros_like(all)).sum().item<double>(),
                1e-8);
  }
  EXPECT_THROW(neighbours_within(x, 0), UsageError);
  EXPECT_THROW(neighbours_within(made_up({4, 2}), 1), ShapeError);
  // Points on one sphere about the origin, up to a thousandth (as meshes' files have them), or not on any.
  const at::Tensor wobbly = x * (1 + 4e-4 * made_up({300, 1}, 3));
  EXPECT_EQ(neighbours_within(wobbly, 4, Geometry::spherical).distance.numel(),
            (distance_matrix(wobbly, wobbly, Geometry::spherical) <= 4).sum().item<std::int64_t>());
  EXPECT_THROW(neighbours_within(x + 1, 3, Geometry::spherical), DataError);
  EXPECT_THROW(neighbours_within(at::cat({at::zeros({1, 3}, at::kDouble), x}), 3, Geometry::spherical), DataError);
  EXPECT_NO_THROW(neighbours_within(x + 1, 3));
}

TEST(Smoothing, VerticesKeepConstantsAndEqualTheDirectSum) {
  const at::Tensor x = sphere_points(300, 10);
  const Neighbours neighbours = neighbours_within(x, 8, Geometry::spherical);
  const at::Tensor sigma = at::scalar_tensor(2.0, at::kDouble);
  const at::Tensor constant = at::full({300, 2}, 7.5, at::kDouble);
  EXPECT_LT(largest_difference(smooth_vertices(constant, neighbours, sigma), constant), 1e-12);
  const at::Tensor series = made_up({300, 3});
  const at::Tensor d = distance_matrix(x, x, Geometry::spherical);
  const at::Tensor kernel = at::where(d <= 8, at::exp(-d * d / 8), at::zeros_like(d));
  EXPECT_LT(largest_difference(smooth_vertices(series, neighbours, sigma), kernel.matmul(series) / kernel.sum(1, true)),
            1e-13);
  const Neighbours few = neighbours_within(sphere_points(12, 1), 1.5);
  EXPECT_LT(gradient_error([&](const auto& in) { return smooth_vertices(in[0], few, in[1]); },
                           {made_up({12, 2}), at::scalar_tensor(0.7, at::kDouble)}),
            1e-7);
  EXPECT_THROW(smooth_vertices(made_up({11, 2}), few, sigma), ShapeError);
  EXPECT_THROW(smooth_vertices(made_up({12, 2}), few, at::scalar_tensor(0.0, at::kDouble)), UsageError);
}

TEST(Smoothing, VolumesInsideAMask) {
  const at::Tensor sigma = at::tensor({1.0, 0.7, 0.0}, at::kDouble);
  const at::Tensor constant = at::full({2, 5, 6, 4}, 3.0, at::kDouble);
  EXPECT_LT(largest_difference(smooth_volume(constant, sigma), constant), 1e-12);
  // Far from borders an impulse becomes the product of two normalised Gaussians.
  at::Tensor impulse = at::zeros({15, 15, 3}, at::kDouble);
  impulse[7][7][1] = 1;
  const at::Tensor y = smooth_volume(impulse, sigma);
  const auto gaussian = [](int step, double width) {
    double total = 0;
    for (int k = -4; k <= 4; ++k) {
      if (std::abs(k) <= 4 * width) total += std::exp(-k * k / (2 * width * width));
    }
    return std::exp(-step * step / (2 * width * width)) / total;
  };
  EXPECT_NEAR(y[8][5][1].item<double>(), gaussian(1, 1.0) * gaussian(2, 0.7), 1e-15);
  EXPECT_EQ(y[7][7][0].item<double>(), 0);
  at::Tensor mask = at::ones({5, 6, 4}, at::kBool);
  mask[2] = false;
  const at::Tensor spoiled =
      at::where(mask, constant, at::full_like(constant, std::numeric_limits<double>::quiet_NaN()));
  const at::Tensor inside = smooth_volume(spoiled, sigma, mask);
  EXPECT_LT(largest_difference(inside, at::where(mask, constant, at::zeros_like(constant))), 1e-12);
  EXPECT_LT(gradient_error([&](const auto& in) { return smooth_volume(in[0], in[1]); },
                           {made_up({3, 4, 3}), at::tensor({1.0, 0.7, 0.9}, at::kDouble)}),
            1e-7);
  EXPECT_THROW(smooth_volume(made_up({3, 3}), sigma), ShapeError);
  EXPECT_NEAR(sigma_of_fwhm(2.354820045), 1, 1e-9);
}

/// 8 series in three parcels (two, four, one), one outside.
struct Example {
  at::Tensor series = made_up({8, 30}) + 0.7 * made_up({1, 30}, 4);
  at::Tensor labels = labels_of({10, 30, 30, 10, 0, 30, 20, 30});
  SparseWeights parcels = parcels_of_labels(labels).weights;
  at::Tensor r = at::corrcoef(series);
};

TEST(ParcelQuality, HomogeneityIsTheMeanOfPairs) {
  const Example e;
  const at::Tensor found = parcel_homogeneity(e.series, e.parcels);
  EXPECT_NEAR(found[0].item<double>(), e.r[0][3].item<double>(), 1e-12);
  EXPECT_TRUE(found[1].isnan().item<bool>());
  double sum = 0;
  for (const int i : {1, 2, 5, 7}) {
    for (const int j : {1, 2, 5, 7}) {
      if (i != j) sum += e.r[i][j].item<double>() / 12;
    }
  }
  EXPECT_NEAR(found[2].item<double>(), sum, 1e-12);
  EXPECT_NEAR(mean_over_series(found, e.parcels).item<double>(), (2 * found[0].item<double>() + 4 * sum) / 6, 1e-12);
  const at::Tensor soft = made_up({2, 8}, 5).abs() + 0.1;
  const auto sparse = [](const at::Tensor& weights) {
    const at::Tensor places = at::ones_like(weights).nonzero();
    return SparseWeights{places.select(1, 0), places.select(1, 1), weights.flatten(), weights.size(0), weights.size(1)};
  };
  double above = 0, below = 0;
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      if (i == j) continue;
      const double weight = soft[1][i].item<double>() * soft[1][j].item<double>();
      above += weight * e.r[i][j].item<double>();
      below += weight;
    }
  }
  EXPECT_NEAR(parcel_homogeneity(e.series, sparse(soft))[1].item<double>(), above / below, 1e-12);
  EXPECT_LT(gradient_error([&](const auto& in) { return parcel_homogeneity(in[0], sparse(in[1])); },
                           {made_up({5, 7}), made_up({2, 5}, 2).abs() + 0.2}),
            1e-7);
  at::Tensor leaf = at::zeros({2, 8}, at::kDouble).set_requires_grad(true);  // empty parcels
  at::Tensor flat = at::ones({8, 30}, at::kDouble).set_requires_grad(true);  // zero variance
  EXPECT_TRUE(finite_gradients(parcel_homogeneity(flat, sparse(soft)), {flat}));
  EXPECT_EQ(parcel_homogeneity(flat, sparse(soft)).abs().max().item<double>(), 0);
  EXPECT_TRUE(finite_gradients(parcel_homogeneity(e.series, sparse(leaf)), {leaf}));
}

TEST(ParcelQuality, VarianceExplainedByTheMean) {
  const Example e;
  const at::Tensor found = parcel_variance_explained(e.series, e.parcels);
  const at::Tensor z = (e.series - e.series.mean(1, true)) / e.series.std(1, false, true);
  const at::Tensor own = z.index_select(0, labels_of({1, 2, 5, 7}));
  const double expected = 1 - ((own - own.mean(0)).square().sum() / own.square().sum()).item<double>();
  EXPECT_NEAR(found[2].item<double>(), expected, 1e-12);
  EXPECT_NEAR(found[1].item<double>(), 1, 1e-12);
  const at::Tensor dense = at::stack({e.labels == 10, e.labels == 20, e.labels == 30}).to(at::kDouble);
  EXPECT_LT(largest_difference(parcel_variance_explained(e.series, dense), found), 1e-12);
  const at::Tensor x = made_up({5, 7}), w = made_up({2, 5}, 2).abs() + 0.2;
  EXPECT_LT(gradient_error([](const auto& in) { return parcel_variance_explained(in[0], in[1]); }, {x, w}), 1e-7);
  const auto sparse = [](const at::Tensor& series, const at::Tensor& weight) {
    return parcel_variance_explained(
        series, SparseWeights{labels_of({0, 0, 2, 2, 2}), labels_of({0, 3, 1, 2, 4}), weight, 3, 5});
  };
  const auto filled = [&](const std::vector<at::Tensor>& in) {
    return sparse(in[0], in[1]).index_select(0, labels_of({0, 2}));
  };
  EXPECT_LT(gradient_error(filled, {x, w[0]}), 1e-7);
  // A parcel without series is left out: NaN, and the others' gradients are theirs.
  EXPECT_TRUE(sparse(x, w[0])[1].isnan().item<bool>());
  at::Tensor weights = w.clone();
  weights[1].fill_(0);
  const at::Tensor leaf = weights.set_requires_grad(true), values = parcel_variance_explained(x, leaf);
  EXPECT_TRUE(values[1].isnan().item<bool>());
  EXPECT_TRUE(finite_gradients(values[0], {leaf}));
}

TEST(ParcelQuality, SilhouetteByItsDefinition) {
  const Example e;
  const at::Tensor found = silhouette(e.series, e.parcels);
  const at::Tensor d = 1 - e.r;
  for (std::int64_t i = 0; i < found.numel(); ++i) {
    const std::int64_t v = e.parcels.voxel[i].item<std::int64_t>(), home = e.labels[v].item<std::int64_t>();
    double a = 0, b = 9;
    std::int64_t own = 0;
    for (const std::int64_t other : {10, 20, 30}) {
      double sum = 0;
      std::int64_t count = 0;
      for (std::int64_t u = 0; u < 8; ++u) {
        if (u == v || e.labels[u].item<std::int64_t>() != other) continue;
        sum += d[v][u].item<double>();
        ++count;
      }
      if (other == home) {
        own = count;
        a = count > 0 ? sum / static_cast<double>(count) : 0;
      } else {
        b = std::min(b, sum / static_cast<double>(count));
      }
    }
    EXPECT_NEAR(found[i].item<double>(), own > 0 ? (b - a) / std::max(a, b) : 0, 1e-12);
  }
  EXPECT_THROW(silhouette(e.series, parcels_of_labels(labels_of({1, 1, 1, 1, 1, 1, 1, 1})).weights), DataError);
}

TEST(ParcelQuality, DcbcByAllPairs) {
  const Example e;
  const at::Tensor x = rows_of({0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0}, 2);
  const Dcbc found = dcbc(e.series, e.parcels, x, {.bin_width = 2, .largest_distance = 6});
  double weights = 0, value = 0;
  for (int bin = 0; bin < 3; ++bin) {
    double sum[2] = {0, 0}, count[2] = {0, 0};
    for (int i = 0; i < 8; ++i) {
      for (int j = i + 1; j < 8; ++j) {
        const std::int64_t a = e.labels[i].item<std::int64_t>(), b = e.labels[j].item<std::int64_t>();
        if (a == 0 || b == 0 || j - i <= 2 * bin || j - i > 2 * bin + 2) continue;
        sum[a != b] += e.r[i][j].item<double>();
        count[a != b] += 1;
      }
    }
    EXPECT_EQ(found.pairs_within[bin].item<double>(), count[0]);
    EXPECT_EQ(found.pairs_between[bin].item<double>(), count[1]);
    if (count[0] == 0 || count[1] == 0) continue;
    const double weight = count[0] * count[1] / (count[0] + count[1]);
    weights += weight;
    value += weight * (sum[0] / count[0] - sum[1] / count[1]);
  }
  EXPECT_NEAR(found.value, value / weights, 1e-12);
  EXPECT_THROW(dcbc(e.series, e.parcels, x, {.bin_width = 0}), UsageError);
  EXPECT_THROW(dcbc(e.series, e.parcels, 100 * x), DataError);
}

TEST(ParcelQuality, Agreement) {
  const at::Tensor a = labels_of({0, 0, 1, 1, 2, 2});
  EXPECT_DOUBLE_EQ(adjusted_rand_index(a, labels_of({7, 7, 3, 3, 5, 5})), 1);
  // scikit-learn's adjusted_rand_score.
  EXPECT_NEAR(adjusted_rand_index(a, labels_of({0, 0, 1, 2, 2, 2})), 0.4444444444444444, 1e-15);
  EXPECT_NEAR(adjusted_rand_index(labels_of({0, 0, 1, 1}), labels_of({0, 1, 0, 1})), -0.5, 1e-15);
  const at::Tensor p = rows_of({1, 1, 0, 0, 0, 0, 0, 0}, 4), q = rows_of({0, 1, 1, 1, 0, 0, 0, 0}, 4);
  EXPECT_NEAR(dice_overlap(p, q)[0].item<double>(), 2.0 / 5, 1e-15);
  EXPECT_TRUE(dice_overlap(p, q)[1].isnan().item<bool>());
  EXPECT_THROW(adjusted_rand_index(a, labels_of({0})), ShapeError);
  EXPECT_THROW(dice_overlap(p, q.slice(1, 0, 3)), ShapeError);
  EXPECT_LT(gradient_error([](const auto& in) { return dice_overlap(in[0], in[1]); },
                           {made_up({2, 6}).abs() + 0.1, made_up({2, 6}, 2).abs() + 0.1}),
            1e-8);
}

TEST(QcFc, CorrelationsOverSubjects) {
  const at::Tensor edges = made_up({20, 3, 2}), motion = made_up({20}, 2).abs();
  const at::Tensor r = qc_fc(edges, motion);
  const at::Tensor all = at::corrcoef(at::cat({motion.unsqueeze(0), edges.reshape({20, 6}).t()}));
  EXPECT_LT(largest_difference(r[0], all[0].slice(0, 1)), 1e-13);
  // With a covariate: the partial correlation.
  const at::Tensor age = made_up({1, 20}, 7);
  const at::Tensor trio = at::corrcoef(at::stack({motion, edges.select(1, 0).select(1, 0), age[0]}));
  const double xy = trio[0][1].item<double>(), xz = trio[0][2].item<double>(), yz = trio[1][2].item<double>();
  EXPECT_NEAR(qc_fc(edges, motion, age)[0][0].item<double>(), (xy - xz * yz) / std::sqrt((1 - xz * xz) * (1 - yz * yz)),
              1e-12);
  EXPECT_LT(gradient_error([&](const auto& in) { return qc_fc(in[0], in[1], age); }, {edges, motion}), 1e-7);
  at::Tensor flat = edges.clone();
  flat.select(1, 0).fill_(0.3);
  at::Tensor leaf = flat.set_requires_grad(true);
  EXPECT_EQ(qc_fc(leaf, motion)[0][1].item<double>(), 0);
  EXPECT_TRUE(finite_gradients(qc_fc(leaf, motion), {leaf}));
  EXPECT_THROW(qc_fc(edges, made_up({19})), ShapeError);
  EXPECT_THROW(qc_fc(edges.slice(0, 0, 2), motion.slice(0, 0, 2)), DataError);
}

/// Share of n shuffles of `y` whose |correlation| with `x`, given the covariates, is as large; Freedman and Lane's.
double shuffled_p_value(const at::Tensor& x, const at::Tensor& y, const at::Tensor& covariates, std::int64_t n) {
  const at::Tensor order = uniform_numbers({n, y.numel()}, 5, "shuffle").argsort(std::int64_t{1});
  const at::Tensor rest = covariates.defined() ? regress_out(y.unsqueeze(0), covariates)[0] : y;
  const at::Tensor shuffled = rest.index_select(0, order.flatten()).reshape({n, -1});
  const at::Tensor r = qc_fc(shuffled.t(), x, covariates)[0], observed = qc_fc(y.unsqueeze(1), x, covariates)[0][0];
  return (r.abs() >= observed.abs()).to(at::kDouble).mean().item<double>();
}

// The t distribution's p is the share of shuffles, also with covariates and in one tail.
TEST(QcFc, ProbabilitiesAreThoseOfPermutations) {
  const at::Tensor noise = normal_numbers({30, 6}, 4, "edges"), motion = normal_numbers({30}, 5, "motion");
  const at::Tensor edges = noise + at::outer(motion, at::tensor({0., 0.1, 0.2, 0.3, 0.4, 0.5}, at::kDouble));
  const at::Tensor ages = at::stack({motion + normal_numbers({30}, 6, "age"), normal_numbers({30}, 7, "sex")});
  for (const at::Tensor& covariates : {at::Tensor(), ages}) {
    const std::int64_t used = covariates.defined() ? 2 : 0;
    const at::Tensor p = correlation_p_values(qc_fc(edges, motion, covariates)[0], 30, used);
    EXPECT_GT((p.max() - p.min()).item<double>(), 0.05);
    for (std::int64_t e = 0; e < 6; ++e) {
      EXPECT_NEAR(p[e].item<double>(), shuffled_p_value(motion, edges.select(1, e), covariates, 4000), 0.025) << e;
    }
    const at::Tensor order = uniform_numbers({4000, 30}, 8, "shuffle").argsort(std::int64_t{1});
    const at::Tensor null =
        qc_fc(edges.select(1, 0).index_select(0, order.flatten()).reshape({4000, 30}).t(), motion)[0];
    EXPECT_NEAR((null > correlation_tolerance(30, 0.1, 1)).to(at::kDouble).mean().item<double>(), 0.1, 0.015);
    EXPECT_NEAR((null.abs() > correlation_tolerance(30, 0.1, 2)).to(at::kDouble).mean().item<double>(), 0.1, 0.015);
  }
}

/// At tolerance 0 the mean of r² is 1/(N − 1); for three values r is the sine of an even angle, for four r is even.
TEST(QcFc, ByChance) {
  for (const std::int64_t subjects : {3, 4, 5, 20, 200}) {
    EXPECT_NEAR(chance_of_qc_fc(subjects), 1.0 / static_cast<double>(subjects - 1), 1e-10);
  }
  EXPECT_NEAR(chance_of_qc_fc(4, 0.25), std::pow(0.75, 3) / 3, 1e-10);
  EXPECT_THROW(chance_of_qc_fc(2), DataError);
  EXPECT_THROW(chance_of_qc_fc(9, 1), UsageError);
}

TEST(QcFc, SignificanceAndDistance) {
  EXPECT_NEAR(correlation_tolerance(20, 0.1), 0.3783408610435194, 1e-12);  // scipy's t quantile, 18 degrees of freedom
  EXPECT_NEAR(correlation_p_values(at::tensor({-0.444}, at::kDouble), 20).item<double>(), 0.04986349331103499, 1e-13);
  EXPECT_EQ(correlation_p_values(at::tensor({1.0}, at::kDouble), 20).item<double>(), 0);
  EXPECT_NEAR(correlation_tolerance(20, 0.1, 1), 0.29921034404094504, 1e-12);     // one tail
  EXPECT_NEAR(correlation_tolerance(20, 0.1, 2, 3), 0.41236048101042416, 1e-12);  // three covariates: 15 degrees
  EXPECT_NEAR(correlation_p_values(at::tensor({0.444}, at::kDouble), 20, 3).item<double>(), 0.07419641450756582, 1e-13);
  const at::Tensor loss = beyond_tolerance(at::tensor({-0.5, 0.1, 0.4}, at::kDouble), 0.3);
  EXPECT_LT(largest_difference(loss, at::tensor({0.2, 0., 0.1}, at::kDouble)), 1e-15);
  // Benjamini and Hochberg: p·n/rank, made monotone.
  EXPECT_LT(largest_difference(adjusted_p_values(at::tensor({0.01, 0.04, 0.03, 0.5}, at::kDouble)),
                               at::tensor({0.04, 0.16 / 3, 0.16 / 3, 0.5}, at::kDouble)),
            1e-15);
  const at::Tensor r = at::tensor({0.6, 0.5, 0.1, -0.55}, at::kDouble);
  const at::Tensor distance = at::tensor({10., 10., 80., 90.}, at::kDouble);
  const QcFcSummary summary = summarise_qc_fc(r, 20, distance);
  EXPECT_NEAR(summary.median_absolute, 0.525, 1e-15);
  EXPECT_DOUBLE_EQ(summary.significant, 0.75);
  EXPECT_DOUBLE_EQ(summary.significant_corrected, 0.75);
  EXPECT_NEAR(*summary.distance_dependence, -0.9486832980505138, 1e-12);  // ranks 4 3 2 1 with 1.5 1.5 3 4
  EXPECT_LT(gradient_error([&](const auto& in) { return distance_dependence(in[0], distance); }, {r.unsqueeze(0)}),
            1e-7);
  EXPECT_FALSE(summarise_qc_fc(r, 20).distance_dependence.has_value());
  EXPECT_THROW(correlation_tolerance(20, 1.5), UsageError);
}

}  // namespace
}  // namespace noema
