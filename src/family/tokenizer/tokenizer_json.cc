#include "family/tokenizer/tokenizer_json.h"

#include "family/tokenizer/vocabulary.h"
#include "formats/json_place.h"
#include "formats/printable.h"

namespace mcv {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxMerges = size_t{1} << 22;

// The event handler of nlohmann's streaming parser: every method returns false to stop.
class Reader {
 public:
  Reader(TokenizerJson* out, std::string name, std::string_view text)
      : out_(out), name_(std::move(name)), text_(text) {}
  const Status& status() const { return status_; }
  // What is still wrong with a text that was read to its end.
  Status CheckComplete() const {
    if (!has_vocabulary_) return Corrupt(name_ + ": model.vocab is missing or is no object");
    if (!has_merges_) return Corrupt(name_ + ": model.merges is missing or is no array");
    return OkStatus();
  }

  bool null() { return Scalar(nullptr); }
  bool boolean(bool value) { return Scalar(value); }
  bool number_integer(json::number_integer_t value) { return Scalar(value); }
  bool number_float(json::number_float_t value, const std::string&) { return Scalar(value); }
  bool binary(json::binary_t&) { return Fail("binary data in a text format"); }

  bool number_unsigned(json::number_unsigned_t value) {
    if (part_ != Part::kVocabulary) return Scalar(value);
    if (value >= kMaxVocabulary) {
      return Fail("token " + Printable(key_) + ": expected an id from 0 to " +
                  std::to_string(kMaxVocabulary - 1) + ", found " + std::to_string(value));
    }
    if (out_->vocabulary.size() >= kMaxVocabulary) return Fail("too many tokens");
    const uint32_t offset = Append(key_);
    out_->vocabulary.push_back(
        {offset, static_cast<uint32_t>(key_.size()), static_cast<int32_t>(value)});
    return true;
  }

  bool string(std::string& value) {
    switch (part_) {
      case Part::kRest:
        return Scalar(value);
      case Part::kVocabulary:
        return Fail("token " + Printable(key_) + ": expected an id, found a string");
      case Part::kMerges:
        return AddMergeLine(value);
      case Part::kMergePair:
        return AddMergeHalf(value);
    }
    return false;
  }

  bool key(std::string& value) {
    key_ = value;
    return true;
  }

  bool start_object(size_t) {
    if (part_ == Part::kRest && AtModel() && key_ == "vocab") {
      if (has_vocabulary_) return Fail("\"vocab\" is there twice");
      has_vocabulary_ = true;
      part_ = Part::kVocabulary;
      return true;
    }
    return Open(json::object());
  }
  bool end_object() {
    if (part_ == Part::kVocabulary) {
      part_ = Part::kRest;
      return true;
    }
    return Close();
  }

  bool start_array(size_t) {
    if (part_ == Part::kMerges) {
      part_ = Part::kMergePair;
      halves_ = 0;
      return true;
    }
    if (part_ == Part::kRest && AtModel() && key_ == "merges") {
      if (has_merges_) return Fail("\"merges\" is there twice");
      has_merges_ = true;
      part_ = Part::kMerges;
      return true;
    }
    return Open(json::array());
  }
  bool end_array() {
    if (part_ == Part::kMergePair) {
      part_ = Part::kMerges;
      return halves_ == 2 || Fail(MergeName() + ": expected two parts");
    }
    if (part_ == Part::kMerges) {
      part_ = Part::kRest;
      return true;
    }
    return Close();
  }

  bool parse_error(size_t position, const std::string&, const json::exception&) {
    return Fail("not JSON (or cut off) at byte " + std::to_string(position) + "; it " +
                JsonFault(text_));
  }

 private:
  enum class Part { kRest, kVocabulary, kMerges, kMergePair };

  bool Fail(const std::string& what) {
    if (status_.ok()) status_ = Corrupt(name_ + ": " + what);
    return false;
  }
  std::string MergeName() const { return "merge " + std::to_string(out_->merges.size()); }

  uint32_t Append(std::string_view text) {
    const uint32_t offset = static_cast<uint32_t>(out_->arena.size());
    out_->arena += text;
    return offset;
  }

  // "left right", split at the only blank.
  bool AddMergeLine(std::string_view line) {
    const size_t blank = line.find(' ');
    if (blank == line.npos || blank != line.rfind(' ')) {
      return Fail(MergeName() + " (" + Printable(line) + "): expected two parts and a blank");
    }
    return AddMerge(line.substr(0, blank), line.substr(blank + 1));
  }
  bool AddMergeHalf(const std::string& half) {
    if (++halves_ == 1) {
      first_half_ = half;
      return true;
    }
    return halves_ == 2 ? AddMerge(first_half_, half) : Fail(MergeName() + ": more than two parts");
  }
  bool AddMerge(std::string_view left, std::string_view right) {
    if (out_->merges.size() >= kMaxMerges) return Fail("too many merges");
    const uint32_t offset = Append(left);
    Append(right);
    out_->merges.push_back(
        {offset, static_cast<uint32_t>(left.size()), static_cast<uint32_t>(right.size())});
    return true;
  }

  // Inside the object that is the value of the top object's "model".
  bool AtModel() const { return open_.size() == 2 && open_[1] == model_ && model_ != nullptr; }

  bool Scalar(json value) {
    if (part_ != Part::kRest) {
      return Fail(
          std::string(part_ == Part::kVocabulary ? "token " + Printable(key_) : MergeName()) +
          ": unexpected " + value.type_name());
    }
    return open_.empty() ? Fail("expected an object") : Put(std::move(value)) != nullptr;
  }
  bool Open(json container) {
    if (part_ != Part::kRest) return Fail("unexpected nesting inside vocab or merges");
    if (open_.size() >= kMaxDepth) {
      return Fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    if (open_.empty() && !container.is_object()) return Fail("expected an object");
    const bool is_model = open_.size() == 1 && key_ == "model" && container.is_object();
    json* placed = Put(std::move(container));
    if (is_model) model_ = placed;
    open_.push_back(placed);
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  // Only the innermost container grows, so pointers to the outer ones stay good.
  json* Put(json value) {
    if (open_.empty()) return &(out_->rest = std::move(value));
    json& top = *open_.back();
    if (top.is_array()) {
      top.push_back(std::move(value));
      return &top.back();
    }
    return &(top[key_] = std::move(value));
  }

  TokenizerJson* out_;
  std::string name_;
  std::string_view text_;  // all of it
  Status status_;
  Part part_ = Part::kRest;
  std::vector<json*> open_;  // containers from the top to the innermost
  json* model_ = nullptr;
  std::string key_;
  std::string first_half_;
  int halves_ = 0;
  bool has_vocabulary_ = false;
  bool has_merges_ = false;
};

}  // namespace

Result<TokenizerJson> ReadTokenizerJson(std::string_view text, const std::string& name) {
  if (text.size() > kMaxTokenizerFileBytes) {
    return ResourceExhausted(name + ": " + std::to_string(text.size()) + " bytes; at most " +
                             std::to_string(kMaxTokenizerFileBytes) + " are read");
  }
  TokenizerJson out;
  Reader reader(&out, name, text);
  if (!json::sax_parse(text.begin(), text.end(), &reader)) {
    return reader.status().ok() ? Corrupt(name + ": not JSON") : reader.status();
  }
  MCV_RETURN_IF_ERROR(reader.CheckComplete());
  return out;
}

}  // namespace mcv
