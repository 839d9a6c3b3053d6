// Running other programs: what they say, how they end, and that they do end.
#include "apps/bench/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "apps/bench/page_cache.h"

namespace mcv::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ProcessOptions Shell(const std::string& script) {
  ProcessOptions options;
  options.arguments = {"sh", "-c", script};
  options.timeout_seconds = 60.0;
  return options;
}

std::string TemporaryFile(const std::string& name) {
  return testing::TempDir() + "process_test_" + std::to_string(getpid()) + "_" + name;
}

TEST(ProcessTest, KeepsOutputsAndExitStatus) {
  const auto run = RunProcess(Shell("echo out; echo err >&2; cat; exit 3"));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->output, "out\n");
  EXPECT_EQ(run->errors, "err\n");
  EXPECT_EQ(run->exit_code, 3);
  EXPECT_GT(run->wall_seconds, 0.0);
  EXPECT_GT(run->peak_resident_bytes, 100'000u);
}

TEST(ProcessTest, ManyOutputsDoNotBlock) {
  const auto run = RunProcess(Shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->output.size(), 3'000'000u);
  EXPECT_EQ(run->errors.size(), 3'000'000u);
}

TEST(ProcessTest, MemoryIsThatOfTheLargestProcess) {
  // dd holds a block of 64 MB, as a child of the shell.
  const auto run = RunProcess(Shell("dd if=/dev/zero of=/dev/null bs=64M count=1 2>&1; true"));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_GT(run->peak_resident_bytes, 64'000'000u) << run->output;
  EXPECT_LT(run->peak_resident_bytes, 600'000'000u);
}

TEST(ProcessTest, TheEnvironmentIsAddedTo) {
  ProcessOptions options = Shell("echo $MCV_PROCESS_TEST $HOME");
  options.environment = {"MCV_PROCESS_TEST=a b"};
  const auto run = RunProcess(options);
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_THAT(run->output, HasSubstr("a b"));
  EXPECT_EQ(getenv("MCV_PROCESS_TEST"), nullptr);
  options.environment = {"no assignment"};
  EXPECT_EQ(RunProcess(options).status().code(), StatusCode::kInvalidArgument);
}

TEST(ProcessTest, MissingProgramsAreNamed) {
  ProcessOptions options;
  options.arguments = {"/no/such/program", "x"};
  const auto run = RunProcess(options);
  EXPECT_EQ(run.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(run.status().message(), HasSubstr("/no/such/program"));
  EXPECT_EQ(RunProcess({}).status().code(), StatusCode::kInvalidArgument);
}

TEST(ProcessTest, SignalsAreToldAsShellsDo) {
  const auto run = RunProcess(Shell("kill -9 $$"));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_EQ(run->exit_code, 128 + 9);
}

// The sleeping grandchild keeps the pipe open: the whole group has to go.
TEST(ProcessTest, ATimeoutKillsTheWholeGroup) {
  ProcessOptions options = Shell("echo begun; sleep 600 & sleep 600");
  options.timeout_seconds = 0.3;
  const auto start = std::chrono::steady_clock::now();
  const auto run = RunProcess(options);
  EXPECT_EQ(run.status().code(), StatusCode::kIo);
  EXPECT_THAT(run.status().message(), HasSubstr("--timeout"));
  EXPECT_THAT(run.status().message(), HasSubstr("begun"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(ProcessTest, CancelStops) {
  std::atomic<bool> cancel{false};
  ProcessOptions options = Shell("sleep 600");
  options.timeout_seconds = 600.0;
  options.cancel = &cancel;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancel = true;
  });
  EXPECT_EQ(RunProcess(options).status().code(), StatusCode::kCancelled);
  stopper.join();
}

TEST(ProcessTest, FilesCanBeHidden) {
  const std::string path = TemporaryFile("hidden");
  std::ofstream(path) << "secret";
  ProcessOptions options = Shell("cat " + path);
  EXPECT_EQ(RunProcess(options)->output, "secret");
  options.hidden_files = {path};
  const auto run = RunProcess(options);
  if (run.ok()) {
    EXPECT_EQ(run->output, "");
  } else {
    EXPECT_THAT(run.status().message(), HasSubstr("mount namespace"));
  }
  EXPECT_EQ(RunProcess(Shell("cat " + path))->output, "secret");
  std::filesystem::remove(path);
}

TEST(ProcessTest, CommandsAreSplitAndJoined) {
  EXPECT_THAT(*SplitCommand("chroot  '/a b'\t\"c 'd'\" e''f ''"),
              ElementsAre("chroot", "/a b", "c 'd'", "ef", ""));
  EXPECT_TRUE(SplitCommand(" ")->empty());
  EXPECT_EQ(SplitCommand("'open").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CommandText({"a", "b c", ""}), "a 'b c' ''");
}

TEST(ProcessTest, TailKeepsWholeLastLines) {
  EXPECT_EQ(Tail("one\ntwo\nthree\n\n", 9), "two\nthree");
  EXPECT_EQ(Tail("abcdef", 3), "def");
  EXPECT_EQ(Tail(" \n"), "");
}

TEST(PageCacheTest, FilesAreDroppedAndRead) {
  const std::string path = TemporaryFile("cache");
  std::ofstream(path) << std::string(300'000, 'x');
  EXPECT_TRUE(ReadIntoCache({path}).ok());
  const auto share = DropFromCache({path});
  ASSERT_TRUE(share.ok()) << share.status().ToString();
  EXPECT_GE(*share, 0.0);  // a file system in memory keeps all of it
  EXPECT_LE(*share, 1.0);
  EXPECT_TRUE(ReadIntoCache({path}).ok());
  std::filesystem::remove(path);
  EXPECT_THAT(DropFromCache({path}).status().message(), HasSubstr(path));
  EXPECT_THAT(ReadIntoCache({path}).message(), HasSubstr(path));
  EXPECT_EQ(*DropFromCache({}), 0.0);
}

}  // namespace
}  // namespace mcv::bench
