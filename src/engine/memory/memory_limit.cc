#include "engine/memory/memory_limit.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace mcv {

namespace {

// A batch below this is slower at no gain worth having, so the context gives way first.
constexpr int64_t kGoodBatch = 128;
constexpr int64_t kLeastBatch = 32;
// A default context is shortened to no less: a picture of ten views and an answer.
constexpr int64_t kLeastContext = 1536;
constexpr int64_t kContextStep = 256;
constexpr int64_t kWorthTelling = 1'000'000;
// Bits of an element as Q4_K and as Q8_0.
constexpr double kQ4Bits = 4.5;
constexpr double kQ8Bits = 8.5;

int64_t PeakOf(const MemoryModel& model, const MemoryRequest& request) {
  return PlanWholeContext(model, request).peak();
}

// The longest context in whole steps that fits, or nothing.
std::optional<int64_t> LongestContext(const MemoryModel& model, MemoryRequest request,
                                      int64_t limit) {
  int64_t fits = 0;
  int64_t too_long = request.context / kContextStep + 1;
  while (too_long - fits > 1) {
    const int64_t middle = fits + (too_long - fits) / 2;
    request.context = middle * kContextStep;
    (PeakOf(model, request) <= limit ? fits : too_long) = middle;
  }
  return fits > 0 ? std::optional(fits * kContextStep) : std::nullopt;
}

std::string ItemsText(const MemoryPlan& plan) {
  std::vector<std::pair<int64_t, std::string_view>> items;
  for (const MemoryItem& item : plan.items) {
    items.emplace_back(item.bytes[static_cast<size_t>(plan.worst)], item.name);
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [bytes, name] : items) {
    if (bytes < plan.peak() / 100) break;
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + MemoryText(bytes);
  }
  return text;
}

Status Refuse(const MemoryModel& model, const MemoryRequest& request, int64_t limit) {
  const MemoryPlan plan = PlanWholeContext(model, request);
  std::string text = "the memory limit is " + MemoryText(limit) + ", but with a context of " +
                     std::to_string(request.context) + " positions this needs " +
                     MemoryText(plan.peak()) + " (" + ItemsText(plan) + " in phase '" +
                     std::string(MemoryPhaseName(plan.worst)) + "')";
  const std::vector<MemoryAdvice> advice = AdviseMemory(model, request, limit);
  if (advice.empty()) return ResourceExhausted(text + "; no option makes it smaller");
  text += "; what helps: ";
  for (size_t i = 0; i < advice.size() && i < 4; ++i) {
    text += (i > 0 ? "; " : "") + advice[i].change + " saves " + MemoryText(advice[i].saving) +
            (advice[i].suffices ? " and suffices" : "");
  }
  return ResourceExhausted(text);
}

// Collects what lowers the peak.
class Adviser {
 public:
  Adviser(const MemoryModel& model, const MemoryRequest& request, int64_t limit)
      : model_(model), request_(request), limit_(limit), peak_(PeakOf(model, request)) {}

  std::vector<MemoryAdvice> Make() {
    ShorterContext();
    FewerSlices();
    FewerThreads();
    SmallerBatch();
    WithoutEncoder();
    HalfTheCache();
    WithoutEarlierPictures();
    MappedFiles();
    OtherTypes();
    std::stable_sort(advice_.begin(), advice_.end(),
                     [](const auto& a, const auto& b) { return a.saving > b.saving; });
    return std::move(advice_);
  }

 private:
  void Try(const std::string& change, const MemoryRequest& request) {
    AddPeak(change, PeakOf(model_, request));
  }
  void AddPeak(const std::string& change, int64_t peak) {
    if (peak_ - peak < kWorthTelling) return;
    advice_.push_back({change, peak_ - peak, peak <= limit_});
  }

  void ShorterContext() {
    MemoryRequest request = request_;
    request.context = LongestContext(model_, request_, limit_).value_or(kContextStep);
    request.context = std::max(std::min(request.context, request_.context / 2), kContextStep);
    if (request.context < request_.context) {
      Try("--ctx " + std::to_string(request.context), request);
    }
  }

  void FewerSlices() {
    if (model_.config.slicing.max_slices == 1 || request_.pictures.empty()) return;
    ModelConfig config = model_.config;
    config.slicing.max_slices = 1;
    MemoryRequest request = request_;
    for (PictureShape& picture : request.pictures) {
      const int64_t decoding = picture.decoding_bytes;
      picture = PictureShapeOf(config, picture.width, picture.height);
      picture.decoding_bytes = decoding;
    }
    Try("--max-slices 1", request);
  }

  void FewerThreads() {
    MemoryRequest request = request_;
    request.kernels.threads = std::max(1, request.kernels.threads / 2);
    Try("--threads " + std::to_string(request.kernels.threads), request);
  }

  void SmallerBatch() {
    MemoryRequest request = request_;
    request.batch_tokens = std::min(request.batch_tokens, kGoodBatch);
    Try("--memory-limit (reads prompts " + std::to_string(request.batch_tokens) +
            " tokens at a time)",
        request);
  }

  void WithoutEncoder() {
    if (!model_.config.has_vision) return;
    MemoryRequest request = request_;
    request.pictures.clear();
    const int64_t file = request_.files_in_memory ? model_.vision_mapped : 0;
    AddPeak("--text-only", PeakOf(model_, request) - file);
  }

  void HalfTheCache() {
    if (request_.kernels.numerics != Numerics::kExact) return;
    MemoryRequest request = request_;
    request.kernels.numerics = Numerics::kFast;
    request.cache_type = DType::kF16;
    Try("--numerics fast", request);
  }

