#include "base/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/system_files.h"

namespace mcv {

namespace {

std::vector<int> AffinityOfThisThread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) {  // more processors than the mask can name, for instance
    const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int cpu = 0; cpu < count; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

// The value of the first line "key : value" of /proc/cpuinfo.
std::string ModelName(const std::string& cpuinfo) {
  for (const std::string key : {"model name", "CPU part", "cpu model", "uarch"}) {
    const size_t at = cpuinfo.find(key);
    if (at == std::string::npos) continue;
    const size_t end = std::min(cpuinfo.find('\n', at), cpuinfo.size());
    const size_t colon = cpuinfo.find(':', at);
    if (colon >= end) continue;
    const size_t start = cpuinfo.find_first_not_of(" \t", colon + 1);
    if (start < end) return cpuinfo.substr(start, std::min<size_t>(end - start, 100));
  }
  return "";
}

// The first processor of a list, which names the group; `fallback` where there is none.
int GroupOf(const std::string& list, int fallback) {
  const std::vector<int> cpus = ParseCpuList(list);
  return cpus.empty() ? fallback : cpus.front();
}

// Of the highest level that several processors share.
int CacheGroup(const std::string& cpu_folder) {
  int group = -1;
  uint64_t highest = 2;
  for (int index = 0; index < 8; ++index) {
    const std::string folder = cpu_folder + "/cache/index" + std::to_string(index);
    const auto level = NumberAt(ReadSystemFile(folder + "/level"));
    if (!level) break;
    if (*level <= highest) continue;
    highest = *level;
    group = GroupOf(ReadSystemFile(folder + "/shared_cpu_list"), -1);
  }
  return group;
}

int CapacityOf(const std::string& cpu_folder) {
  if (const auto capacity = NumberAt(ReadSystemFile(cpu_folder + "/cpu_capacity"))) {
    return static_cast<int>(std::min<uint64_t>(*capacity, 1 << 20));
  }
  const auto khz = NumberAt(ReadSystemFile(cpu_folder + "/cpufreq/cpuinfo_max_freq"));
  return khz ? static_cast<int>(std::min<uint64_t>(*khz / 1000, 1 << 20)) : 0;
}

// The smaller of a limit so far and quota / period; -1 stands for none in version 1.
void AddQuota(std::optional<uint64_t> quota, std::optional<uint64_t> period,
              std::optional<double>* least) {
  if (!quota || !period || *period == 0 || *quota == 0) return;
  const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
  *least = std::min(least->value_or(cpus), cpus);
}

std::optional<double> QuotaOf(const std::string& root) {
  std::optional<double> least;
  for (const std::string& group : ControlGroups(root)) {
    const std::string text = ReadSystemFile(group + "/cpu.max");  // "200000 100000" or "max 100000"
    const size_t blank = text.find(' ');
    if (blank == std::string::npos) continue;
    AddQuota(NumberAt(text), NumberAt(std::string_view(text).substr(blank)), &least);
  }
  for (const std::string& group : OldControlGroups(root, "cpu")) {
    AddQuota(NumberAt(ReadSystemFile(group + "/cpu.cfs_quota_us")),
             NumberAt(ReadSystemFile(group + "/cpu.cfs_period_us")), &least);
  }
  return least;
}

// Group names of any kind to 0, 1, 2... in order of appearance.
int Dense(std::map<int, int>* seen, int name) {
  return seen->emplace(name, static_cast<int>(seen->size())).first->second;
}

// Usable processors as "0-3,8".
std::string ListText(const std::vector<LogicalCpu>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1].id == cpus[last].id + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i].id);
    if (last > i) text += "-" + std::to_string(cpus[last].id);
    i = last + 1;
  }
  return text;
}

}  // namespace

int CpuTopology::num_cores() const {
  std::set<int> cores;
  for (const LogicalCpu& cpu : cpus) cores.insert(cpu.core);
  return static_cast<int>(cores.size());
}

int CpuTopology::num_caches() const {
  std::set<int> caches;
  for (const LogicalCpu& cpu : cpus) caches.insert(cpu.cache);
  return static_cast<int>(caches.size());
}

bool CpuTopology::IsBig(const LogicalCpu& cpu) const {
  int most = 0;
  for (const LogicalCpu& other : cpus) most = std::max(most, other.capacity);
  return 2 * cpu.capacity >= most;
}

namespace {

using Rank = std::array<int, 3>;  // the last is the processor's number

std::vector<int> InOrder(std::vector<Rank> ranks) {
  std::sort(ranks.begin(), ranks.end());
  std::vector<int> ids;
  ids.reserve(ranks.size());
  for (const Rank& rank : ranks) ids.push_back(rank.back());
  return ids;
}

}  // namespace

std::vector<int> CpuTopology::CoresFirst() const {
  std::vector<Rank> ranks;
  std::map<int, int> siblings;
  for (const LogicalCpu& cpu : cpus) {
    ranks.push_back({siblings[cpu.core]++, IsBig(cpu) ? 0 : 1, cpu.id});
  }
  return InOrder(std::move(ranks));
}

std::vector<int> CpuTopology::SpreadOverCaches() const {
  std::map<int, int> cache_of;
  for (const LogicalCpu& cpu : cpus) cache_of[cpu.id] = cpu.cache;
  std::vector<Rank> ranks;
  std::map<int, int> turns;
  for (const int id : CoresFirst()) {
    const int cache = cache_of[id];
    ranks.push_back({turns[cache]++, cache, id});
  }
  return InOrder(std::move(ranks));
}

int CpuTopology::WithinQuota(int count) const {
  // A thread too many is stopped for the rest of the period together with the others.
  const int allowed = quota && *quota < count ? static_cast<int>(*quota) : count;
  return std::max(1, allowed);
}

std::string CpuTopology::Describe() const {
  const auto count = [](int number, const char* what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
  };
  std::string text = "cpus " + ListText(cpus) + ", " + count(num_cores(), "core") + ", " +
                     count(num_caches(), "cache");
  if (quota) {
    std::string number = std::to_string(*quota);
    text += ", quota " + number.substr(0, number.find('.') + 3);
  }
  return text;
}

CpuTopology ReadCpuTopology(const std::string& root,
                            const std::optional<std::vector<int>>& allowed) {
  CpuTopology topology;
  topology.model = ModelName(ReadSystemFile(root + "/proc/cpuinfo"));
  topology.quota = QuotaOf(root);
  std::map<int, int> cores;
  std::map<int, int> caches;
  std::vector<int> usable = allowed ? *allowed : AffinityOfThisThread();
  if (usable.empty()) usable.push_back(0);
  std::sort(usable.begin(), usable.end());
  for (const int id : usable) {
    const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(id);
    LogicalCpu cpu;
    cpu.id = id;
    cpu.core =
        Dense(&cores, GroupOf(ReadSystemFile(folder + "/topology/thread_siblings_list"), id));
    cpu.cache = Dense(&caches, CacheGroup(folder));
    cpu.capacity = CapacityOf(folder);
    topology.cpus.push_back(cpu);
  }
  return topology;
}

int DefaultThreadCount(const CpuTopology& topology) {
  std::set<int> big_cores;
  for (const LogicalCpu& cpu : topology.cpus) {
    if (topology.IsBig(cpu)) big_cores.insert(cpu.core);
  }
  const size_t count = topology.num_cores() > 1 ? big_cores.size() : topology.cpus.size();
  return topology.WithinQuota(static_cast<int>(count));
}

int DefaultThreadCount() { return DefaultThreadCount(ReadCpuTopology()); }

}  // namespace mcv
