// Where the tests of tokenizers and prompts find their files.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "spec/tokenizer/tokenizer.h"

namespace mcv {

inline constexpr size_t kTestFileLimit = size_t{64} << 20;

inline std::string SharedGoldens() {
  const char* given = std::getenv("MCV_GOLDENS");
  return given != nullptr ? given : MCV_SHARED_GOLDENS;
}

// The tiny models are the project's own and part of the repository; before they are copied there,
// they are in the full goldens.
inline std::string TinyModels() {
  const std::string own = std::string(MCV_TESTDATA) + "/goldens";
  return std::filesystem::exists(own + "/models/v20_tiny") ? own : SharedGoldens();
}

inline bool HaveFile(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

inline std::string ReadTestFile(const std::string& path) {
  auto text = ReadFile(path, kTestFileLimit);
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? std::move(*text) : std::string();
}

// Fails the test and gives nullptr when loading fails.
inline std::unique_ptr<Tokenizer> LoadFolder(const std::string& folder) {
  auto tokenizer = LoadTokenizerFromFolder(folder);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

inline std::unique_ptr<Tokenizer> LoadGguf(const std::string& path) {
  auto file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  if (!file.ok()) return nullptr;
  auto tokenizer = LoadTokenizerFromGguf(*file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

struct TokenizerVector {
  std::string text;
  std::vector<int32_t> ids;
};

inline std::vector<TokenizerVector> ReadVectors(const std::string& path) {
  std::vector<TokenizerVector> vectors;
  const std::string file = ReadTestFile(path);
  for (size_t begin = 0; begin < file.size();) {
    const size_t end = std::min(file.find('\n', begin), file.size());
    const auto line = nlohmann::json::parse(file.substr(begin, end - begin));
    vectors.push_back({line["text"], line["ids"]});
    begin = end + 1;
  }
  return vectors;
}

}  // namespace mcv

// Skips, with the reason, where the path is not on this machine.
#define MCV_SKIP_WITHOUT(path)                                                        \
  if (!::mcv::HaveFile(path)) {                                                       \
    GTEST_SKIP() << (path) << " is not here; set MCV_GOLDENS to the full golden set"; \
  }
