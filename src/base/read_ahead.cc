#include "base/read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace mcv {
namespace {

// Large enough for a disk's full speed, small enough to stop at once.
constexpr size_t kPieceBytes = size_t{4} << 20;

// Whole pages that touch the range.
struct Pages {
  std::byte* data = nullptr;
  size_t bytes = 0;
  size_t count = 0;
};

Pages PagesOf(std::span<const std::byte> range) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(range.data()) / page * page;
  const uintptr_t end =
      (reinterpret_cast<uintptr_t>(range.data()) + range.size() + page - 1) / page * page;
  return {reinterpret_cast<std::byte*>(begin), end - begin, (end - begin) / page};
}

}  // namespace

double ShareInFileCache(std::span<const std::byte> range) {
  if (range.empty()) return 1.0;
  const Pages pages = PagesOf(range);
  std::vector<unsigned char> resident(pages.count);
  if (::mincore(pages.data, pages.bytes, resident.data()) != 0) return 1.0;
  const auto cached =
      std::count_if(resident.begin(), resident.end(), [](unsigned char c) { return c & 1; });
  return static_cast<double>(cached) / static_cast<double>(pages.count);
}

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> ranges)
    : ranges_(std::move(ranges)), thread_([this] { Run(); }) {}

ReadAhead::~ReadAhead() {
  stop_.store(true, std::memory_order_relaxed);
  Wait();
}

void ReadAhead::Wait() {
  if (thread_.joinable()) thread_.join();
}

// What is in the cache already is left alone: asking again costs three times what looking does.
void ReadAhead::Run() const {
  for (const std::span<const std::byte> range : ranges_) {
    for (size_t i = 0; i < range.size(); i += kPieceBytes) {
      if (stop_.load(std::memory_order_relaxed)) return;
      const auto piece = range.subspan(i, std::min(kPieceBytes, range.size() - i));
      if (ShareInFileCache(piece) == 1.0) continue;
      const Pages pages = PagesOf(piece);
      ::madvise(pages.data, pages.bytes, MADV_WILLNEED);
    }
  }
}

}  // namespace mcv
