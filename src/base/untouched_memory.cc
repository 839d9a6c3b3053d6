#include "model/text/untouched_memory.h"

#include <sys/mman.h>

#include <utility>

namespace mcv {

UntouchedMemory UntouchedMemory::Take(int64_t bytes) {
  UntouchedMemory memory;
  const auto size = static_cast<size_t>(bytes);
  void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return memory;
  ::madvise(pages, size, MADV_NOHUGEPAGE);  // a kernel without huge pages refuses; as good
  memory.data_ = static_cast<std::byte*>(pages);
  memory.size_ = size;
  return memory;
}

UntouchedMemory::UntouchedMemory(UntouchedMemory&& other) noexcept { *this = std::move(other); }

UntouchedMemory& UntouchedMemory::operator=(UntouchedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

UntouchedMemory::~UntouchedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace mcv
