// The numbers of this folder as a table for docs/numerics.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/dtype.h"

namespace mcv::quality {

// One kernel target's fast ways against exact on the same weights.
struct FastCost {
  std::string_view target;
  double perplexity_change = 0;  // the larger of the two, with its sign; 0.01 is 1 % more
  double at_once = 0;            // divergence
  double as_written = 0;         // divergence
};

struct TypeRow {
  DType type = DType::kF32;
  double share = 0;
  double bits_per_weight = 0;
  double perplexity = 0;         // exact
  double perplexity_change = 0;  // against F32; 0.01 is 1 % more
  double divergence = 0;         // exact, of this type from F32
  std::vector<FastCost> fast;    // one per target, the same in every row
};

// Markdown. Without perplexities where the text has no truth to foresee.
std::string ToMarkdown(const std::vector<TypeRow>& rows, bool with_perplexity);

}  // namespace mcv::quality
