#include "base/read_ahead.h"

#include <algorithm>
#include <utility>

#include "base/mapped_file.h"

namespace mcv {
namespace {

// Large enough for a disk's full speed, small enough to stop at once.
constexpr size_t kPieceBytes = size_t{4} << 20;

}  // namespace

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> ranges)
    : ranges_(std::move(ranges)), thread_([this] { Run(); }) {}

ReadAhead::~ReadAhead() {
  stop_.store(true, std::memory_order_relaxed);
  Wait();
}

void ReadAhead::Wait() {
  if (thread_.joinable()) thread_.join();
}

// What is in the cache already, or where the system does not say, is left alone.
void ReadAhead::Run() const {
  for (const std::span<const std::byte> range : ranges_) {
    for (size_t i = 0; i < range.size(); i += kPieceBytes) {
      if (stop_.load(std::memory_order_relaxed)) return;
      const auto piece = range.subspan(i, std::min(kPieceBytes, range.size() - i));
      const auto pages = MappedFile::CountCached(piece);
      if (pages.ok() && pages->cached < pages->all) MappedFile::WillNeed(piece);
    }
  }
}

}  // namespace mcv
