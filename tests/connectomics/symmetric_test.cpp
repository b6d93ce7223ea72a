// Symmetric packing: order, round trips, norms, gradients.
#include "noema/connectomics/symmetric.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;

TEST(Symmetric, RowByRowAsSquareform) {
  const at::Tensor matrix = at::tensor({9., 1., 2., 1., 8., 3., 2., 3., 7.}, at::kDouble).reshape({3, 3});
  EXPECT_TRUE(pack_symmetric(matrix).equal(at::tensor({1., 2., 3.}, at::kDouble)));
  EXPECT_TRUE(pack_symmetric(matrix, PackedDiagonal::kept).equal(at::tensor({9., 1., 2., 8., 3., 7.}, at::kDouble)));
  const at::Tensor back = unpack_symmetric(at::tensor({1., 2., 3.}, at::kDouble), PackedDiagonal::dropped, 5);
  EXPECT_TRUE(back.equal(at::tensor({5., 1., 2., 1., 5., 3., 2., 3., 5.}, at::kDouble).reshape({3, 3})));
}

TEST(Symmetric, RoundTripsAndKeepsTheNorm) {
  for (const PackedDiagonal diagonal : {PackedDiagonal::kept, PackedDiagonal::scaled}) {
    const at::Tensor matrix = made_up_spd(4, 6).reshape({2, 2, 6, 6});
    EXPECT_LT(largest_difference(unpack_symmetric(pack_symmetric(matrix, diagonal), diagonal), matrix), 1e-15);
  }
  const at::Tensor one = made_up_spd(1, 5)[0];
  const at::Tensor packed = pack_symmetric(one, PackedDiagonal::scaled);
  EXPECT_NEAR((packed * packed).sum().item<double>() * 2, (one * one).sum().item<double>(), 1e-13);
  EXPECT_EQ(pack_symmetric(one.to(at::kFloat)).scalar_type(), at::kFloat);
}

TEST(Symmetric, Gradients) {
  for (const PackedDiagonal diagonal : {PackedDiagonal::dropped, PackedDiagonal::kept, PackedDiagonal::scaled}) {
    EXPECT_LT(gradient_error([&](const auto& in) { return pack_symmetric(in[0], diagonal); }, {made_up({2, 4, 4})}),
              1e-9);
    EXPECT_LT(gradient_error([&](const auto& in) { return unpack_symmetric(in[0], diagonal); }, {made_up({2, 6})}),
              1e-9);
  }
}

TEST(Symmetric, SaysWhatIsWrong) {
  try {
    pack_symmetric(made_up({2, 3, 4}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found shape (2, 3, 4), expected square"));
  }
  EXPECT_THROW(pack_symmetric(made_up({1, 1})), ShapeError);
  EXPECT_THROW(pack_symmetric(made_up({3, 3}).to(at::kLong)), ShapeError);
  try {
    unpack_symmetric(made_up({5}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found 5 values"));
  }
}

}  // namespace
}  // namespace noema
