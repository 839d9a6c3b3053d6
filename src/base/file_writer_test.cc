// Writers that meet each other, what killed ones left, and names that somebody laid in their way.
#include "base/file_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/mapped_file.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class FileWriterTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Read(const std::string& name) const { return *ReadFile(Path(name), 1 << 26); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  mode_t ModeOf(const std::string& name) const {
    struct stat info = {};
    EXPECT_EQ(::stat(Path(name).c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  TestFolder folder_{"file_writer_test"};
};

TEST_F(FileWriterTest, WritersOfOnePathKeepApart) {
  constexpr size_t kBytes = 3 << 20;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    std::array<Status, 2> results;
    for (size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        results[t] = WriteFile(Path("a"), std::string(kBytes, static_cast<char>('x' + t)));
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : results) ASSERT_TRUE(status.ok()) << status.message();
    const std::string text = Read("a");
    ASSERT_EQ(text.size(), kBytes);
    ASSERT_EQ(text.find_first_not_of(text[0]), std::string::npos);
    ASSERT_THAT(Names(), ElementsAre("a"));
  }
}

TEST_F(FileWriterTest, LinksInItsWayAreNotFollowed) {
  std::ofstream(Path("victim")) << "precious";
  std::vector<std::string> traps;
  for (int i = 0; i < 300; ++i) {
    traps.push_back(Path("a") + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(i));
    fs::create_symlink(Path("victim"), traps.back());
  }
  fs::create_symlink(Path("victim"), Path("a") + ".partial-" + std::to_string(::getpid()));
  ASSERT_TRUE(WriteFile(Path("a"), "new").ok());
  EXPECT_EQ(Read("victim"), "precious");
  EXPECT_EQ(Read("a"), "new");
  for (const std::string& trap : traps) EXPECT_TRUE(fs::is_symlink(trap));
}

TEST_F(FileWriterTest, WhatKilledWritersLeftIsRemovedAndNothingElse) {
  const std::vector<std::string> others = {"a.partial-",     "a.partial-12",   "a.partial-1-2-3",
                                           "a.partial-x-1",  "a.partial--1",   "b.partial-1-2",
                                           "aa.partial-1-2", "a.partial-1-2.b"};
  for (const std::string& name : others) std::ofstream(Path(name)) << "somebody's";
  fs::create_directory(Path("a.partial-7-8"));
  std::ofstream(Path("a.partial-1-2")) << "left";
  auto at_work = FileWriter::Create(Path("a"));
  ASSERT_TRUE(at_work.ok());
  EXPECT_FALSE(fs::exists(Path("a.partial-1-2")));
  ASSERT_TRUE(at_work->Write("first").ok());
  std::ofstream(Path("a.partial-99-0")) << "left";
  ASSERT_TRUE(WriteFile(Path("a"), "second").ok());
  EXPECT_FALSE(fs::exists(Path("a.partial-99-0")));
  EXPECT_EQ(Read("a"), "second");
  ASSERT_TRUE(at_work->Commit().ok());
  EXPECT_EQ(Read("a"), "first");
  EXPECT_EQ(Names().size(), others.size() + 2);
  for (const std::string& name : others) EXPECT_EQ(Read(name), "somebody's") << name;
}

TEST_F(FileWriterTest, AFileThatGrowsTooLargeIsToldAndLeavesNothing) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = WriteFile(Path("a"), std::string(2000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("File too large"));
  EXPECT_THAT(Names(), ::testing::IsEmpty());
}

TEST_F(FileWriterTest, ARenameThatFailsSaysWhy) {
  auto writer = FileWriter::Create(Path("a"));
  ASSERT_TRUE(writer.ok());
  fs::create_directories(Path("a") + "/full");
  const Status status = writer->Commit();
  EXPECT_EQ(status.code(), StatusCode::kIo);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("Is a directory"));
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(FileWriterTest, LinksStayLinks) {
  fs::create_directory(Path("far"));
  std::ofstream(Path("far/file")) << "old";
  fs::create_symlink("far/file", Path("one"));
  fs::create_symlink(Path("one"), Path("two"));
  ASSERT_TRUE(WriteFile(Path("two"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(Path("two")));
  EXPECT_TRUE(fs::is_symlink(Path("one")));
  EXPECT_EQ(Read("far/file"), "new");
  fs::create_symlink("far/none", Path("dangling"));
  ASSERT_TRUE(WriteFile(Path("dangling"), "made").ok());
  EXPECT_EQ(Read("far/none"), "made");
  fs::create_symlink("loop", Path("loop"));
  EXPECT_FALSE(WriteFile(Path("loop"), "x").ok());
  EXPECT_THAT(Names(), UnorderedElementsAre("far", "one", "two", "dangling", "loop"));
}

TEST_F(FileWriterTest, RightsAreKeptAndMayBeTheOwnersAlone) {
  ASSERT_TRUE(WriteFile(Path("closed"), "x", FileReaders::kOwner).ok());
  EXPECT_EQ(ModeOf("closed"), 0600u);
  fs::permissions(Path("closed"), fs::perms{0640});
  ASSERT_TRUE(WriteFile(Path("closed"), "y").ok());
  EXPECT_EQ(ModeOf("closed"), 0640u);
}

}  // namespace
}  // namespace mcv
