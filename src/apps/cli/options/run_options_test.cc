#include "apps/cli/options/run_options.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace mcv::cli {
namespace {

namespace fs = std::filesystem;

// What is shown of a folder is its last part, which "." and a slash behind it do not have.
TEST(RunOptions, AFolderHasItsOwnName) {
  for (const char* name : {".", "./", "../.", ".."}) {
    RunOptions options;
    options.engine.model = name;
    const auto chosen = ChooseModel(options);
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(fs::path(chosen->model), fs::canonical(name)) << name;
  }
  RunOptions options;
  options.engine.model = "no/such.gguf";
  EXPECT_EQ(ChooseModel(options)->model, "no/such.gguf");
}

}  // namespace
}  // namespace mcv::cli
