#include "engine/memory/memory_plan.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "family/vision/placeholders.h"
#include "family/vision/slicing.h"
#include "model/pass_memory.h"
#include "model/text/kv_pages.h"

namespace mcv {

namespace {

// Measured (docs/decisions/2026-11-26-memory-plan.md): the program's own pages with its libraries'
// and the allocator's slack; a thread's stack; what a tokenizer takes for a byte of a GGUF's keys,
// which are its tokens and merges, and for a token of an HF folder, whose JSON is parsed.
constexpr int64_t kProgramBytes = 11'000'000;
constexpr int64_t kThreadBytes = 40'000;
constexpr int64_t kTokenizerBytesPerKeyByte = 3;
constexpr int64_t kTokenizerBytesPerToken = 500;
// Logits, scores and candidates, for a token of the vocabulary and a beam.
constexpr int64_t kSamplingBytesPerToken = 16;
// Around a page that is read for the first time the system maps its neighbours too.
constexpr int64_t kFaultAround = 64 * 1024;

int64_t RowsBytes(const ModelConfig& config, const std::vector<PictureShape>& pictures) {
  int64_t views = 0;
  for (const PictureShape& picture : pictures) views += picture.views;
  return views * config.resampler.queries * config.resampler.width *
         static_cast<int64_t>(sizeof(float));
}

PatchGrid LargerSides(const PatchGrid& a, const PatchGrid& b) {
  return {std::max(a.rows, b.rows), std::max(a.cols, b.cols)};
}

// Buffers that are taken as a whole.
int64_t Whole(int64_t bytes) { return UntouchedMemory::ResidentBytes(bytes, PageSize::kLarge); }

// One plan in the making.
class Planner {
 public:
  Planner(const MemoryModel& model, const MemoryRequest& request)
      : model_(model), request_(request) {
    for (const PictureShape& picture : request.pictures) {
      patches_ = std::max(patches_, picture.patches);
      sides_ = LargerSides(sides_, picture.sides);
      pixels_ = std::max(pixels_, picture.pixel_bytes + picture.decoding_bytes);
    }
    has_pictures_ = model.config.has_vision && patches_ > 0;
    if (has_pictures_) {
      ScratchSetting kernels = request.kernels;
      kernels.numerics = request.encoder_numerics.value_or(kernels.numerics);
      view_ = MemoryOfView(model.config, model.shapes, patches_, sides_, kernels);
    }
    const TextConfig& text = model.config.text;
    batch_ = MemoryOfBatch(text, model.shapes.text(), request.cache_type,
                           std::min(request.batch_tokens, Positions(kPrompt)), Positions(kLast),
                           request.kernels);
  }

  MemoryPlan Make() {
    const TextConfig& text = model_.config.text;
    const int64_t tokenizer = model_.metadata_mapped > 0
                                  ? kTokenizerBytesPerKeyByte * model_.metadata_mapped
                                  : kTokenizerBytesPerToken * text.vocab;
    const int64_t program = kProgramBytes + model_.metadata_mapped + tokenizer +
                            kThreadBytes * request_.kernels.threads;
    Add("program and tokenizer", {program, program, program, program});
    Add("weights as copies", {model_.owned, model_.owned, model_.owned, model_.owned});
    AddEncoderWeights();
    AddLanguageWeights();
    AddCache();
    AddBuffers();
    AddPictures();
    for (int phase = 0; phase < kMemoryPhases; ++phase) {
      if (plan_.totals[static_cast<size_t>(phase)] > plan_.peak()) {
        plan_.worst = static_cast<MemoryPhase>(phase);
      }
    }
    return std::move(plan_);
  }

 private:
  using Bytes = std::array<int64_t, kMemoryPhases>;
  static constexpr bool kPrompt = false;
  static constexpr bool kLast = true;

  void Add(std::string_view name, const Bytes& bytes) {
    plan_.items.push_back({name, bytes});
    for (size_t phase = 0; phase < bytes.size(); ++phase) plan_.totals[phase] += bytes[phase];
  }

