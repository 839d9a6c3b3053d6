#include "base/read_ahead.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

#include "base/mapped_file.h"

namespace mcv {
namespace {

using Bytes = std::span<const std::byte>;

// Large enough for a disk's full speed, small enough to stop at once.
constexpr size_t kPieceBytes = size_t{4} << 20;

// Cut where large pages begin, so that none is asked for twice.
std::vector<Bytes> Pieces(std::span<const Bytes> ranges) {
  std::vector<Bytes> pieces;
  for (Bytes range : ranges) {
    while (!range.empty()) {
      const size_t past = reinterpret_cast<uintptr_t>(range.data()) % kPieceBytes;
      const size_t count = std::min(kPieceBytes - past, range.size());
      pieces.push_back(range.first(count));
      range = range.subspan(count);
    }
  }
  return pieces;
}

}  // namespace

ReadAhead::ReadAhead(std::vector<Bytes> ranges) : ranges_(std::move(ranges)) {
  try {
    pieces_ = Pieces(ranges_);
    thread_ = std::thread([this] { Run(); });
  } catch (const std::exception&) {
    // No thread or no memory to be had: what is not read ahead is read when it is touched.
  }
}

ReadAhead::~ReadAhead() {
  stop_.store(true, std::memory_order_relaxed);
  Wait();
}

void ReadAhead::Wait() {
  if (thread_.joinable()) thread_.join();
}

// What is in the cache already, or where the system does not say, is left alone.
void ReadAhead::Run() const {
  for (const Bytes piece : pieces_) {
    if (stop_.load(std::memory_order_relaxed)) return;
    const auto pages = MappedFile::CountCached(piece);
    if (pages.ok() && pages->cached < pages->all) MappedFile::WillNeed(piece);
  }
}

void MapCached(std::span<const Bytes> ranges, ThreadPool& pool) {
  const std::vector<Bytes> pieces = Pieces(ranges);
  pool.For(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) MappedFile::MapCached(pieces[static_cast<size_t>(i)]);
  });
}

}  // namespace mcv
