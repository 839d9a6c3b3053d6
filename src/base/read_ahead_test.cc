#include "base/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
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

TEST_F(ReadAheadTest, MapsWhatIsCached) {
  auto file = MappedFile::Open(path_.string());
  ASSERT_TRUE(file.ok());
  const std::span<const std::byte> all = file->data();
  for (size_t i = 0; i < all.size(); i += 4096) EXPECT_EQ(all[i], std::byte{'x'});  // all cached
  constexpr int kPopulateRead = 22;
  auto* first = const_cast<std::byte*>(all.data());
  if (::madvise(first, 4096, kPopulateRead) != 0) GTEST_SKIP() << "this system maps by faults only";
  MappedFile::Drop(all);
  const auto faults = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  ThreadPool pool(2);
  const std::array<std::span<const std::byte>, 3> ranges = {
      all.subspan(0, 5000), {}, all.subspan(5000)};
  MapCached(ranges, pool);
  const long before = faults();
  size_t sum = 0;
  for (size_t i = 0; i < all.size(); i += 4096) sum += static_cast<size_t>(all[i]);
  EXPECT_EQ(sum, (all.size() / 4096) * 'x');
  EXPECT_LT(faults() - before, 20);
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
