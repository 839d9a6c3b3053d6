// bench_counts: instructions of the kernels, counted by valgrind's callgrind, against the accepted
// ones. `./dev counts` calls it in the right order:
//
//   bench_counts list                     the kernels that are counted
//   bench_counts run TARGET [KERNEL...]   under callgrind: counts one call of each, a dump for each
//   bench_counts check FILE DUMPS         compares; 1 where the accepted numbers do not hold
//   bench_counts accept FILE DUMPS        compares, and accepts what was counted
#include <gnu/libc-version.h>
#include <sys/utsname.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "bench/counts/callgrind_dump.h"
#include "bench/counts/kernel_work.h"

namespace mcv::bench {
namespace {

// Above it the gate fails. Runs agree to the instruction; this leaves room for changes that are
// worth their price, a check more in a driver for instance.
constexpr double kTolerance = 0.02;
constexpr char kAccept[] = "./dev counts accept";

// What counts depend on besides our own text. The processor does not belong to it: valgrind shows
// one of its own.
std::map<std::string, std::string> Toolchain() {
  utsname system = {};
  uname(&system);
  return {
      {"compiler", Compiler()},
      {"C library", std::string("glibc ") + gnu_get_libc_version()},
      {"architecture", system.machine},
      {"valgrind", std::to_string(__VALGRIND_MAJOR__) + "." + std::to_string(__VALGRIND_MINOR__)}};
}

void Count(const KernelWork& work, std::string_view target, Context& ctx) {
  ctx.numerics = work.numerics;
  const KernelCall call = work.prepare();
  call(ctx);  // scratch grows and symbols are bound now
  CALLGRIND_START_INSTRUMENTATION;
  call(ctx);
  CALLGRIND_STOP_INSTRUMENTATION;
  const std::string name = std::string(target) + "/" + work.name;
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

Status Run(std::string_view target, std::span<char* const> only) {
#if !defined(NDEBUG)
  return Unsupported("counts are those of the release build; this one has debug checks");
#endif
  if (RUNNING_ON_VALGRIND == 0) {
    return InvalidArgument(
        "`run` counts nothing by itself: use ./dev counts, which starts valgrind");
  }
  Context ctx;
  MCV_ASSIGN_OR_RETURN(ctx.table, ChooseTarget(target));
  ThreadPool pool(1);
  ctx.pool = &pool;
  size_t counted = 0;
  for (const KernelWork& work : AllKernelWork()) {
    if (!only.empty() && std::find(only.begin(), only.end(), work.name) == only.end()) continue;
    Count(work, target, ctx);
    ++counted;
  }
  if (!only.empty() && counted != only.size()) {
    return NotFound("not every kernel that was named is one of `bench_counts list`");
  }
  return OkStatus();
}

const char* Text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSame:
      return "";
    case Verdict::kHigher:
      return "MORE THAN ACCEPTED";
    case Verdict::kLower:
      return "fewer: accept it";
    case Verdict::kNew:
      return "NOT ACCEPTED YET";
    case Verdict::kMissing:
      return "ACCEPTED BUT NOT COUNTED";
  }
  return "";
}

void PrintLine(const Comparison& c) {
  const auto count = [](double value) {
    return value > 0 ? std::to_string(static_cast<int64_t>(value)) : std::string("-");
  };
  const bool both = c.accepted.value > 0 && c.now.value > 0;
  std::printf("%-32s %12s %12s ", c.name.c_str(), count(c.accepted.value).c_str(),
              count(c.now.value).c_str());
  if (both) std::printf("%+8.2f %%", 100 * (c.ratio() - 1));
  std::printf("%s%s\n", both ? "  " : "            ", Text(c.verdict));
}

// Prints the table and returns how many kernels break the gate.
int Report(const std::vector<Comparison>& comparisons) {
  int broken = 0, fewer = 0;
  std::printf("%-32s %12s %12s %10s\n", "instructions of one call", "accepted", "now", "change");
  for (const Comparison& c : comparisons) {
    PrintLine(c);
    if (c.verdict == Verdict::kLower) ++fewer;
    if (c.verdict != Verdict::kSame && c.verdict != Verdict::kLower) ++broken;
  }
  std::printf("%zu kernels, %d not as accepted (more than %.0f %% above), %d well below\n",
              comparisons.size(), broken, 100 * kTolerance, fewer);
  return broken;
}

Status Check(const std::string& path, const std::string& dumps) {
  const Result<Accepted> read = ReadAccepted(path);
  if (!read.ok()) {
    return read.status().Annotate(std::string("accepted counts (made by ") + kAccept + ")");
  }
  const Accepted& accepted = *read;
  const std::string difference = Difference(accepted, Toolchain());
  if (!difference.empty()) {
    std::printf(
        "SKIPPED: counts belong to a compiler, and those of %s to another (%s).\n"
        "Nothing was compared. To gate this one: %s\n",
        path.c_str(), difference.c_str(), kAccept);
    return OkStatus();
  }
  MCV_ASSIGN_OR_RETURN(const Numbers now, ReadCallgrindDumps(dumps));
  if (Report(Compare(accepted.numbers, now, kTolerance)) == 0) return OkStatus();
  return InvalidArgument(std::string("instruction counts are not the accepted ones: find out why, "
                                     "or, where it is meant: ") +
                         kAccept);
}

Status Accept(const std::string& path, const std::string& dumps) {
  MCV_ASSIGN_OR_RETURN(const Numbers now, ReadCallgrindDumps(dumps));
  const Result<Accepted> before = ReadAccepted(path);
  if (before.ok()) {
    Report(Compare(before->numbers, now, kTolerance));
  } else {  // the first time, or the marks of a merge that two sides accepted in
    std::printf("nothing to compare with: %s\n", before.status().ToString().c_str());
  }
  Accepted accepted = {Toolchain(), now};
  accepted.about["unit"] = "instructions of one call on one thread (bench/counts/kernel_work.cc)";
  accepted.about["made by"] = kAccept;
  MCV_RETURN_IF_ERROR(WriteAccepted(path, accepted));
  std::printf("accepted: %zu kernels in %s\n", now.size(), path.c_str());
  return OkStatus();
}

int Main(std::span<char* const> args) {
  const std::string_view verb = args.size() > 1 ? args[1] : "";
  Status status;
  if (verb == "list" && args.size() == 2) {
    for (const KernelWork& work : AllKernelWork()) std::printf("%s\n", work.name.c_str());
  } else if (verb == "run" && args.size() >= 3) {
    status = Run(args[2], args.subspan(3));
  } else if (verb == "check" && args.size() == 4) {
    status = Check(args[2], args[3]);
  } else if (verb == "accept" && args.size() == 4) {
    status = Accept(args[2], args[3]);
  } else {
    std::fprintf(stderr,
                 "usage: bench_counts list | run TARGET [KERNEL...] | "
                 "check FILE DUMPS | accept FILE DUMPS\n");
    return 2;
  }
  if (status.ok()) return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "bench_counts: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) { return mcv::bench::Main({argv, static_cast<size_t>(argc)}); }
