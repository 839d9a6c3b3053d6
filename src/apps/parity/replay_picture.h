// The stages from a picture to the rows that the language model reads.
#pragma once

#include <vector>

#include "apps/parity/goldens.h"
#include "apps/parity/model_under_test.h"
#include "apps/parity/report.h"
#include "family/vision/slicing.h"

namespace mcv::parity {

// What all stages of one case need.
struct Replay {
  const Goldens* goldens = nullptr;
  const Case* c = nullptr;
  const ModelUnderTest* model = nullptr;
  Machine* machine = nullptr;
  Report* report = nullptr;
  Check base;  // run, source and where are filled in

  void Add(const std::string& stage, double difference, double tolerance,
           const std::string& detail) const;
  void Broken(const std::string& what) const;
  // The .npy file that the case names under `key`: null if the case has no such key.
  const nlohmann::json* Find(const char* key) const;
};

struct PictureRows {
  SlicePlan plan;
  std::vector<float> rows;  // [views * Q, E]
};

// Compares pixels, position ids and every encoder stage that the case has. Fails (as a Status) only
// if the picture cannot be read or encoded at all.
Result<PictureRows> ReplayPicture(const Replay& replay);

// Pixel stages alone, for cases that hold nothing else (expected/exif). `tolerance` in levels.
void ComparePixels(const Replay& replay, const SlicePlan& plan, const Image& image,
                   const SliceConfig& config, double tolerance);

}  // namespace mcv::parity
