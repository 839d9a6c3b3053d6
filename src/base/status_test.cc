#include "base/status.h"

#include <gtest/gtest.h>

namespace mcv {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("odd: " + std::to_string(value));
  return value / 2;
}

Result<int> Quarter(int value) {
  MCV_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(Status, OkHasNoMessage) {
  EXPECT_TRUE(OkStatus().ok());
  EXPECT_EQ(OkStatus().ToString(), "ok");
  EXPECT_TRUE(OkStatus().Annotate("where").ok());
}

TEST(Status, SaysWhatAndWhere) {
  const Status status = Corrupt("bad magic").Annotate("model.gguf");
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.ToString(), "corrupt: model.gguf: bad magic");
}

TEST(Result, CarriesValueOrStatus) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd: 3");
  EXPECT_EQ(Quarter(5).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mcv
