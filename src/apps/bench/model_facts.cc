#include "apps/bench/model_facts.h"

#include <algorithm>

#include "apps/bench/work.h"

namespace mcv::bench {

ModelFacts DescribeModel(const Engine& engine) {
  ModelFacts facts;
  const ModelFiles& files = engine.files();
  facts.config = engine.config();
  facts.described = files.Describe();
  for (const TensorSpec& spec : files.tensors()) {
    const auto data = files.Find(spec);
    if (!data.ok()) continue;
    (spec.file == TensorFile::kText ? facts.text_bytes : facts.vision_bytes) += data->bytes.size();
    if (data->file == nullptr) continue;
    const std::string& path = data->file->path();
    if (std::find(facts.files.begin(), facts.files.end(), path) == facts.files.end()) {
      facts.files.push_back(path);
    }
    if (files.is_hf()) continue;
    (spec.file == TensorFile::kText ? facts.text_file : facts.vision_file) = path;
  }
  const TextWeights& text = engine.weights().text();
  facts.weight_bytes_per_token = WeightBytesPerToken(text);
  facts.cache_bytes_per_position = static_cast<uint64_t>(engine.cache_bytes_per_position());
  facts.quantised = !text.layers.empty() && Traits(text.layers[0].down.type).quantised;
  facts.numerics = engine.options().numerics;
  facts.encoder_numerics = engine.encoder_numerics();
  facts.context = engine.context_length();
  facts.threads = engine.threads();
  facts.target = std::string(engine.target_name());
  return facts;
}

}  // namespace mcv::bench