  // That are held at the end of the prompt, or of the answer.
  int64_t Positions(bool last) const {
    if (request_.whole_context) return request_.context;
    return last ? request_.all_positions() : request_.prompt_positions();
  }
  // In a conversation a picture may come when all of this is there already.
  int64_t WhenLater(int64_t bytes) const {
    return request_.whole_context && has_pictures_ ? bytes : 0;
  }

  void AddEncoderWeights() {
    const int64_t vision = has_pictures_ || request_.files_in_memory ? model_.vision_mapped : 0;
    const int64_t before = request_.files_in_memory ? vision : 0;
    const int64_t after = request_.files_in_memory || model_.pages_stay ? vision : 0;
    Add("encoder's weights", {before, vision, after, after});
  }

  void AddLanguageWeights() {
    if (request_.files_in_memory) {
      const int64_t all = model_.text_mapped + model_.embedding_mapped;
      Add("language model's weights", {all, all, all, all});
      return;
    }
    const auto bytes = [&](bool last) {
      const int64_t rows = Positions(last) * kFaultAround;
      return model_.text_mapped + std::min(model_.embedding_mapped, rows);
    };
    const int64_t kept = model_.pages_stay ? WhenLater(bytes(kLast)) : 0;
    Add("language model's weights", {0, kept, bytes(kPrompt), bytes(kLast)});
  }

  void AddCache() {
    const KvLayout layout = KvLayout::Of(model_.config.text, request_.cache_type);
    const auto bytes = [&](int64_t positions) {
      // The cache asks for small pages, whatever the machine gives to others.
      constexpr int64_t kSmallPage = 4096;
      return layout.ResidentBytes(positions, std::min<int64_t>(request_.page_bytes, kSmallPage));
    };
    plan_.cache_reserved = bytes(request_.context);
    const int64_t last = bytes(Positions(kLast));
    Add("KV cache", {0, WhenLater(last), bytes(Positions(kPrompt)), last});
    if (request_.beams == 1) return;
    // Each continues the prompt's last block in a copy of its own.
    const int64_t rows =
        std::min(request_.answer_tokens + kKvBlock - 1, std::max(request_.context, kKvBlock));
    Add("what beams add", {0, 0, 0, request_.beams * rows * layout.bytes_per_position()});
  }

  void AddBuffers() {
    const int64_t vocab = model_.config.text.vocab;
    const int64_t text =
        Whole(batch_.activations) + batch_.tables + kSamplingBytesPerToken * vocab * request_.beams;
    const int64_t scratch = Whole(std::max(view_.scratch, batch_.scratch));
    Add("encoder's buffers", {0, Whole(view_.activations) + view_.tables, 0, 0});
    Add("language model's buffers", {0, WhenLater(text), text, text});
    Add("kernels' scratch",
        {0, request_.whole_context ? WhenLater(scratch) : Whole(view_.scratch), scratch, scratch});
  }

  void AddPictures() {
    const int64_t rows = has_pictures_ ? RowsBytes(model_.config, request_.pictures) : 0;
    Add("pictures' pixels", {0, has_pictures_ ? pixels_ : 0, 0, 0});
    Add("pictures' rows", {0, rows, rows, rows});
    const int64_t kept = WhenLater(request_.kept_bytes);
    Add("earlier pictures' rows", {0, kept, kept, kept});
  }

