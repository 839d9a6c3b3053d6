// Files that change under their mapping, and faults that are somebody else's.
#include "base/mapping_guard.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr size_t kBytes = 1 << 20;
constexpr size_t kKept = 100'000;

class MappingGuardTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  MappedFile Map(const std::string& name) const {
    EXPECT_TRUE(WriteFile(Path(name), std::string(kBytes, 'x')).ok());
    return MappedFile::Open(Path(name)).value();
  }
  static int64_t CountOf(const MappedFile& file, char c) {
    return std::ranges::count(file.data(), static_cast<std::byte>(c));
  }
  TestFolder folder_{"mapping_guard_test"};
};

TEST_F(MappingGuardTest, ATruncatedFileReadsAsZerosAndIsTold) {
  const MappedFile other = Map("other");
  const MappedFile file = Map("a");
  EXPECT_TRUE(file.CheckIntact().ok());
  fs::resize_file(Path("a"), kKept);
  EXPECT_FALSE(file.damaged());  // nobody looked yet
  EXPECT_THAT(file.CheckIntact().message(), HasSubstr("has 100000 bytes now, it had 1048576"));
  EXPECT_EQ(CountOf(file, 'x'), static_cast<int64_t>(kKept));
  EXPECT_TRUE(file.damaged());
  const Status status = file.CheckIntact();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr(Path("a") + ": parts of the file went away"));
  EXPECT_FALSE(other.damaged());
  EXPECT_TRUE(other.CheckIntact().ok());
  // The place is used again, and the next file there is not to blame.
  const MappedFile moved = Map("b");
  EXPECT_FALSE(moved.damaged());
}

TEST_F(MappingGuardTest, TheLastPageOfManyIsWatchedToo) {
  const MappedFile file = Map("a");
  fs::resize_file(Path("a"), 0);
  EXPECT_EQ(static_cast<int>(file.data().back()), 0);
  EXPECT_EQ(static_cast<int>(file.data().front()), 0);
  EXPECT_EQ(CountOf(file, 'x'), 0);
  EXPECT_TRUE(file.damaged());
}

TEST_F(MappingGuardTest, ThreadsThatReadWhileTheFileIsCutGoOn) {
  std::vector<MappedFile> files;
  for (int i = 0; i < 8; ++i) files.push_back(Map(std::to_string(i)));
  std::atomic<int> reading = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      ++reading;
      for (const MappedFile& file : files) {
        while (CountOf(file, 'x') != 0) {
        }
      }
    });
  }
  while (reading < 4) std::this_thread::yield();
  for (int i = 0; i < 8; ++i) fs::resize_file(Path(std::to_string(i)), 0);
  for (std::thread& thread : threads) thread.join();
  for (const MappedFile& file : files) EXPECT_TRUE(file.damaged());
}

TEST_F(MappingGuardTest, WritesAreNoticedAndReplacementsDoNotMatter) {
  const MappedFile file = Map("a");
  fs::rename(Path("a"), Path("b"));
  EXPECT_TRUE(file.CheckIntact().ok());
  ASSERT_TRUE(WriteFile(Path("a"), "another").ok());
  EXPECT_TRUE(file.CheckIntact().ok());
  fs::rename(Path("b"), Path("a"));
  EXPECT_TRUE(file.CheckIntact().ok());
  {
    std::fstream same(Path("a"), std::ios::in | std::ios::out);
    same << "yyyy";
  }
  fs::last_write_time(Path("a"), fs::file_time_type::clock::now());  // clocks may be coarse
  EXPECT_THAT(file.CheckIntact().message(), HasSubstr("somebody wrote to the file"));
}

TEST_F(MappingGuardTest, WhatWasReadIntoMemoryCannotBeDamaged) {
  MappedFile file = Map("a");
  ASSERT_TRUE(file.ReadIntoMemory().ok());
  fs::resize_file(Path("a"), 0);
  EXPECT_EQ(CountOf(file, 'x'), static_cast<int64_t>(kBytes));
  EXPECT_TRUE(file.CheckIntact().ok());
}

using MappingGuardDeathTest = MappingGuardTest;

TEST_F(MappingGuardDeathTest, OtherFaultsStillEndTheProcess) {
  const MappedFile file = Map("watched");
  ASSERT_TRUE(WriteFile(Path("raw"), std::string(kBytes, 'x')).ok());
  const int fd = ::open(Path("raw").c_str(), O_RDONLY | O_CLOEXEC);
  void* raw = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  ASSERT_NE(raw, MAP_FAILED);
  fs::resize_file(Path("raw"), 0);
  EXPECT_DEATH(EXPECT_EQ(*static_cast<volatile char*>(raw), 0), "");
  EXPECT_DEATH(::raise(SIGBUS), "");
  ::munmap(raw, kBytes);
}

}  // namespace
}  // namespace mcv
