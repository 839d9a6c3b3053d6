// A prompt before it is tokens: control tokens, places for picture rows, and stretches of text.
// Neighbouring texts are joined before they are encoded, because tokens do not respect the border
// between a template's newline and what somebody wrote.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mcv {

struct Segment {
  enum class Kind { kText, kControl, kRows };
  Kind kind = Kind::kText;
  std::string text;
  int32_t id = 0;    // kControl: the token; kRows: the token that holds the places
  int num_rows = 0;  // kRows
  int picture = 0;
  int view = 0;
};

class SegmentList {
 public:
  void Text(std::string_view text);
  void Control(int32_t id);
  void Rows(int32_t id, int num_rows, int picture, int view);
  void Append(SegmentList other);
  // Removes white space (as Python's str.strip counts it) from both ends. Only text is touched.
  void Trim();
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  std::vector<Segment> segments_;
};

// True if nothing but white space.
bool IsBlank(std::string_view utf8);

}  // namespace mcv
