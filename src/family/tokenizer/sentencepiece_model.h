// The file tokenizer.model: SentencePiece's protocol buffer, read by hand. Only the documented
// fields of sentencepiece_model.proto that matter here are looked at, the others are skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/vocabulary.h"

namespace mcv {

struct SentencePiece {
  std::string text;  // with U+2581 for blanks, byte pieces as <0xNN>
  float score = 0;
  TokenKind kind = TokenKind::kNormal;
};

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  // index = id
  int model_type = 1;                 // 1 unigram (the format's default), 2 BPE
  bool byte_fallback = false;
  int unk_id = 0;
  int bos_id = 1;
  int eos_id = 2;
  bool has_normalizer_map = false;  // a compiled character map: anything but `identity`
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Every length is checked against the bytes that are there before anything is taken. Errors name
// `name`, the piece or field, and the offset.
Result<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes, const std::string& name);

// The byte that "<0xNN>" stands for, or -1.
int ByteOfPiece(std::string_view text);

}  // namespace mcv
