// What the bench must know of a model, read once so that the model need not stay open: pages that
// this process maps could not be dropped from the cache, and would be counted for its children.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "family/config.h"

namespace mcv::bench {

struct ModelFacts {
  ModelConfig config;
  std::string described;  // files, or "built-in nano model"
  std::string text_file;  // paths; empty where the model is no GGUF pair in files
  std::string vision_file;
  std::vector<std::string> files;  // every file that weights are read from; none when built in
  uint64_t text_bytes = 0;         // weights of each half
  uint64_t vision_bytes = 0;
  uint64_t weight_bytes_per_token = 0;  // read by one decoded token
  uint64_t cache_bytes_per_position = 0;
  bool quantised = false;  // the decoder's matrices
  Numerics numerics = Numerics::kFast;
  Numerics encoder_numerics = Numerics::kFast;
  int64_t context = 0;
  int threads = 0;
  std::string target;
};

ModelFacts DescribeModel(const Engine& engine);

}  // namespace mcv::bench
