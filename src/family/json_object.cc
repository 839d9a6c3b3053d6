#include "family/json_object.h"

#include <cmath>
#include <span>

#include "family/number_text.h"
#include "formats/json_place.h"
#include "formats/lfs_pointer.h"

namespace mcv {

using nlohmann::json;

const json* JsonObject::Find(const char* key) const {
  if (!json_->is_object()) return nullptr;
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::Has(const char* key) const { return Find(key) != nullptr; }

void JsonObject::Fail(const char* key, const char* expected) {
  if (!status_.ok()) return;
  const json* value = Find(key);
  const std::string found = value ? "found " + std::string(value->type_name()) : "it is missing";
  status_ = Corrupt(where_ + ": key '" + key + "': expected " + expected + ", " + found);
}

int JsonObject::Int(const char* key) {
  const json* value = Find(key);
  // Some writers store whole numbers as 448.0.
  const double number = value && value->is_number() ? value->get<double>() : NAN;
  if (!(number == std::floor(number)) || std::fabs(number) > std::numeric_limits<int>::max()) {
    Fail(key, "a whole number of 32 bits");
    return 0;
  }
  return static_cast<int>(number);
}

double JsonObject::Real(const char* key) {
  const json* value = Find(key);
  if (!value || !value->is_number()) {
    Fail(key, "a number");
    return 0;
  }
  return value->get<double>();
}

bool JsonObject::Bool(const char* key, bool fallback) {
  const json* value = Find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) Fail(key, "true or false");
  return value->is_boolean() ? value->get<bool>() : fallback;
}

std::string JsonObject::String(const char* key, const std::string& fallback) {
  const json* value = Find(key);
  if (!value) return fallback;
  if (!value->is_string()) Fail(key, "a string");
  return value->is_string() ? value->get<std::string>() : fallback;
}

std::string JsonObject::VersionText(const char* key) {
  const json* value = Find(key);
  if (!value) return "";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_number()) {
    Fail(key, "a version such as \"2.5\"");
    return "";
  }
  std::string version = ShortNumber(value->get<double>());
  if (version.find('.') == std::string::npos) version += ".0";
  return version;
}

void JsonObject::Triple(const char* key, float out[3]) {
  const json* value = Find(key);
  if (!value) return;
  if (!value->is_array() || value->size() != 3) return Fail(key, "three numbers");
  for (int i = 0; i < 3; ++i) {
    if (!(*value)[i].is_number()) return Fail(key, "three numbers");
    out[i] = (*value)[i].get<float>();
  }
}

Result<json> ParseJsonObject(const std::string& text, const std::string& where) {
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) {
    MCV_RETURN_IF_ERROR(CheckNotLfsPointer(std::as_bytes(std::span(text)), where, "file"));
    return Corrupt(where + ": " + JsonFault(text));
  }
  if (!parsed.is_object()) {
    return Corrupt(where + ": expected a JSON object, found " + parsed.type_name());
  }
  return parsed;
}

}  // namespace mcv
