#include "bench/counts/callgrind_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file_writer.h"

namespace mcv::bench {
namespace {

using ::testing::HasSubstr;

std::string Dump(const std::string& trigger, const std::string& totals) {
  return "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npid: 7\npart: 1\n\n"
         "desc: I1 cache:\ndesc: Trigger: " +
         trigger +
         "\n\npositions: line\nevents: Ir\nsummary: 12\n\nfn=(1) f\n0 12\n\ntotals: " + totals +
         "\n";
}

TEST(CallgrindDumpTest, HasTheNameAndTheCount) {
  const auto dump = ParseCallgrindDump(Dump("Client Request: avx2/gemv/Q4_K", "5123456789"));
  ASSERT_TRUE(dump.ok()) << dump.status().ToString();
  ASSERT_TRUE(dump->has_value());
  EXPECT_EQ((*dump)->name, "avx2/gemv/Q4_K");
  EXPECT_EQ((*dump)->instructions, 5123456789);
}

TEST(CallgrindDumpTest, TheOneAtTheEndOfTheProgramIsNoCall) {
  const auto dump = ParseCallgrindDump(Dump("Program termination", "0"));
  ASSERT_TRUE(dump.ok());
  EXPECT_FALSE(dump->has_value());
}

TEST(CallgrindDumpTest, AnythingElseIsAnError) {
  for (const std::string& text :
       {std::string(), std::string("totals: 5\n"), Dump("Client Request: x", ""),
        Dump("Client Request: x", "0"), Dump("Client Request: x", "5 6"),
        Dump("Client Request: x", "99999999999999999999")}) {
    EXPECT_FALSE(ParseCallgrindDump(text).ok()) << text;
  }
}

class CallgrindDumpFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void Put(const std::string& file, const std::string& text) {
    ASSERT_TRUE(WriteFile(folder_ + "/" + file, text).ok());
  }
  std::string folder_ = testing::TempDir() + "callgrind_dump_test";
};

TEST_F(CallgrindDumpFolderTest, IsReadAsAWhole) {
  Put("out.1", Dump("Client Request: a", "10"));
  Put("out.2", Dump("Client Request: b", "20"));
  Put("out", Dump("Program termination", "0"));
  const auto numbers = ReadCallgrindDumps(folder_);
  ASSERT_TRUE(numbers.ok()) << numbers.status().ToString();
  EXPECT_EQ(*numbers, (Numbers{{"a", {10}}, {"b", {20}}}));
}

TEST_F(CallgrindDumpFolderTest, ASecondDumpOfAKernelAndAnEmptyFolderAreErrors) {
  EXPECT_THAT(ReadCallgrindDumps(folder_).status().ToString(), HasSubstr("no dump of callgrind"));
  EXPECT_FALSE(ReadCallgrindDumps(folder_ + "/nowhere").ok());
  Put("out.1", Dump("Client Request: a", "10"));
  Put("out.2", Dump("Client Request: a", "10"));
  EXPECT_THAT(ReadCallgrindDumps(folder_).status().ToString(), HasSubstr("a second dump of a"));
}

}  // namespace
}  // namespace mcv::bench
