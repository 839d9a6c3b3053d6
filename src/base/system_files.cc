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

namespace {

// `path` below `mount` and every folder above it.
std::vector<std::string> UpTo(const std::string& mount, std::string path) {
  std::vector<std::string> groups;
  while (!path.empty()) {
    groups.push_back(mount + path);
    const size_t parent = path.rfind('/');
    path.resize(path == "/" || parent == std::string::npos ? 0 : parent);
    if (path.empty() && groups.back() != mount + "/") groups.push_back(mount);
  }
  return groups;
}

bool IsInList(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

std::vector<std::string> ControlGroups(const std::string& root) {
  return UpTo(root + "/sys/fs/cgroup", GroupPath(ReadSystemFile(root + "/proc/self/cgroup")));
}

// Lines "4:cpu,cpuacct:/docker/abc"; the mount has the name of one controller or of the whole list.
std::vector<std::string> OldControlGroups(const std::string& root, std::string_view controller) {
  std::string lines = ReadSystemFile(root + "/proc/self/cgroup");
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string line = lines.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string list = line.substr(first + 1, second - first - 1);
    if (!IsInList(list, controller)) continue;
    const std::string mounts = root + "/sys/fs/cgroup/";
    std::vector<std::string> groups;
    for (const std::string& mount : {mounts + std::string(controller), mounts + list}) {
      const auto found = UpTo(mount, line.substr(second + 1));
      groups.insert(groups.end(), found.begin(), found.end());
      if (list == controller) break;
    }
    return groups;
  }
  return {};
}

}  // namespace mcv
