// Small tokenizer files made in memory, for tests that damage them or change one thing.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "family/tokenizer/byte_alphabet.h"
#include "family/tokenizer/pre_tokenizer.h"
#include "formats/gguf/gguf_writer.h"

namespace mcv {

// 256 bytes (id = byte), "he" 256, "the" 257, then <unk> 258 and <|eot_id|> 259.
inline nlohmann::json TinyBpeJson() {
  using nlohmann::json;
  json vocab;
  for (int byte = 0; byte < 256; ++byte) {
    vocab[ByteAlphabetCharacter(static_cast<uint8_t>(byte))] = byte;
  }
  vocab["he"] = 256;
  vocab["the"] = 257;
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", PublishedPattern(SplitRule::kLlama3)}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  return {
      {"added_tokens",
       {{{"id", 258}, {"content", "<unk>"}, {"special", true}},
        {{"id", 259}, {"content", "<|eot_id|>"}, {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}}},
      {"model",
       {{"type", "BPE"}, {"ignore_merges", false}, {"vocab", vocab}, {"merges", {"h e", "t he"}}}}};
}

// A protocol buffer written by hand.
inline std::string ProtoVarint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}
inline std::string ProtoInteger(uint32_t number, uint64_t value) {
  return ProtoVarint(number << 3) + ProtoVarint(value);
}
inline std::string ProtoBytes(uint32_t number, std::string_view bytes) {
  return ProtoVarint(number << 3 | 2) + ProtoVarint(bytes.size()) + std::string(bytes);
}
inline std::string ProtoPiece(std::string_view text, float score, int kind) {
  std::string piece = ProtoBytes(1, text) + ProtoVarint(2 << 3 | 5);
  piece.append(reinterpret_cast<const char*>(&score), sizeof score);
  if (kind != 1) piece += ProtoInteger(3, static_cast<uint64_t>(kind));
  return ProtoBytes(1, piece);
}

// What MiniCPM's files say of the training and the normaliser.
inline std::string TinySpecs() {
  return ProtoBytes(2, ProtoInteger(3, 2) + ProtoInteger(35, 1)) +
         ProtoBytes(3, ProtoBytes(1, "identity") + ProtoInteger(3, 0) + ProtoInteger(4, 0));
}

// The vocabulary of MiniCPM in small: text, kind as in SentencePiece, score.
struct TinyPiece {
  std::string text;
  int kind;
  float score;
};
inline std::vector<TinyPiece> TinyPieces() {
  std::vector<TinyPiece> pieces = {{"<unk>", 2, 0}, {"<s>", 3, 0}, {"</s>", 3, 0}};
  for (const char* text :
       {"\n", "<image>", "</image>", "<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>",
        "<reserved_20>", "<reserved_21>", "<reserved_22>", "<reserved_23>", "...", "."}) {
    pieces.push_back({text, 4, 0});
  }
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back({std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">", 6, 0});
  }
  float score = 0;
  for (const char* text : {"th", "the", "im", "\xE2\x96\x81", "t", "h", "e", "i", "m"}) {
    pieces.push_back({text, 1, score--});
  }
  return pieces;
}

inline std::string TinySentencePieceModel() {
  std::string model;
  for (const TinyPiece& piece : TinyPieces()) {
    model += ProtoPiece(piece.text, piece.score, piece.kind);
  }
  return model + TinySpecs();
}

}  // namespace mcv
