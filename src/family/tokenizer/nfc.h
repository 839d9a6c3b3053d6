// Unicode normal form C, which Qwen2's tokenizer applies before anything else.
#pragma once

#include <string>
#include <string_view>

namespace mcv {

// `utf8` must be valid. O(n log n) also for long runs of combining marks.
std::string ToNfc(std::string_view utf8);

}  // namespace mcv
