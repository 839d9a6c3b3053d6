// Byte-level BPE as Llama 3 (2.5) and Qwen2 (2.6) use it, and its assembly from either file kind.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/added_tokens.h"
#include "family/tokenizer/merge_table.h"
#include "family/tokenizer/pre_tokenizer.h"
#include "family/tokenizer/tokenizer.h"

namespace mcv {

struct BpeRules {
  SplitRule split = SplitRule::kLlama3;
  bool ignore_merges = false;  // a piece that is a token is taken whole, merges or not
  bool nfc = false;            // Unicode normal form C first
};

class BpeTokenizer : public Tokenizer {
 public:
  BpeTokenizer(TokenizerSetup setup, const BpeRules& rules, PreTokenizer pre_tokenizer,
               MergeTable merges, const std::array<int32_t, 256>& byte_ids);

 protected:
  void AppendPlain(std::string_view utf8, TextSource source,
                   std::vector<int32_t>* ids) const override;

 private:
  struct Scratch;
  void AppendPiece(std::string_view piece, Scratch* scratch, std::vector<int32_t>* ids) const;

  BpeRules rules_;
  PreTokenizer pre_tokenizer_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_;
};

// Checks and collects what a file says, in this order: ordinary tokens, added tokens, merges.
// Errors name the file and the entry.
class BpeAssembler {
 public:
  // Ids are 0 .. count - 1.
  BpeAssembler(std::string name, int count, size_t expected_merges);

  // A token in the byte alphabet.
  Status AddToken(int32_t id, std::string_view spelled);
  // A token in plain text. It may repeat an ordinary one with the same spelling.
  Status AddAdded(const AddedToken& token);
  // Makes an added token, or an ordinary one of the form <...>, a control token: 2.6's <unk>, which
  // only tokenizer_config.json declares. Returns its id, or nothing if there is no such token.
  std::optional<int32_t> Declare(std::string_view text);
  // Ranks follow the order of the calls.
  Status AddMerge(std::string_view left, std::string_view right);
  // setup's vocabulary and specials are filled in here.
  Result<std::unique_ptr<Tokenizer>> Finish(TokenizerSetup setup, const BpeRules& rules);

 private:
  Status CheckToken(int32_t id, std::string_view text) const;

  std::string name_;
  Vocabulary vocabulary_;
  std::vector<bool> seen_;
  std::vector<SpecialToken> specials_;
  std::unordered_map<std::string, int32_t> special_ids_;  // the same by text
  MergeTable merges_;
  uint32_t num_merges_ = 0;
  std::string left_bytes_, right_bytes_;  // reused, so that 280,000 merges allocate nothing
};

}  // namespace mcv
