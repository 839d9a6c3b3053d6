// A tokenizer as plain lists, the form in which GGUF stores it: for writing files, not for encoding
// text (spec/tokenizer does that).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "formats/gguf/gguf_file.h"
#include "formats/gguf/gguf_writer.h"

namespace mcv {

struct TokenizerData {
  std::string model;                // "gpt2" (byte-level BPE) or "llama" (SentencePiece)
  std::string pre;                  // "llama-bpe", "qwen2", "default"
  std::vector<std::string> tokens;  // index = id; gpt2: in the byte alphabet, special ones literal
  std::vector<int32_t> types;       // one per token, the numbers of TokenKind
  std::vector<float> scores;        // llama only
  std::vector<std::string> merges;  // gpt2 only: "left right", best first
  std::optional<uint32_t> bos, eos, eot, unknown, padding;
  bool add_bos = false;
  std::optional<bool> add_space_prefix;  // llama only
  std::string chat_template;             // Jinja
};

// From an HF folder: tokenizer.json or tokenizer.model, with tokenizer_config.json. The list is
// padded with unused tokens to config.text.vocab; a longer one is an error.
Result<TokenizerData> ReadTokenizerData(const std::string& folder, const ModelConfig& config);
// From the LLM file of a pair, unchanged.
Result<TokenizerData> ReadTokenizerData(const GgufFile& file);

// Adds the tokenizer.* keys.
void AddTokenizerKeys(const TokenizerData& data, GgufWriter& writer);

}  // namespace mcv
