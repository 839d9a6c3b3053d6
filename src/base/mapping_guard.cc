// The handler may run at any instruction of any thread, so it takes no lock and allocates nothing:
// it walks a list whose nodes are never freed, only used again, and puts zeroed pages in place of
// the ones that failed with one mmap call.

#include "base/mapping_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

namespace mcv {
namespace {

std::atomic<MappingGuard::Watched*> all_watched{nullptr};
std::mutex watched_mutex;  // of those who add and remove
struct sigaction before_ours;
uintptr_t page_bytes = 4096;

// Everything behind the page goes too: a file that was cut has nothing there, and one fault is
// cheaper than one for each page.
bool PutZeros(MappingGuard::Watched* watched, uintptr_t address) {
  const uintptr_t begin = address / page_bytes * page_bytes;
  const uintptr_t end = watched->end.load(std::memory_order_relaxed);
  watched->damaged.store(true, std::memory_order_release);
  return ::mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

// As if this handler were not there.
void HandBack(int signal, siginfo_t* info, void* context) {
  if ((before_ours.sa_flags & SA_SIGINFO) != 0) {
    before_ours.sa_sigaction(signal, info, context);
  } else if (before_ours.sa_handler != SIG_DFL && before_ours.sa_handler != SIG_IGN) {
    before_ours.sa_handler(signal);
  } else {
    // The instruction runs again and ends the process with the right status; a signal that was
    // sent by somebody is sent once more.
    struct sigaction ends = {};
    ends.sa_handler = SIG_DFL;
    ::sigaction(signal, &ends, nullptr);
    if (info->si_code <= 0) ::raise(signal);
  }
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  // A process that sends the signal names no address.
  auto* watched = info->si_code > 0 ? all_watched.load(std::memory_order_acquire) : nullptr;
  for (; watched != nullptr; watched = watched->next) {
    const uintptr_t begin = watched->begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin) continue;
    if (address < watched->end.load(std::memory_order_relaxed)) break;
  }
  if (watched == nullptr || !PutZeros(watched, address)) HandBack(signal, info, context);
  errno = error;
}

void Install() {
  page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction ours = {};
  ours.sa_sigaction = OnBusError;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  ::sigaction(SIGBUS, &ours, &before_ours);
}

MappingGuard::Watched* FreeNode() {
  auto* node = all_watched.load(std::memory_order_relaxed);
  while (node != nullptr && node->begin.load(std::memory_order_relaxed) != 0) node = node->next;
  if (node != nullptr) return node;
  node = new MappingGuard::Watched;  // stays: a handler may be reading it at any time
  node->next = all_watched.load(std::memory_order_relaxed);
  all_watched.store(node, std::memory_order_release);
  return node;
}

}  // namespace

MappingGuard::MappingGuard(std::span<const std::byte> range) {
  const std::lock_guard lock(watched_mutex);
  static const bool installed = (Install(), true);
  (void)installed;
  const auto page = static_cast<size_t>(page_bytes);
  const auto begin = reinterpret_cast<uintptr_t>(range.data());
  watched_ = FreeNode();
  watched_->damaged.store(false, std::memory_order_relaxed);
  watched_->end.store(begin + (range.size() + page - 1) / page * page, std::memory_order_relaxed);
  watched_->begin.store(begin, std::memory_order_release);
}

MappingGuard::MappingGuard(MappingGuard&& other) noexcept { *this = std::move(other); }

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  std::swap(watched_, other.watched_);
  return *this;
}

MappingGuard::~MappingGuard() {
  if (watched_ == nullptr) return;
  const std::lock_guard lock(watched_mutex);
  watched_->begin.store(0, std::memory_order_release);
}

bool MappingGuard::damaged() const {
  return watched_ != nullptr && watched_->damaged.load(std::memory_order_acquire);
}

}  // namespace mcv
