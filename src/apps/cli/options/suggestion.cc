#include "apps/cli/options/suggestion.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace mcv::cli {
namespace {

// Letters to insert, remove, replace or swap with their neighbour (Damerau and Levenshtein).
size_t Slips(std::string_view a, std::string_view b) {
  std::vector<size_t> before;
  std::vector<size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> now(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] =
          std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before = std::move(last);
    last = std::move(now);
  }
  return last.back();
}

bool OneBeginsWithTheOther(std::string_view a, std::string_view b) {
  constexpr size_t kLeast = 4;
  return std::min(a.size(), b.size()) >= kLeast && (a.starts_with(b) || b.starts_with(a));
}

}  // namespace

std::string Suggestion(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  size_t fewest = word.size() <= 3 ? 2 : 3;  // above what counts as a slip
  for (const std::string& candidate : candidates) {
    const size_t slips = OneBeginsWithTheOther(word, candidate) ? 2 : Slips(word, candidate);
    if (slips >= fewest || slips >= candidate.size()) continue;
    fewest = slips;
    best = candidate;
  }
  return best;
}

}  // namespace mcv::cli
