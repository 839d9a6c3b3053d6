// SentencePiece BPE with byte fallback as MiniCPM-V 1.0 and 2.0 use it (model-spec 5.1).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/added_tokens.h"
#include "family/tokenizer/sentencepiece_model.h"
#include "family/tokenizer/tokenizer.h"

namespace mcv {

class SentencePieceTokenizer : public Tokenizer {
 public:
  // Inside, a blank is a blank: U+2581 in pieces and in text are both mapped to it.
  struct Tables {
    std::vector<float> scores;          // by id; a pair joins where the score is highest
    std::array<int32_t, 256> byte_ids;  // byte fallback
    // User-defined pieces, which are taken whole and never join. In typed text those that the model
    // uses as control tokens are plain characters.
    ByteTrie typed_pieces;
    ByteTrie reference_pieces;
    size_t longest_piece = 0;  // bytes
  };
  SentencePieceTokenizer(TokenizerSetup setup, Tables tables);

  // Checks the model and lays the added tokens over it. `setup` brings the ids and the template.
  static Result<std::unique_ptr<Tokenizer>> Create(const SentencePieceModel& model,
                                                   const std::vector<AddedToken>& added,
                                                   TokenizerSetup setup, const std::string& name);

 protected:
  void AppendPlain(std::string_view utf8, TextSource source,
                   std::vector<int32_t>* ids) const override;

 private:
  struct Symbol;
  std::vector<Symbol> SplitIntoSymbols(std::string_view text, const ByteTrie& pieces) const;
  void JoinSymbols(std::string_view text, std::vector<Symbol>* symbols) const;

  Tables tables_;
};

}  // namespace mcv