  void WithoutEarlierPictures() {
    MemoryRequest request = request_;
    request.kept_bytes = 0;
    Try("--picture-cache off", request);
  }

  void MappedFiles() {
    MemoryRequest request = request_;
    request.files_in_memory = false;
    Try("leaving --no-mmap out", request);
  }

  // The peak when a half's weights have so many bytes less; the other phases stay as they are.
  int64_t PeakWithLess(int64_t vision_less, int64_t text_less) const {
    const MemoryPlan plan = PlanWholeContext(model_, request_);
    if (request_.files_in_memory) return plan.peak() - vision_less - text_less;
    const auto& totals = plan.totals;
    return std::max(
        {totals[0], totals[1] - vision_less, totals[2] - text_less, totals[3] - text_less});
  }

  void OtherTypes() {
    const auto less = [](int64_t now, int64_t elements, double bits) {
      return now - static_cast<int64_t>(static_cast<double>(elements) * bits / 8);
    };
    const int64_t text = less(model_.text_mapped, model_.text_elements, kQ4Bits);
    if (text > model_.text_mapped / 10) {
      AddPeak("a Q4_K file of the language model", PeakWithLess(0, text));
    }
    const int64_t vision = less(model_.vision_mapped, model_.vision_elements, kQ8Bits);
    if (vision > model_.vision_mapped / 10) {
      AddPeak("a Q8_0 file of the encoder", PeakWithLess(vision, 0));
    }
  }

  const MemoryModel& model_;
  const MemoryRequest& request_;
  int64_t limit_;
  int64_t peak_;
  std::vector<MemoryAdvice> advice_;
};

// The largest batch of `batches` that fits.
bool FitBatch(const MemoryModel& model, int64_t limit, int64_t least, MemoryRequest* request) {
  while (PeakOf(model, *request) > limit) {
    if (request->batch_tokens / 2 < least) return false;
    request->batch_tokens /= 2;
  }
  return true;
}

bool FitContext(const MemoryModel& model, int64_t limit, MemoryRequest* request) {
  const int64_t given = request->context;
  request->context = LongestContext(model, *request, limit).value_or(0);
  if (request->context >= std::min(kLeastContext, given)) return true;
  request->context = std::min(kLeastContext, given);
  return false;
}

std::vector<std::string> ChangesBetween(const MemoryRequest& before, const MemoryRequest& after,
                                        int64_t limit) {
  std::vector<std::string> notes;
  const std::string reason = " because of the limit of " + MemoryText(limit);
  if (after.context < before.context) {
    notes.push_back("the context is " + std::to_string(after.context) + " positions instead of " +
                    std::to_string(before.context) + reason);
  }
  if (after.batch_tokens < before.batch_tokens) {
    notes.push_back("prompts are read " + std::to_string(after.batch_tokens) +
                    " tokens at a time instead of " + std::to_string(before.batch_tokens) + reason);
  }
  return notes;
}

}  // namespace

std::vector<MemoryAdvice> AdviseMemory(const MemoryModel& model, const MemoryRequest& request,
                                       int64_t limit) {
  return Adviser(model, request, limit).Make();
}

FittedRequest ComeClosestToLimit(const MemoryModel& model, const MemoryRequest& request,
                                 bool context_is_free, int64_t limit) {
  MemoryRequest fitted = request;
  const bool fits = FitBatch(model, limit, kGoodBatch, &fitted) ||
                    (context_is_free && FitContext(model, limit, &fitted)) ||
                    FitBatch(model, limit, kLeastBatch, &fitted);
  return {fitted, ChangesBetween(request, fitted, limit),
          fits ? OkStatus() : Refuse(model, fitted, limit)};
}

Result<FittedRequest> FitToLimit(const MemoryModel& model, const MemoryRequest& request,
                                 bool context_is_free, int64_t limit) {
  FittedRequest fitted = ComeClosestToLimit(model, request, context_is_free, limit);
  if (!fitted.refusal.ok()) return fitted.refusal;
  return fitted;
}

Status CheckRoomForFiles(uint64_t bytes, std::optional<uint64_t> room) {
  if (!room || bytes <= *room) return OkStatus();
  return ResourceExhausted("--no-mmap reads " + MemoryText(static_cast<int64_t>(bytes)) +
                           " of files into memory, but there is room for " +
                           MemoryText(static_cast<int64_t>(*room)) +
                           "; without it the files stay on the disk and their pages come and go");
}

Status MemoryGuard::Check(const MemoryRequest& request, const std::string& what) const {
  const MemoryPlan plan = PlanWholeContext(model_, request);
  if (plan.peak() <= limit_) return OkStatus();
  return ResourceExhausted(what + " would take the memory to " + MemoryText(plan.peak()) + " (" +
                           ItemsText(plan) + "), but the limit is " + MemoryText(limit_));
}

Status MemoryGuard::CheckPicture(const PictureShape& picture, int views_held) const {
  MemoryRequest request = request_;
  PictureShape held;
  held.views = views_held;
  request.pictures = {picture, held};
  return Check(request, "a picture of " + std::to_string(picture.width) + "x" +
                            std::to_string(picture.height) + " pixels (" +
                            std::to_string(picture.views) + " views, " +
                            std::to_string(views_held) + " held already)");
}

Status MemoryGuard::CheckBeams(int beams, int64_t rows, int views_held) const {
  MemoryRequest request = request_;
  for (PictureShape& picture : request.pictures) {
    picture.views = std::max(picture.views, views_held);
  }
  request.beams = beams;
  request.answer_tokens = rows;
  return Check(request, "a search with " + std::to_string(beams) + " beams of up to " +
                            std::to_string(rows) + " tokens");
}

}  // namespace mcv
