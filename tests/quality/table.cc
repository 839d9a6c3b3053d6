#include "tests/quality/table.h"

#include <cmath>
#include <cstdio>

namespace mcv::quality {
namespace {

std::string Format(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

std::string Percent(double share) { return Format("%+.2f %%", 100.0 * share); }
// Rounding of the sum itself is no news.
std::string Nats(double divergence) {
  return std::fabs(divergence) < 1e-9 ? "0" : Format("%.1e", divergence);
}

}  // namespace

std::string ToMarkdown(const std::vector<TypeRow>& rows, bool with_perplexity) {
  if (rows.empty()) return "";
  std::string text = "| type | in it | bits | ";
  if (with_perplexity) text += "perplexity | against F32 | ";
  text += "divergence |";
  std::string line = with_perplexity ? "|---|--:|--:|--:|--:|--:|" : "|---|--:|--:|--:|";
  for (const FastCost& fast : rows[0].fast) {
    const std::string name = " " + std::string(fast.target);
    if (with_perplexity) text += name + ": perplexity |";
    text += name + ": at once |" + name + ": as written |";
    line += with_perplexity ? "--:|--:|--:|" : "--:|--:|";
  }
  text += "\n" + line + "\n";
  for (const TypeRow& row : rows) {
    text += "| " + std::string(Traits(row.type).name) + " | " + Format("%.0f %%", 100 * row.share) +
            " | " + Format("%.2f", row.bits_per_weight) + " | ";
    if (with_perplexity) {
      text += Format("%.4f", row.perplexity) + " | " + Percent(row.perplexity_change) + " | ";
    }
    text += Nats(row.divergence) + " |";
    for (const FastCost& fast : row.fast) {
      if (with_perplexity) text += " " + Percent(fast.perplexity_change) + " |";
      text += " " + Nats(fast.at_once) + " | " + Nats(fast.as_written) + " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace mcv::quality
