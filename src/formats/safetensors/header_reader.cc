#include "formats/safetensors/header_reader.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "formats/printable.h"

namespace mcv {
namespace {

constexpr size_t kMaxDims = 16;
constexpr std::string_view kMetadata = "__metadata__";

// Where in the header the next event belongs.
enum class Place {
  kStart,     // before the outer brace
  kRoot,      // tensor names and __metadata__
  kMetadata,  // inside __metadata__
  kTensor,    // inside a tensor's object
  kShape,     // inside "shape"
  kOffsets,   // inside "data_offsets"
  kDone,
};

// nlohmann's event interface; the function names are its own. Returning false stops the parser.
class HeaderEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  Status status;

  bool null() override { return Refuse("null"); }
  bool boolean(bool) override { return Refuse("a bool"); }
  bool number_integer(number_integer_t value) override {
    return Refuse("the negative number " + std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return Refuse("the number " + Printable(text));
  }
  bool binary(binary_t&) override { return Refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) return Append(&header.entries.back().shape, value, kMaxDims);
    if (place_ == Place::kOffsets) return Append(&header.entries.back().offsets, value, 2);
    return Refuse("the number " + std::to_string(value));
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header.metadata[key_] = value;
      return true;
    }
    if (place_ == Place::kTensor && key_ == "dtype") {
      if (!header.entries.back().dtype.empty()) return Fail(Where() + ": 'dtype' occurs twice");
      header.entries.back().dtype = value;
      return true;
    }
    return Refuse("the string " + Printable(value));
  }

  bool key(string_t& value) override {
    key_ = value;
    if (place_ != Place::kRoot) return true;
    if (!names_.insert(value).second) {
      return Fail("tensor " + Printable(value) + ": occurs more than once");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kRoot;
    } else if (place_ == Place::kRoot && key_ == kMetadata) {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kRoot) {
      place_ = Place::kTensor;
      header.entries.emplace_back().name = key_;
    } else {
      return Refuse("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kRoot) {
      place_ = Place::kDone;
      return true;
    }
    const bool tensor = place_ == Place::kTensor;
    place_ = Place::kRoot;
    return !tensor || CheckComplete(header.entries.back());
  }

  bool start_array(size_t) override {
    if (place_ != Place::kTensor) return Refuse("an array");
    SafetensorsEntry& entry = header.entries.back();
    if (key_ == "shape" && !entry.has_shape) {
      entry.has_shape = true;
      place_ = Place::kShape;
    } else if (key_ == "data_offsets" && entry.offsets.empty()) {
      place_ = Place::kOffsets;
    } else {
      return Refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail("the header is not valid JSON at its byte " + std::to_string(position));
  }

 private:
  bool Fail(const std::string& what) {
    if (status.ok()) status = Corrupt(what);
    return false;
  }

  std::string Where() const {
    if (place_ == Place::kStart || place_ == Place::kDone) return "the header";
    if (place_ == Place::kMetadata) return "'__metadata__', key " + Printable(key_);
    if (place_ == Place::kRoot) return "entry " + Printable(key_);
    return "tensor " + Printable(header.entries.back().name) + ", key " + Printable(key_);
  }

  bool Refuse(const std::string& what) {
    return Fail(Where() + ": " + what + " is unexpected here");
  }

  bool Append(std::vector<uint64_t>* list, uint64_t value, size_t limit) {
    if (list->size() >= limit) {
      return Fail(Where() + ": has more than " + std::to_string(limit) + " numbers");
    }
    list->push_back(value);
    return true;
  }

  bool CheckComplete(const SafetensorsEntry& entry) {
    const char* missing = entry.dtype.empty()         ? "dtype"
                          : !entry.has_shape          ? "shape"
                          : entry.offsets.size() != 2 ? "data_offsets (two numbers)"
                                                      : nullptr;
    if (missing == nullptr) return true;
    return Fail("tensor " + Printable(entry.name) + ": lacks " + missing);
  }

  Place place_ = Place::kStart;
  std::string key_;
  std::unordered_set<std::string> names_;
};

}  // namespace

Result<SafetensorsHeader> ReadSafetensorsHeader(std::string_view json) {
  HeaderEvents events;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &events)) {
    return events.status.ok() ? Corrupt("the header is not valid JSON") : events.status;
  }
  return std::move(events.header);
}

}  // namespace mcv
