// Keeping to a limit: what is changed by itself before anything is loaded, what is refused and with
// which advice, and what a running conversation may still take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/memory/memory_plan.h"

namespace mcv {

// A change that a user can make, and by how much it lowers the peak of the whole context.
struct MemoryAdvice {
  std::string change;  // "--ctx 4096", "a Q4_K file of the language model"
  int64_t saving = 0;  // bytes; above 0
  bool suffices = false;
};

// Largest saving first. `limit` decides what suffices, and how small a context is proposed.
std::vector<MemoryAdvice> AdviseMemory(const MemoryModel& model, const MemoryRequest& request,
                                       int64_t limit);

struct FittedRequest {
  MemoryRequest request;
  std::vector<std::string> notes;  // what was changed and why
  Status refusal;  // not OK: it does not fit; says what takes how much and what to change
};

// The request, or what comes closest to staying within the limit with the whole context taken: a
// smaller prefill batch, and where the context is the default a shorter one. Neither changes an
// answer.
FittedRequest ComeClosestToLimit(const MemoryModel& model, const MemoryRequest& request,
                                 bool context_is_free, int64_t limit);
// The same, or its refusal: ResourceExhausted.
Result<FittedRequest> FitToLimit(const MemoryModel& model, const MemoryRequest& request,
                                 bool context_is_free, int64_t limit);

// Whether files of so many bytes may be read into memory where there is so much room (nothing: the
// system does not say). ResourceExhausted names both.
Status CheckRoomForFiles(uint64_t bytes, std::optional<uint64_t> room);

// Asked by a session before it takes memory that the plan has not counted. Immutable.
class MemoryGuard {
 public:
  MemoryGuard(MemoryModel model, MemoryRequest request, int64_t limit)
      : model_(std::move(model)), request_(std::move(request)), limit_(limit) {}

  // May a picture be encoded while `views_held` views of others are kept?
  Status CheckPicture(const PictureShape& picture, int views_held) const;
  // May `beams` be searched with up to `rows` new tokens each?
  Status CheckBeams(int beams, int64_t rows, int views_held) const;

  int64_t limit() const { return limit_; }
  const MemoryModel& model() const { return model_; }

 private:
  Status Check(const MemoryRequest& request, const std::string& what) const;

  MemoryModel model_;
  MemoryRequest request_;
  int64_t limit_;
};

}  // namespace mcv
