// Keeps the process alive when a mapped file loses pages under it: somebody truncates the file, a
// disk or a network file system fails. The system answers a read of such a page with SIGBUS, whose
// default is to end the process, and every conversation in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mcv {

// A range of addresses that is watched as long as this object lives. A read that fails there is
// answered with zeros from that page to the end of the range, and damaged() is true from then on:
// whoever computes with the bytes asks before believing the result.
//
// The first guard installs a handler for SIGBUS (with SA_ONSTACK). Faults outside every watched
// range go to the handler that was there before. A program that installs its own later, or threads
// that block the signal, do without this protection.
class MappingGuard {
 public:
  MappingGuard() = default;
  // The range must be mapped, begin where a page begins and be unmapped only after this object.
  explicit MappingGuard(std::span<const std::byte> range);
  MappingGuard(MappingGuard&& other) noexcept;
  MappingGuard& operator=(MappingGuard&& other) noexcept;
  ~MappingGuard();

  // One load: cheap enough for every step of a computation.
  bool damaged() const;

  // What the handler reads. Public for it alone.
  struct Watched {
    std::atomic<uintptr_t> begin{0};  // 0: free
    std::atomic<uintptr_t> end{0};
    std::atomic<bool> damaged{false};
    Watched* next = nullptr;
  };

 private:
  Watched* watched_ = nullptr;
};

}  // namespace mcv
