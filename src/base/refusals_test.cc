// Systems that refuse: file systems that do not map, limits that allow no thread. A filter of
// system calls, which only a process of its own can be given, stands for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "base/read_ahead.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

bool Install(std::span<sock_filter> code) {
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// From now on shared mappings fail in this process, as FUSE with direct I/O has it.
bool RefuseSharedMappings() {
  std::array<sock_filter, 6> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  return Install(code);
}

bool RefuseThreads() {
  std::array<sock_filter, 5> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  return Install(code);
}

// Tells on standard error what happened.
[[noreturn]] void OpenWithoutMapping(const std::string& path) {
  if (!RefuseSharedMappings()) {
    std::fprintf(stderr, "no filters here");
    ::_exit(0);
  }
  auto file = MappedFile::Open(path);
  if (!file.ok()) {
    std::fprintf(stderr, "%s", file.status().message().c_str());
    ::_exit(1);
  }
  const std::string text(reinterpret_cast<const char*>(file->data().data()), file->data().size());
  const bool right = text == std::string(100'000, 'x') && file->in_memory() &&
                     file->ReadIntoMemory().ok() && file->CheckIntact().ok();
  std::fprintf(stderr, "%s: %s", right ? "right" : "wrong", file->read_because().c_str());
  ::_exit(right ? 0 : 1);
}

TEST(UnmappableDeathTest, FilesAreReadInstead) {
  const TestFolder folder("refusals_test");
  const std::string path = (folder / "a").string();
  ASSERT_TRUE(WriteFile(path, std::string(100'000, 'x')).ok());
  EXPECT_TRUE(MappedFile::Open(path)->read_because().empty());
  EXPECT_EXIT(OpenWithoutMapping(path), ::testing::ExitedWithCode(0),
              "no filters here|right: cannot be mapped .No such device.");
}

[[noreturn]] void ReadAheadWithoutThreads(std::span<const std::byte> bytes) {
  if (!RefuseThreads()) ::_exit(0);
  ReadAhead ahead({bytes});
  ahead.Wait();
  ::_exit(0);
}

TEST(RefusedThreadsDeathTest, NothingIsReadAheadAndNothingIsWrong) {
  const std::vector<std::byte> bytes(100'000);
  EXPECT_EXIT(ReadAheadWithoutThreads(bytes), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mcv
