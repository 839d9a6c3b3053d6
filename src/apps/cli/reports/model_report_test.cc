// `inspect` on golden models, on halves of pairs, and on damaged files.
#include "apps/cli/reports/model_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/file_writer.h"
#include "family/test_models.h"

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

// The report on the golden language model with the first `from` behind `key` replaced by `to`,
// which is as long.
Result<ModelReport> ReportChanged(const std::string& key, const std::string& from,
                                  const std::string& to) {
  std::ifstream file(Committed(k25LlmF16), std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  bytes.replace(bytes.find(from, bytes.find(key)), from.size(), to);
  const auto path = std::filesystem::temp_directory_path() /
                    ("mcv_report_" + std::to_string(::getpid()) + ".gguf");
  MCV_RETURN_IF_ERROR(WriteFile(path.string(), bytes));
  auto report = MakeModelReport(path.string(), Committed(k25Mmproj));
  std::filesystem::remove(path);
  return report;
}

TEST(ModelReport, AForeignTemplateIsNoted) {
  const auto report = ReportChanged("tokenizer.chat_template", "<|eot_id|>", "<|im_end|>");
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->ok());
  EXPECT_THAT(ReportText(*report, {}), HasSubstr("template looks unlike Llama 3's"));
  const auto own = MakeModelReport(Committed(k25LlmF16), Committed(k25Mmproj));
  ASSERT_TRUE(own.ok()) << own.status().ToString();
  EXPECT_THAT(ReportText(*own, {}), Not(HasSubstr("template looks")));
}

TEST(ModelReport, MissingTensorsAreListed) {
  const auto report = ReportChanged("", "blk.0.ffn_up.weight", "blk.0.ffn_up.\x1b[2J!!");
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
