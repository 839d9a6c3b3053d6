// What callgrind writes when the program asks for it: one file for each measured call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "bench/accepted.h"

namespace mcv::bench {

struct CallgrindDump {
  std::string name;  // what the program called it
  int64_t instructions = 0;
};

// Nothing for the dump that callgrind makes by itself when the program ends.
Result<std::optional<CallgrindDump>> ParseCallgrindDump(std::string_view text);

// Every dump of a folder. Errors name the file; a folder without any, or a name that comes twice,
// is an error.
Result<Numbers> ReadCallgrindDumps(const std::string& folder);

}  // namespace mcv::bench
