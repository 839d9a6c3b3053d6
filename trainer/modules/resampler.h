// The compression layer: one cross-attention of learned queries over a picture's patches.
//
//   kv = LN_kv(X Wkv^T), keys kv + sincos(grid), values kv, queries LN_q(query), heads of 128,
//   out = LN_post(out_proj(attention)) proj          (facts of MiniCPM-V 2.5 and later)
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "family/config.h"
#include "trainer/modules/layers.h"

namespace mcv::trainer {

// Patch rows and columns of one picture.
struct GridSize {
  int64_t rows = 0;
  int64_t cols = 0;
  bool operator==(const GridSize&) const = default;
  bool operator<(const GridSize& other) const {
    return std::pair(rows, cols) < std::pair(other.rows, other.cols);
  }
};

// A point among patches, in patches: the centre of the first one is (0, 0).
struct Place {
  double column = 0;
  double row = 0;
};

// [rows * cols, width] fp32: sines and cosines of the column, then of the row.
Tensor SinCosTable(GridSize grid, int64_t width);

class Resampler : public torch::nn::Module {
 public:
  explicit Resampler(const ResamplerConfig& config);

  // x [patch rows of all pictures, kv_width]; picture i has grids[i] and its rows follow those of
  // picture i - 1. Returns [pictures * queries, width] of x's type.
  Tensor Forward(const Tensor& x, const std::vector<GridSize>& grids);

  // Makes query i start by looking at places[i]: random queries look everywhere and take long to
  // divide the picture up.
  void InitialiseLooking(const std::vector<Place>& places);

  const ResamplerConfig& config() const { return config_; }

 private:
  Tensor KeyPositions(const std::vector<GridSize>& grids, at::ScalarType type);

  ResamplerConfig config_;
  Tensor query_, proj_, in_proj_weight_, in_proj_bias_;
  std::shared_ptr<Dense> kv_proj_, out_proj_;
  std::shared_ptr<LayerNormLayer> ln_q_, ln_kv_, ln_post_;
  std::map<GridSize, Tensor> tables_;  // computed when a grid is first seen
};

}  // namespace mcv::trainer
