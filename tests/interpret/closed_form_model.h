// A model with known margins: logits = (q, 0, 0) with q = Σ_t w_t (a·x_t) + Σ_t w_t (b·x_t)², so everything has a
// closed form.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include "noema/core/error.h"
#include "noema/learn/classifier.h"

namespace noema {

class ClosedFormModel : public DifferentiableClassifier {
 public:
  ClosedFormModel(at::Tensor linear, at::Tensor quadratic) : linear_(linear), quadratic_(quadratic) {}

  at::Tensor logits(const at::Tensor& windows, const at::Tensor& weights) const override {
    const at::Tensor q = ((windows.matmul(linear_) + windows.matmul(quadratic_).square()) * weights).sum(1);  // (B)
    return at::stack({q, at::zeros_like(q), at::zeros_like(q)}, 1);
  }
  void fit(const SampleSet&) override { throw UsageError("this model is given, not fitted"); }
  ClassScores predict(const SampleSet&) const override { throw UsageError("this model is asked by its logits alone"); }
  std::string kind() const override { return "closed-form"; }
  SafeTensors save() const override { return {}; }

 private:
  at::Tensor linear_;
  at::Tensor quadratic_;
};

}  // namespace noema
