#include "base/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace mcv {

namespace {

constexpr size_t kMaxBytes = 1 << 20;

// These files claim to be empty, so they are read until they end.
std::string ReadWhole(const std::string& path) {
  std::string text;
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return text;
  char block[4096];
  size_t got = 0;
  while (text.size() < kMaxBytes && (got = std::fread(block, 1, sizeof block, file)) > 0) {
    text.append(block, got);
  }
  std::fclose(file);
  return text;
}

// The number that `text` begins with, blanks skipped.
std::optional<uint64_t> NumberAt(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\n");
  if (start == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<uint64_t> AvailableBytes(const std::string& meminfo) {
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = meminfo.find(kKey);
  if (at == std::string::npos) return std::nullopt;
  const auto kib = NumberAt(std::string_view(meminfo).substr(at + kKey.size()));
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

// The path after "0::" in /proc/self/cgroup: version 2.
std::string GroupPath(const std::string& cgroup) {
  const size_t at = cgroup.starts_with("0::") ? 0 : cgroup.find("\n0::");
  if (at == std::string::npos) return "";
  const size_t start = cgroup.find("0::", at) + 3;
  return cgroup.substr(start, cgroup.find('\n', start) - start);
}

// Every group above counts too; "max" is no limit.
void ReadGroups(const std::string& root, MachineMemory* memory) {
  std::string path = GroupPath(ReadWhole(root + "/proc/self/cgroup"));
  const std::string mount = root + "/sys/fs/cgroup";
  uint64_t least = UINT64_MAX;
  while (!path.empty()) {
    const auto limit = NumberAt(ReadWhole(mount + path + "/memory.max"));
    const uint64_t used = NumberAt(ReadWhole(mount + path + "/memory.current")).value_or(0);
    if (limit && *limit - std::min(*limit, used) < least) {
      least = *limit - std::min(*limit, used);
      memory->group_limit = limit;
      memory->group_used = used;
    }
    path.resize(path == "/" ? 0 : path.rfind('/'));
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
  memory.available = AvailableBytes(ReadWhole(root + "/proc/meminfo"));
  ReadGroups(root, &memory);
  const std::string huge = root + "/sys/kernel/mm/transparent_hugepage/";
  if (ReadWhole(huge + "enabled").find("[always]") != std::string::npos) {
    memory.page_bytes = NumberAt(ReadWhole(huge + "hpage_pmd_size")).value_or(uint64_t{2} << 20);
  }
  return memory;
}

}  // namespace mcv