  const MemoryModel& model_;
  const MemoryRequest& request_;
  bool has_pictures_ = false;
  int64_t patches_ = 0, pixels_ = 0;
  PatchGrid sides_;
  ViewMemory view_;
  BatchMemory batch_;
  MemoryPlan plan_;
};

PatchGrid SidesOf(const PixelSize& size, int patch) {
  return {size.height / patch, size.width / patch};
}

int64_t PatchesOf(const PixelSize& size, int patch) { return SidesOf(size, patch).num_patches(); }

int64_t PixelBytes(const PixelSize& size) { return int64_t{3} * size.width * size.height; }

}  // namespace

std::string_view MemoryPhaseName(MemoryPhase phase) {
  constexpr std::array<std::string_view, kMemoryPhases> kNames = {"open", "encode", "prefill",
                                                                  "decode"};
  return kNames[static_cast<size_t>(phase)];
}

Result<MemoryModel> MemoryModelOf(const ModelFiles& files, const ModelConfig& config) {
  MemoryModel model;
  model.config = config;
  MCV_ASSIGN_OR_RETURN(model.shapes, Weights::BindShapes(files));
  model.owned = static_cast<int64_t>(model.shapes.owned_bytes());
  for (const TensorSpec& spec : files.tensors()) {
    MCV_ASSIGN_OR_RETURN(const TensorData data, files.Find(spec));
    model.pages_stay |= data.file == nullptr;
    const auto bytes = static_cast<int64_t>(data.bytes.size());
    if (spec.file == TensorFile::kVision) {
      model.vision_mapped += bytes;
      model.vision_elements += spec.elements();
    } else if (spec.id == "text.embed" && !config.text.tied_head) {
      model.embedding_mapped = bytes;
    } else {
      model.text_mapped += bytes;
      model.text_elements += spec.elements();
    }
  }
  for (const GgufFile* file : {files.text_gguf(), files.vision_gguf()}) {
    if (file == nullptr) continue;
    model.metadata_mapped += static_cast<int64_t>(file->file_bytes());
    for (const GgufTensor& tensor : file->tensors()) {
      model.metadata_mapped -= static_cast<int64_t>(tensor.data.size());
    }
  }
  model.metadata_mapped = std::max<int64_t>(model.metadata_mapped, 0);  // tensors may overlap
  return model;
}

PictureShape PictureShapeOf(const ModelConfig& config, int width, int height) {
  const SlicePlan plan = PlanSlices(width, height, config.slicing);
  const int patch = config.slicing.patch;
  PictureShape shape;
  shape.width = width;
  shape.height = height;
  shape.views = plan.num_views();
  shape.patches = PatchesOf(plan.overview, patch);
  shape.sides = SidesOf(plan.overview, patch);
  shape.pixel_bytes = PixelBytes(plan.overview);
  shape.decoding_bytes = PixelBytes({width, height});
  if (plan.is_cut()) {
    shape.patches = std::max(shape.patches, PatchesOf(plan.cell, patch));
    shape.sides = LargerSides(shape.sides, SidesOf(plan.cell, patch));
    shape.pixel_bytes += 2 * PixelBytes(plan.refine);
  }
  for (const PlaceholderPiece& piece : ImagePlaceholder(plan, StyleOf(config), 0)) {
    shape.positions += piece.kind == PlaceholderPiece::Kind::kQueries ? piece.num_queries : 1;
  }
  return shape;
}

PictureShape LargestPictureShape(const ModelConfig& config) {
  // The most slices in the squarest grid, each of the size that the encoder was trained on.
  const int slices = std::max(config.slicing.max_slices, 1);
  int rows = 1;
  for (int side = 1; side * side <= slices; ++side) {
    if (slices % side == 0) rows = side;
  }
  const int side = config.slicing.scale_resolution;
  return PictureShapeOf(config, side * (slices / rows), side * rows);
}

int64_t MemoryRequest::prompt_positions() const {
  int64_t positions = question_tokens;
  for (const PictureShape& picture : pictures) positions += picture.positions;
  return std::min(positions, context);
}

int64_t MemoryRequest::all_positions() const {
  return std::min(prompt_positions() + answer_tokens, context);
}

MemoryPlan PlanMemory(const MemoryModel& model, const MemoryRequest& request) {
  return Planner(model, request).Make();
}

MemoryPlan PlanWholeContext(const MemoryModel& model, MemoryRequest request) {
  request.whole_context = true;
  return PlanMemory(model, request);
}

std::string MemoryText(int64_t bytes) {
  char text[32];
  const double value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.1f GB", value / 1e9);
  } else {
    std::snprintf(text, sizeof text, bytes >= 10'000'000 ? "%.0f MB" : "%.1f MB", value / 1e6);
  }
  return text;
}

}  // namespace mcv
