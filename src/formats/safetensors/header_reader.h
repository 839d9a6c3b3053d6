// Reads the JSON header of a .safetensors file event by event: private to formats/safetensors.
//
// No document tree is built: nesting is bounded by the few levels that the format has, repeated
// names are noticed rather than silently replaced, and memory stays in proportion to the header.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;  // begin, end
  bool has_shape = false;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

// Errors say what was wrong and at which tensor, but not the file's name.
Result<SafetensorsHeader> ReadSafetensorsHeader(std::string_view json);

}  // namespace mcv
