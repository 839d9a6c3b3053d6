// What will be resident when, before anything is loaded: a pure function of the model's shapes and
// of what is asked of it.
//
// Counted is what the system counts as resident: memory that was written, and pages of the mapped
// files while they are in use. The latter are the file's own, so the system can take them back
// under pressure and a second process shares them; they count all the same. Address space that was
// only reserved (the cache's later positions) does not.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "family/model_files.h"
#include "family/vision/positions.h"
#include "formats/dtype.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace mcv {

// A conversation's phases; each ends before the next begins.
enum class MemoryPhase { kOpen, kEncode, kPrefill, kDecode };
inline constexpr int kMemoryPhases = 4;
std::string_view MemoryPhaseName(MemoryPhase phase);  // "open", "encode", "prefill", "decode"

// What a plan knows of a model. Bytes.
struct MemoryModel {
  ModelConfig config;
  Weights shapes;                // from BindShapes: never read
  int64_t vision_mapped = 0;     // the encoder's tensors
  int64_t text_mapped = 0;       // the language model's, without a table that is only looked up in
  int64_t embedding_mapped = 0;  // that table; 0 where it is the head as well
  int64_t text_elements = 0;     // of text_mapped: what another type would take
  int64_t vision_elements = 0;   // of vision_mapped
  int64_t metadata_mapped = 0;   // what lies in GGUF files beside tensors
  bool pages_stay = false;       // the files lie in memory that cannot be given back
  int64_t owned = 0;             // weights that cannot stay as the file has them
};

// Reads headers only; the views inside belong to `files`.
Result<MemoryModel> MemoryModelOf(const ModelFiles& files, const ModelConfig& config);

// A picture as far as memory goes.
struct PictureShape {
  int width = 0, height = 0;  // upright
  int views = 0;
  int64_t patches = 0;         // of the largest view, padding included
  PatchGrid sides;             // the most patches that any view has each way
  int64_t positions = 0;       // in the prompt, brackets included
  int64_t pixel_bytes = 0;     // the views', and the resized picture that they are cut from
  int64_t decoding_bytes = 0;  // the picture itself and what its decoder needs
};
PictureShape PictureShapeOf(const ModelConfig& config, int width, int height);
// One that is cut into as many views as the model allows.
PictureShape LargestPictureShape(const ModelConfig& config);

struct MemoryRequest {
  ScratchSetting kernels;
  std::optional<Numerics> encoder_numerics;  // nothing: as `kernels`
  // The files were read into memory when the model was opened: all weights are there at any time.
  bool files_in_memory = false;
  int64_t context = 0;  // positions that the cache is made for
  DType cache_type = DType::kF16;
  int64_t batch_tokens = 512;
  int64_t question_tokens = 64;  // the text of the prompt, the template included
  int64_t answer_tokens = 0;
  int beams = 1;
  std::vector<PictureShape> pictures;
  // What the cache of encoded pictures may hold of earlier ones; counted with `whole_context`.
  int64_t kept_bytes = 0;
  // The worst that a conversation comes to: all positions taken, and a picture after that.
  bool whole_context = false;
  int64_t page_bytes = 4096;  // in which large blocks are given (base/machine_memory.h)

  int64_t prompt_positions() const;  // at most `context`
  int64_t all_positions() const;     // with the answer; at most `context`
};

struct MemoryItem {
  std::string_view name;
  std::array<int64_t, kMemoryPhases> bytes = {};
};

struct MemoryPlan {
  std::vector<MemoryItem> items;
  std::array<int64_t, kMemoryPhases> totals = {};
  int64_t cache_reserved = 0;  // address space of the whole context
  MemoryPhase worst = MemoryPhase::kOpen;
  int64_t peak() const { return totals[static_cast<size_t>(worst)]; }
};

MemoryPlan PlanMemory(const MemoryModel& model, const MemoryRequest& request);
// The same with `whole_context`: what a limit is held against.
MemoryPlan PlanWholeContext(const MemoryModel& model, MemoryRequest request);

// "4.9 GB", "120 MB", "0.4 MB": powers of ten.
std::string MemoryText(int64_t bytes);

}  // namespace mcv
