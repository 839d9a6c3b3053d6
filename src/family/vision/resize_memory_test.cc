// Who allocates while a picture is resized: an allocation that fails in a pool's worker would end
// the process, so only the caller may.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "base/thread_pool.h"
#include "family/vision/resize.h"

namespace {
thread_local int64_t allocations_of_this_thread = 0;
}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations_of_this_thread;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace mcv {
namespace {

TEST(ResizeMemory, WorkersAllocateNothing) {
  constexpr int kWorkers = 3;
  ThreadPool pool(kWorkers);
  Image image;
  image.width = 120;
  image.height = 700;
  image.pixels.resize(size_t{3} * 120 * 700, 7);
  int64_t counts[kWorkers] = {};
  for (const auto& [width, height] : {std::pair(60, 350), {120, 350}, {60, 700}, {240, 1400}}) {
    pool.Run([&](int worker) { counts[worker] = allocations_of_this_thread; });
    ResizeBicubic(image, width, height, &pool);
    pool.Run([&](int worker) { counts[worker] = allocations_of_this_thread - counts[worker]; });
    EXPECT_GT(counts[0], 0);
    for (int worker = 1; worker < kWorkers; ++worker) EXPECT_EQ(counts[worker], 0) << worker;
  }
}

}  // namespace
}  // namespace mcv
