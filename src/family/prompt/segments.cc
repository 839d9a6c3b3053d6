#include "family/prompt/segments.h"

#include <utility>

#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

// str.isspace of Python, which Jinja's trim relies on: Unicode's White_Space and U+001C to U+001F.
bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

// Offset of the first character that is no white space, and of the end of the last one.
std::pair<size_t, size_t> InkRange(std::string_view text) {
  size_t first = text.size();
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Scan scan = ScanUtf8(text.substr(i));
    const bool is_space = scan.kind == Utf8Scan::Kind::kCharacter &&
                          IsSpace(CodePointOf(text.substr(i, scan.length)));
    if (!is_space) {
      if (end == 0) first = i;
      end = i + scan.length;
    }
    i += scan.length;
  }
  return {first, end};
}

}  // namespace

bool IsBlank(std::string_view utf8) { return InkRange(utf8).second == 0; }

void SegmentList::Text(std::string_view text) {
  if (text.empty()) return;
  if (segments_.empty() || segments_.back().kind != Segment::Kind::kText) segments_.emplace_back();
  segments_.back().text += text;
}

void SegmentList::Control(int32_t id) {
  Segment segment;
  segment.kind = Segment::Kind::kControl;
  segment.id = id;
  segments_.push_back(std::move(segment));
}

void SegmentList::Rows(int32_t id, int num_rows, int picture, int view) {
  segments_.push_back({Segment::Kind::kRows, "", id, num_rows, picture, view});
}

void SegmentList::Append(SegmentList other) {
  for (Segment& segment : other.segments_) {
    if (segment.kind == Segment::Kind::kText) {
      Text(segment.text);
    } else {
      segments_.push_back(std::move(segment));
    }
  }
}

void SegmentList::Trim() {
  if (segments_.empty()) return;
  Segment& last = segments_.back();
  if (last.kind == Segment::Kind::kText) last.text.resize(InkRange(last.text).second);
  Segment& first = segments_.front();
  if (first.kind == Segment::Kind::kText) first.text.erase(0, InkRange(first.text).first);
}

}  // namespace mcv
