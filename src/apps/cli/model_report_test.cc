// `inspect` on golden models, on halves of pairs, and on damaged files.
#include "apps/cli/model_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/file_writer.h"
#include "spec/test_models.h"

namespace mcv::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ModelReport, ShowsAPair) {
  const auto report = MakeModelReport(Committed(k25LlmF16), "");
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->files.size(), 2u);
  EXPECT_EQ(report->files[0].types.at("F16").tensors, 16);
  EXPECT_EQ(report->files[0].types.at("F32").tensors, 5);
  EXPECT_THAT(ReportText(*report, {}),
              AllOf(HasSubstr("MiniCPM-Llama3-V 2.5"), HasSubstr("llama: 2 layers, 256 wide"),
                    HasSubstr("96 queries, 2 heads of 128"), HasSubstr("70x70 (strip)"),
                    HasSubstr("the two files belong together"), Not(HasSubstr("llama.context"))));
  const ReportOptions all{.keys = true, .tensors = true, .chat_template = true};
  EXPECT_THAT(ReportText(*report, all),
              AllOf(HasSubstr("'llama.context_length' = 4096"),
                    HasSubstr("'resampler.proj.weight'"), HasSubstr("[256, 448]")));
}

TEST(ModelReport, ShowsAnHfFolder) {
  const auto report = MakeModelReport(Committed(k20Hf), "");
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->ok());
  const auto json = ReportJson(*report);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["model"]["version"], "2.0");
  EXPECT_EQ(json["model"]["language"]["architecture"], "minicpm");
  EXPECT_EQ(json["model"]["vision"]["position_rule"], "interpolated");
  EXPECT_EQ(json["tokenizer"]["tokens"], 448);
  EXPECT_EQ(json["files"][0]["tensors"].size(), 64u);
  EXPECT_EQ(json["parameters"]["language"], 1'148'160);
}

TEST(ModelReport, HalfOfAPairIsShownAndExplained) {
  const auto report = MakeModelReport(Committed(k25Mmproj), "");
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_FALSE(report->ok());
  EXPECT_EQ(report->files.size(), 1u);
  EXPECT_THAT(ReportText(*report, {}), HasSubstr("is the vision half of a pair"));
}

TEST(ModelReport, MissingTensorsAreListed) {
  std::ifstream file(Committed(k25LlmF16), std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::string name = "blk.0.ffn_up.weight";
  bytes.replace(bytes.find(name), name.size(), "blk.0.ffn_up.\x1b[2J!!");
  const auto path = std::filesystem::temp_directory_path() /
                    ("mcv_report_" + std::to_string(::getpid()) + ".gguf");
  ASSERT_TRUE(WriteFile(path.string(), bytes).ok());
  const auto report = MakeModelReport(path.string(), Committed(k25Mmproj));
  std::filesystem::remove(path);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_FALSE(report->ok());
  EXPECT_THAT(ReportText(*report, {.tensors = true}),
              AllOf(HasSubstr("missing tensors:\n  text.0.ffn_up"), HasSubstr("not usable"),
                    HasSubstr("\\x1b[2J"), Not(HasSubstr("\x1b"))));
}

TEST(ModelReport, WhatIsNoModelIsAnError) {
  EXPECT_EQ(MakeModelReport("absent.gguf", "").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MakeModelReport(std::filesystem::temp_directory_path().string() + "/none", "")
                .status()
                .code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace mcv::cli
