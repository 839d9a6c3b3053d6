#include "family/tokenizer/sentencepiece_model.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

static_assert(std::endian::native == std::endian::little, "floats are copied from the file");

// One message of a protocol buffer: tag (field number << 3 | wire type), then the value.
class ProtoReader {
 public:
  ProtoReader(std::string_view bytes, size_t base) : bytes_(bytes), base_(base) {}

  enum Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  struct Field {
    uint32_t number = 0;
    Wire wire = kVarint;
    uint64_t integer = 0;    // kVarint, kFixed32, kFixed64
    std::string_view bytes;  // kBytes
    size_t offset = 0;       // of `bytes` in the file
  };

  bool done() const { return position_ == bytes_.size(); }
  size_t offset() const { return base_ + position_; }

  // False when the bytes break the format or end too early.
  bool Next(Field* field) {
    uint64_t tag = 0;
    if (!ReadVarint(&tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return false;
    field->number = static_cast<uint32_t>(tag >> 3);
    field->wire = static_cast<Wire>(tag & 7);
    switch (field->wire) {
      case kVarint:
        return ReadVarint(&field->integer);
      case kFixed64:
        return ReadFixed(8, &field->integer);
      case kFixed32:
        return ReadFixed(4, &field->integer);
      case kBytes: {
        uint64_t length = 0;
        if (!ReadVarint(&length) || length > bytes_.size() - position_) return false;
        field->offset = offset();
        field->bytes = bytes_.substr(position_, length);
        position_ += length;
        return true;
      }
    }
    return false;  // groups and unknown wire types
  }

 private:
  bool ReadVarint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (done()) return false;
      const uint8_t byte = static_cast<uint8_t>(bytes_[position_++]);
      *value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool ReadFixed(size_t size, uint64_t* value) {
    if (bytes_.size() - position_ < size) return false;
    *value = 0;
    std::memcpy(value, bytes_.data() + position_, size);
    position_ += size;
    return true;
  }

  std::string_view bytes_;
  size_t base_;
  size_t position_ = 0;
};

using Field = ProtoReader::Field;

Status Broken(const std::string& name, const std::string& what, size_t offset) {
  return Corrupt(name + ": " + what + " is cut off or broken at byte " + std::to_string(offset));
}

Status ReadPiece(const Field& message, const std::string& where, SentencePiece* piece) {
  ProtoReader reader(message.bytes, message.offset);
  while (!reader.done()) {
    Field field;
    if (!reader.Next(&field)) return Broken(where, "the entry", reader.offset());
    if (field.number == 1 && field.wire == ProtoReader::kBytes) {
      piece->text = std::string(field.bytes);
    } else if (field.number == 2 && field.wire == ProtoReader::kFixed32) {
      piece->score = std::bit_cast<float>(static_cast<uint32_t>(field.integer));
    } else if (field.number == 3 && field.wire == ProtoReader::kVarint) {
      if (field.integer < 1 || field.integer > 6) {
        return Corrupt(where + ": type " + std::to_string(field.integer) + "; expected 1 to 6");
      }
      piece->kind = static_cast<TokenKind>(field.integer);
    }
  }
  if (piece->text.empty() || piece->text.size() > kMaxTokenBytes || !IsValidUtf8(piece->text)) {
    return Corrupt(where + ": expected 1 to " + std::to_string(kMaxTokenBytes) +
                   " bytes of UTF-8, found " + std::to_string(piece->text.size()) + " bytes");
  }
  if (!std::isfinite(piece->score)) return Corrupt(where + ": its score is not a number");
  return OkStatus();
}

Status ReadTrainerSpec(const Field& message, const std::string& name, SentencePieceModel* model) {
  ProtoReader reader(message.bytes, message.offset);
  while (!reader.done()) {
    Field field;
    if (!reader.Next(&field)) return Broken(name, "trainer_spec", reader.offset());
    if (field.wire != ProtoReader::kVarint) continue;
    const int value = static_cast<int>(field.integer);  // negative ids mean "none"
    switch (field.number) {
      case 3:
        model->model_type = value;
        break;
      case 35:
        model->byte_fallback = field.integer != 0;
        break;
      case 40:
        model->unk_id = value;
        break;
      case 41:
        model->bos_id = value;
        break;
      case 42:
        model->eos_id = value;
        break;
    }
  }
  return OkStatus();
}

Status ReadNormalizerSpec(const Field& message, const std::string& name,
                          SentencePieceModel* model) {
  ProtoReader reader(message.bytes, message.offset);
  while (!reader.done()) {
    Field field;
    if (!reader.Next(&field)) return Broken(name, "normalizer_spec", reader.offset());
    if (field.wire == ProtoReader::kBytes && field.number == 2) {
      model->has_normalizer_map = !field.bytes.empty();
    }
    if (field.wire != ProtoReader::kVarint) continue;
    if (field.number == 3) model->add_dummy_prefix = field.integer != 0;
    if (field.number == 4) model->remove_extra_whitespaces = field.integer != 0;
    if (field.number == 5) model->escape_whitespaces = field.integer != 0;
  }
  return OkStatus();
}

}  // namespace

Result<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes, const std::string& name) {
  if (bytes.size() > kMaxTokenizerFileBytes) {
    return ResourceExhausted(name + ": " + std::to_string(bytes.size()) + " bytes; at most " +
                             std::to_string(kMaxTokenizerFileBytes) + " are read");
  }
  SentencePieceModel model;
  ProtoReader reader(bytes, 0);
  while (!reader.done()) {
    Field field;
    if (!reader.Next(&field)) return Broken(name, "the model", reader.offset());
    if (field.wire != ProtoReader::kBytes) continue;
    if (field.number == 1) {
      const std::string where = name + ": piece " + std::to_string(model.pieces.size());
      if (model.pieces.size() >= static_cast<size_t>(kMaxVocabulary)) {
        return ResourceExhausted(where + ": at most " + std::to_string(kMaxVocabulary) +
                                 " are read");
      }
      MCV_RETURN_IF_ERROR(ReadPiece(field, where, &model.pieces.emplace_back()));
    } else if (field.number == 2) {
      MCV_RETURN_IF_ERROR(ReadTrainerSpec(field, name, &model));
    } else if (field.number == 3) {
      MCV_RETURN_IF_ERROR(ReadNormalizerSpec(field, name, &model));
    }
  }
  if (model.pieces.empty()) {
    return Corrupt(name + ": holds no pieces; expected a SentencePiece model");
  }
  return model;
}

int ByteOfPiece(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace mcv
