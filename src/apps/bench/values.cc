#include "apps/bench/values.h"

#include <cmath>
#include <cstdio>

#include "apps/bench/limit.h"

namespace mcv::bench {
namespace {

struct Unit {
  double factor = 1.0;
  const char* name = "";
};

Unit UnitFor(const Row& row, double value) {
  if (LargerIsBetter(row)) return {1.0, "tokens/s"};
  if (row.kind == RowKind::kMemory) {
    return value >= 1e9 ? Unit{1e-9, "GB"} : Unit{1e-6, "MB"};
  }
  return value < 1.0 ? Unit{1e3, "ms"} : Unit{1.0, "s"};
}

// Three digits that count.
std::string NumberText(double value) {
  char text[64];
  const double size = std::fabs(value);
  const int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string SizeText(int side) { return std::to_string(side) + "x" + std::to_string(side); }

}  // namespace

std::string CountText(int64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string RowTitle(const Row& row, const ModelConfig& config) {
  const std::string picture = SizeText(PictureSide(config));
  switch (row.kind) {
    case RowKind::kEncodeView:
      return "encode " + SizeText(ViewSide(config)) + ", one view";
    case RowKind::kEncodePicture:
      return "encode " + picture + ", per view of " + std::to_string(PictureViews(config));
    case RowKind::kPrefill:
      return "prefill, " + CountText(row.tokens) + " tokens";
    case RowKind::kDecode:
      return "decode after " + CountText(row.tokens) + " tokens";
    case RowKind::kDecodeMany:
      return "decode of " + CountText(row.tokens) + (row.tokens == 1 ? " sequence" : " sequences");
    case RowKind::kFirstTokenWarm:
      return "first token, " + picture + ", warm";
    case RowKind::kFirstTokenCold:
      return "first token, " + picture + ", cold";
    case RowKind::kMemory:
      return "peak resident memory";
    case RowKind::kLoad:
      break;
  }
  return "load to ready, warm";
}

std::string ValueText(const Row& row, double value) {
  const Unit unit = UnitFor(row, value);
  return NumberText(value * unit.factor) + " " + unit.name;
}

std::string ValuesText(const Row& row, const std::vector<double>& values, double like) {
  const Unit unit = UnitFor(row, like);
  std::string text;
  for (const double value : values) {
    if (!text.empty()) text += ' ';
    text += NumberText(value * unit.factor);
  }
  return text;
}

std::string TimesText(double times) { return NumberText(times); }

std::string PercentText(double share) {
  char text[64];
  std::snprintf(text, sizeof text, share < 0.0995 ? "%.1f %%" : "%.0f %%", share * 100.0);
  return text;
}

}  // namespace mcv::bench
