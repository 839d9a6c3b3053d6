#include "base/untouched_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MCV_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MCV_ADDRESS_SANITIZER
#endif
#ifdef MCV_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace mcv {
namespace {

// What lies behind the last byte that was asked for: a sanitizer tells whoever touches it, as it
// would behind memory of its own allocator. `end` is that of the mapping, inside its last page.
void ForbidBehind([[maybe_unused]] std::byte* last, [[maybe_unused]] std::byte* end) {
#ifdef MCV_ADDRESS_SANITIZER
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t to_page = -reinterpret_cast<uintptr_t>(end) % page;
  __asan_poison_memory_region(last, static_cast<size_t>(end - last) + to_page);
#endif
}

void AllowAll([[maybe_unused]] std::byte* data, [[maybe_unused]] size_t bytes) {
#ifdef MCV_ADDRESS_SANITIZER
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  __asan_unpoison_memory_region(data, (bytes + page - 1) / page * page);
#endif
}

std::byte* MapPages(size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<std::byte*>(pages);
}

// Whole large pages: what is too much before and behind is given back. Systems before Linux 6.7 put
// a mapping anywhere.
std::byte* MapLargePages(size_t bytes) {
  constexpr size_t kPage = UntouchedMemory::kLargePage;
  std::byte* pages = MapPages(bytes + kPage);
  if (pages == nullptr) return nullptr;
  const size_t before = (kPage - reinterpret_cast<uintptr_t>(pages) % kPage) % kPage;
  if (before > 0) ::munmap(pages, before);
  ::munmap(pages + before + bytes, kPage - before);
  return pages + before;
}

}  // namespace

// Kernels that know no large pages refuse the advice; as good.
UntouchedMemory UntouchedMemory::Take(int64_t bytes, PageSize pages) {
  UntouchedMemory memory;
  const bool large = pages == PageSize::kLarge && bytes >= kLargePage;
  const auto whole = static_cast<size_t>(ResidentBytes(bytes, pages));
  memory.data_ = large ? MapLargePages(whole) : MapPages(whole);
  if (memory.data_ == nullptr) return memory;
  memory.size_ = static_cast<size_t>(bytes);
  if (large) ::madvise(memory.data_, whole, MADV_HUGEPAGE);
  if (pages == PageSize::kSmall) ::madvise(memory.data_, whole, MADV_NOHUGEPAGE);
  memory.mapped_ = whole;
  ForbidBehind(memory.data_ + bytes, memory.data_ + whole);
  return memory;
}

void UntouchedMemory::Touch(std::byte* data, int64_t bytes) {
  constexpr int kPopulateWrite = 23;  // the C library's headers of older systems lack the name
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data + bytes);
  ::madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateWrite);
}

UntouchedMemory::UntouchedMemory(UntouchedMemory&& other) noexcept { *this = std::move(other); }

UntouchedMemory& UntouchedMemory::operator=(UntouchedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

UntouchedMemory::~UntouchedMemory() {
  if (data_ == nullptr) return;
  AllowAll(data_, mapped_);
  ::munmap(data_, mapped_);
}

}  // namespace mcv
