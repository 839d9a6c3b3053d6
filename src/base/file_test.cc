#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) { return (folder_ / name).string(); }
  size_t FilesInFolder() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  TestFolder folder_{"file_test"};
};

TEST_F(FileTest, WritesThenMaps) {
  ASSERT_TRUE(WriteFile(Path("a"), "hello").ok());
  auto file = MappedFile::Open(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->data().size(), 5u);
  EXPECT_EQ(static_cast<char>(file->data()[1]), 'e');
  EXPECT_EQ(*ReadFile(Path("a"), 5), "hello");
  EXPECT_EQ(ReadFile(Path("a"), 4).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(FileTest, ReadsIntoMemoryAtTheSameAddress) {
  const std::string text(100'000, 'x');
  ASSERT_TRUE(WriteFile(Path("a"), text + "end").ok());
  auto file = MappedFile::Open(Path("a"));
  ASSERT_TRUE(file.ok());
  const auto before = file->data();
  EXPECT_FALSE(file->in_memory());
  ASSERT_TRUE(file->ReadIntoMemory().ok());
  EXPECT_TRUE(file->in_memory());
  EXPECT_EQ(file->data().data(), before.data());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(before.data()), before.size()), text + "end");
  // Nothing comes from the file any more.
  fs::resize_file(Path("a"), 1);
  EXPECT_EQ(static_cast<char>(before[before.size() - 1]), 'd');
  EXPECT_TRUE(file->ReadIntoMemory().ok());
  const MappedFile moved = *std::move(file);
  EXPECT_TRUE(moved.in_memory());
}

TEST_F(FileTest, AFileThatChangedIsNotReadIntoMemory) {
  for (const char* now : {"HELLO", "hello and more", ""}) {
    ASSERT_TRUE(WriteFile(Path("a"), "hello").ok());
    auto file = MappedFile::Open(Path("a"));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(WriteFile(Path("a"), now).ok());
    EXPECT_EQ(file->ReadIntoMemory().code(), StatusCode::kCorrupt);
    EXPECT_EQ(static_cast<char>(file->data()[0]), 'h');  // still the file that was opened
    fs::remove(Path("a"));
    EXPECT_EQ(file->ReadIntoMemory().code(), StatusCode::kNotFound);
  }
}

TEST_F(FileTest, AReplacedFileIsAnotherFile) {
  ASSERT_TRUE(WriteFile(Path("a"), "hello").ok());
  const FileIdentity first = MappedFile::Open(Path("a"))->identity();
  EXPECT_EQ(first.bytes, 5u);
  EXPECT_EQ(MappedFile::Open(Path("a"))->identity(), first);
  // Even if its length and its time of modification are the old ones.
  const auto written = fs::last_write_time(Path("a"));
  ASSERT_TRUE(WriteFile(Path("a"), "HELLO").ok());
  fs::last_write_time(Path("a"), written);
  const FileIdentity second = MappedFile::Open(Path("a"))->identity();
  EXPECT_EQ(second.modified_ns, first.modified_ns);
  EXPECT_NE(second, first);
}

TEST_F(FileTest, NamesWhatIsWrong) {
  EXPECT_EQ(MappedFile::Open(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(MappedFile::Open(folder_.string()).status().message().find("is a folder"),
              ::testing::Ne(std::string::npos));
  std::ofstream(Path("empty"));
  EXPECT_EQ(MappedFile::Open(Path("empty")).status().code(), StatusCode::kCorrupt);
}

TEST_F(FileTest, NothingHalfWrittenStays) {
  {
    auto writer = FileWriter::Create(Path("b"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Write(std::string(3 << 20, 'x')).ok());
  }
  EXPECT_EQ(FilesInFolder(), 0u);
  EXPECT_FALSE(FileWriter::Create(Path("no/such/folder/b")).ok());
}

TEST_F(FileTest, FoldersAndDevicesAreNotReplaced) {
  fs::create_directory(Path("folder"));
  EXPECT_EQ(WriteFile(Path("folder"), "data").code(), StatusCode::kInvalidArgument);
  fs::create_symlink("/dev/null", Path("device"));
  EXPECT_EQ(WriteFile(Path("device"), "data").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FilesInFolder(), 2u);
}

TEST_F(FileTest, PadsToAlignment) {
  auto writer = FileWriter::Create(Path("d"));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Write("abc").ok());
  ASSERT_TRUE(writer->PadTo(32).ok());
  EXPECT_EQ(writer->bytes_written(), 32u);
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(fs::file_size(Path("d")), 32u);
}

}  // namespace
}  // namespace mcv
