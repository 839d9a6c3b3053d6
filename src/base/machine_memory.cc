#include "base/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/system_files.h"

namespace mcv {

namespace {

std::optional<uint64_t> AvailableBytes(const std::string& meminfo) {
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = meminfo.find(kKey);
  if (at == std::string::npos) return std::nullopt;
  const auto kib = NumberAt(std::string_view(meminfo).substr(at + kKey.size()));
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

// Every group above counts too; "max" is no limit, and version 1 has a number near 2^63 for none.
void ReadGroups(const std::vector<std::string>& groups, const char* limit_file,
                const char* used_file, MachineMemory* memory) {
  constexpr uint64_t kNoLimit = uint64_t{1} << 60;
  uint64_t least = UINT64_MAX;
  if (memory->group_limit) {
    least = *memory->group_limit - std::min(*memory->group_limit, memory->group_used);
  }
  for (const std::string& group : groups) {
    const auto limit = NumberAt(ReadSystemFile(group + "/" + limit_file));
    if (!limit || *limit >= kNoLimit) continue;
    const uint64_t used = NumberAt(ReadSystemFile(group + "/" + used_file)).value_or(0);
    if (*limit - std::min(*limit, used) < least) {
      least = *limit - std::min(*limit, used);
      memory->group_limit = limit;
      memory->group_used = used;
    }
  }
}

}  // namespace

std::optional<uint64_t> MachineMemory::Room() const {
  std::optional<uint64_t> room = available;
  if (group_limit) {
    const uint64_t left = *group_limit - std::min(*group_limit, group_used);
    room = std::min(room.value_or(left), left);
  }
  return room;
}

MachineMemory ReadMachineMemory(const std::string& root) {
  MachineMemory memory;
  memory.page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  memory.available = AvailableBytes(ReadSystemFile(root + "/proc/meminfo"));
  ReadGroups(ControlGroups(root), "memory.max", "memory.current", &memory);
  ReadGroups(OldControlGroups(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes",
             &memory);
  const std::string huge = root + "/sys/kernel/mm/transparent_hugepage/";
  if (ReadSystemFile(huge + "enabled").find("[always]") != std::string::npos) {
    memory.page_bytes =
        NumberAt(ReadSystemFile(huge + "hpage_pmd_size")).value_or(uint64_t{2} << 20);
  }
  return memory;
}

}  // namespace mcv
