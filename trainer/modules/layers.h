// Parameter holders whose names equal the published checkpoints': a module here registers "weight"
// and "bias" and nothing else, the modules above it give the path.
#pragma once

#include <cmath>

#include "trainer/modules/ops.h"

namespace mcv::trainer {

// A module that only gives its children a path.
struct Scope : torch::nn::Module {};

// A linear map's parameters, [out, in] and [out]. Initialised with fan-in scaled normal weights.
struct Dense : torch::nn::Module {
  Dense(int64_t in, int64_t out, bool with_bias, double gain = 1.0) {
    weight = register_parameter("weight", torch::randn({out, in}) * (gain / std::sqrt(double(in))));
    if (with_bias) bias = register_parameter("bias", torch::zeros({out}));
  }
  Tensor operator()(const Tensor& x) const { return Linear(x, weight, bias); }
  // Without the bias, for callers whose next operation adds it.
  Tensor Product(const Tensor& x) const { return Linear(x, weight); }

  Tensor weight;
  Tensor bias;
};

struct LayerNormLayer : torch::nn::Module {
  LayerNormLayer(int64_t width, double epsilon) : eps(epsilon) {
    weight = register_parameter("weight", torch::ones({width}));
    bias = register_parameter("bias", torch::zeros({width}));
  }
  Tensor operator()(const Tensor& x, at::ScalarType out_type) const {
    return LayerNorm(x, weight, bias, eps, out_type);
  }

  Tensor weight;
  Tensor bias;
  double eps;
};

struct RmsNormLayer : torch::nn::Module {
  RmsNormLayer(int64_t width, double epsilon) : eps(epsilon) {
    weight = register_parameter("weight", torch::ones({width}));
  }
  Tensor operator()(const Tensor& x, at::ScalarType out_type) const {
    return RmsNorm(x, weight, eps, out_type);
  }

  Tensor weight;
  double eps;
};

// A lookup table.
struct Table : torch::nn::Module {
  Table(int64_t rows, int64_t width, double deviation) {
    weight = register_parameter("weight", torch::randn({rows, width}) * deviation);
  }
  Tensor operator()(const Tensor& ids) const { return weight.index_select(0, ids); }

  Tensor weight;
};

}  // namespace mcv::trainer
