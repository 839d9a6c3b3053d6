// A small model of the goldens' kind opened for tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "family/model_files.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv {

// Threads, kernels, files and weights. `target` "ref": the same numbers on every machine.
struct TestModel {
  explicit TestModel(const std::string& path, const OpenOptions& open = {}, int threads = 1,
                     const std::string& target = "ref")
      : pool(threads) {
    auto opened = ModelFiles::Open(path, open);
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    if (!opened.ok()) return;
    files = std::make_unique<ModelFiles>(*std::move(opened));
    auto bound = Weights::Bind(*files);
    EXPECT_TRUE(bound.ok()) << bound.status().ToString();
    if (!bound.ok()) return;
    weights = *std::move(bound);
    context.pool = &pool;
    context.table = *ChooseTarget(target);
    context.numerics = Numerics::kExact;
  }
  const ModelConfig& config() const { return files->config(); }

  ThreadPool pool;
  Context context;
  std::unique_ptr<ModelFiles> files;
  Weights weights;
};

inline std::string TestFolder20() { return MCV_TESTDATA "/goldens/models/v20_tiny/hf"; }
inline std::string TestGguf25() {
  return MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf";
}
inline std::string TestQuantised25() {
  return MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-Q4_K_M.gguf";
}

inline std::vector<float> RandomFloats(size_t count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

// The largest difference of two values at the same place; infinite for different lengths.
inline double Distance(std::span<const float> a, std::span<const float> b) {
  double largest = a.size() == b.size() ? 0.0 : HUGE_VAL;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(double(a[i]) - double(b[i])));
  }
  return largest;
}

}  // namespace mcv
