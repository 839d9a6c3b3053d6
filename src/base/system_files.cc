#include "base/system_files.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace mcv {

namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxCpu = 4095;

// The path after "0::" in /proc/self/cgroup: version 2.
std::string GroupPath(const std::string& cgroup) {
  const size_t at = cgroup.starts_with("0::") ? 0 : cgroup.find("\n0::");
  if (at == std::string::npos) return "";
  const size_t start = cgroup.find("0::", at) + 3;
  return cgroup.substr(start, cgroup.find('\n', start) - start);
}

}  // namespace

std::string ReadSystemFile(const std::string& path) {
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

std::optional<uint64_t> NumberAt(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\n");
  if (start == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::vector<int> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  const char* at = text.data();
  const char* end = text.data() + text.size();
  while (at < end) {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc() || first < 0 || first > kMaxCpu) break;
    int last = first;
    at = read.ptr;
    if (at < end && *at == '-') {
      read = std::from_chars(at + 1, end, last);
      if (read.ec != std::errc() || last < first || last > kMaxCpu) break;
      at = read.ptr;
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (at == end || *at != ',') break;
    ++at;
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::vector<std::string> ControlGroups(const std::string& root) {
  std::vector<std::string> groups;
  std::string path = GroupPath(ReadSystemFile(root + "/proc/self/cgroup"));
  const std::string mount = root + "/sys/fs/cgroup";
  while (!path.empty()) {
    groups.push_back(mount + path);
    const size_t parent = path.rfind('/');
    path.resize(path == "/" || parent == std::string::npos ? 0 : parent);
    if (path.empty() && groups.back() != mount + "/") groups.push_back(mount);
  }
  return groups;
}

}  // namespace mcv
