#include "base/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file_writer.h"
#include "base/mapped_file.h"

namespace mcv {
namespace {

class ReadAheadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Not in /tmp, which may be memory: there is nothing to read ahead then.
    path_ = std::filesystem::current_path() / ("read_ahead_" + std::to_string(::getpid()));
    ASSERT_TRUE(WriteFile(path_.string(), std::string(size_t{9} << 20, 'x')).ok());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // Out of the file cache, as far as the file system lets go of it.
  void ForgetFile() {
    const int fd = ::open(path_.c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }

  static double ShareInFileCache(std::span<const std::byte> range) {
    const auto pages = MappedFile::CountCached(range);
    EXPECT_TRUE(pages.ok());
    return pages->all == 0 ? 1.0 : static_cast<double>(pages->cached) / pages->all;
  }

  std::filesystem::path path_;
};

TEST_F(ReadAheadTest, BringsEveryRangeIntoTheCache) {
  ForgetFile();
  auto file = MappedFile::Open(path_.string());
  ASSERT_TRUE(file.ok());
  const std::span<const std::byte> all = file->data();
  if (ShareInFileCache(all) == 1.0) GTEST_SKIP() << "this file system keeps its files in memory";
  ReadAhead ahead({all.subspan(0, 5000), all.subspan(5000)});
  ahead.Wait();
  // Asked for, not yet arrived: touching the last byte waits for it.
  EXPECT_EQ(all.back(), std::byte{'x'});
  EXPECT_GT(ShareInFileCache(all), 0.9);
}

TEST_F(ReadAheadTest, StopsEarlyAndTakesNothing) {
  auto file = MappedFile::Open(path_.string());
  ASSERT_TRUE(file.ok());
  { const ReadAhead ahead({file->data()}); }
  { const ReadAhead nothing({}); }
  EXPECT_EQ(ShareInFileCache({}), 1.0);
}

}  // namespace
}  // namespace mcv
