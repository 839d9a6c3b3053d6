// The language model: embedding, layers, head, in one pass over the rows of several sequences.
#pragma once

#include <memory>
#include <vector>

#include "family/config.h"
#include "model/activations.h"
#include "model/text/decoder_layer.h"
#include "model/text/kv_pages.h"
#include "model/text/rope_table.h"
#include "model/text/text_model.h"
#include "model/weights.h"

namespace mcv {

struct DecoderOptions {
  int64_t capacity = 0;  // positions of a sequence; at most config.max_positions is sensible
  DType cache_type = DType::kF16;
  int64_t batch_tokens = 512;  // a prompt is read so many tokens at a time
};

// Owns the buffers of a pass; config, weights and context are borrowed and must outlive it.
class Decoder final : public TextModel {
 public:
  static Result<std::unique_ptr<Decoder>> Create(const TextConfig& config,
                                                 const TextWeights& weights,
                                                 const DecoderOptions& options, Context& ctx);

  int vocab() const override { return config_.vocab; }
  int width() const override { return config_.width; }
  int64_t capacity() const override { return options_.capacity; }
  int64_t batch_tokens() const override { return options_.batch_tokens; }
  std::unique_ptr<TextSequence> NewSequence() override;
  Status Step(std::span<const TextRun> runs, const StepOptions& options, MatView logits) override;

  const KvLayout& layout() const { return layout_; }

 private:
  Decoder(const TextConfig& config, const TextWeights& weights, const DecoderOptions& options,
          RopeCache rope, Context& ctx);

  Status Admit(std::span<const TextRun> runs);
  void Embed(std::span<const TextRun> runs);
  // What the rows of act_ belong to, for a step over them.
  TextStep Describe(const TapSink* taps);
  Status RunLayers(const TextStep& step, int begin, int end, const StepOptions& options);
  // From here on only the rows whose logits are wanted.
  void KeepWantedRows(std::span<const TextRun> runs);
  // Final norm and head on all rows that act_ has.
  Status Head(const TapSink* taps, MatView logits);

  const TextConfig& config_;
  const TextWeights& weights_;
  const DecoderOptions options_;
  const KvLayout layout_;
  RopeCache rope_;
  TextActivations act_;
  // Of the step that runs.
  std::vector<SequenceRows> sequences_;
  std::vector<PositionRange> positions_;
  std::vector<int64_t> rows_;  // of each sequence: Context::runs
  Context& ctx_;
};

}  // namespace mcv
