// Loading for the tests of tokenizers and prompts.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "family/tokenizer/tokenizer.h"
#include "tests/support/goldens.h"

namespace mcv {

inline std::string ReadTestFile(const std::string& path) {
  auto text = ReadFile(path, kMaxTokenizerFileBytes);
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
