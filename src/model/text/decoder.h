// The language model as a sequence of positions: embedding, layers, head, in batches of tokens.
#pragma once

#include <memory>
#include <optional>

#include "family/config.h"
#include "model/activations.h"
#include "model/text/decoder_layer.h"
#include "model/text/kv_cache.h"
#include "model/text/rope_table.h"
#include "model/text/text_model.h"
#include "model/weights.h"

namespace mcv {

struct DecoderOptions {
  int64_t capacity = 0;  // positions; at most config.max_positions is sensible
  DType cache_type = DType::kF16;
  int64_t batch_tokens = 512;  // prefill works on this many tokens at a time
};

// Owns the KV cache and the buffers; weights and context are borrowed and must outlive it.
class Decoder final : public TextModel {
 public:
  static Result<std::unique_ptr<Decoder>> Create(const TextConfig& config,
                                                 const TextWeights& weights,
                                                 const DecoderOptions& options, Context& ctx);

  int vocab() const override { return config_.vocab; }
  int width() const override { return config_.width; }
  int64_t capacity() const override { return cache_.capacity(); }
  int64_t length() const override { return cache_.length(); }
  void Truncate(int64_t length) override { cache_.Truncate(length); }
  Status Append(const TextInput& input, const AppendOptions& options, MatView logits) override;
  Status BeginBeams(int beams, int64_t max_rows) override;
  Status StepBeams(std::span<const int> parents, std::span<const int32_t> tokens,
                   MatView logits) override;
  void EndBeams() override { beams_.reset(); }

  const KvCache& cache() const { return cache_; }

 private:
  Decoder(const TextConfig& config, const TextWeights& weights, const DecoderOptions& options,
          KvCache cache, Context& ctx);

  void Embed(const TextInput& input, int64_t first, int64_t count);
  void RunLayers(const TextStep& step, int begin, int end);
  enum class LastRow { kWanted, kNotWanted };
  // All layers for rows of which at most the last gets logits; then act_ holds that row alone.
  void ReadRows(const TextStep& step, LastRow last_row);
  // Final norm and head on rows [first, first + logits.rows) of the buffers.
  void Head(int64_t first, const TapSink* taps, MatView logits);

  const TextConfig& config_;
  const TextWeights& weights_;
  DecoderOptions options_;
  KvCache cache_;
  RopeCache rope_;
  TextActivations act_;
  std::optional<BeamSuffixes> beams_;
  Context& ctx_;
};

}  // namespace mcv
