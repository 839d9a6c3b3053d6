// Typed reading of a JSON object from a model folder: a missing key or one of another kind is
// remembered as a Status that names file and key, so that reading code stays a list of assignments.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"

namespace mcv {

// Views one JSON object that must outlive it. The first error sticks; getters then return
// fallbacks. Private to spec: other rooms never see the JSON library.
class JsonObject {
 public:
  JsonObject(const nlohmann::json& json, std::string where)
      : json_(&json), where_(std::move(where)) {}

  const Status& status() const { return status_; }
  // Present and not null.
  bool Has(const char* key) const;
  // Null when absent or not an object.
  const nlohmann::json* Find(const char* key) const;

  // The key must be there.
  int Int(const char* key);
  int Int(const char* key, int fallback) { return Has(key) ? Int(key) : fallback; }
  double Real(const char* key);
  double Real(const char* key, double fallback) { return Has(key) ? Real(key) : fallback; }
  bool Bool(const char* key, bool fallback);
  std::string String(const char* key, const std::string& fallback);
  // A string, or a number as people write it: 2.5 becomes "2.5" and 2 becomes "2.0".
  std::string VersionText(const char* key);
  // Three numbers, or untouched when the key is absent.
  void Triple(const char* key, float out[3]);

 private:
  void Fail(const char* key, const char* expected);
  const nlohmann::json* json_;
  std::string where_;
  Status status_;
};

// Parses text whose top must be an object. `where` is used in messages.
Result<nlohmann::json> ParseJsonObject(const std::string& text, const std::string& where);

}  // namespace mcv
