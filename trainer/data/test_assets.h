// The assets, loaded once for all tests of a program.
#pragma once

#include <gtest/gtest.h>

#include "trainer/data/generator.h"

namespace mcv::trainer {

inline std::shared_ptr<const DataAssets> SharedTestAssets() {
  static const std::shared_ptr<const DataAssets> assets = [] {
    auto loaded = DataAssets::Load(DataPaths{});
    EXPECT_TRUE(loaded.ok()) << loaded.status().ToString();
    MCV_CHECK(loaded.ok());
    return *loaded;
  }();
  return assets;
}

inline const DataAssets& TestAssets() { return *SharedTestAssets(); }

}  // namespace mcv::trainer
