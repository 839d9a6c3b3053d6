// The library's whole-string functions reorder combining marks by an insertion sort, which a text
// of nothing but marks makes quadratic. So the text is decomposed character by character, each run
// of marks is ordered here, and only the composition, which is linear, is left to the library.
#include "family/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

// Below U+0300 every character is its own normal form and none combines with what precedes it.
bool IsTriviallyNormal(std::string_view utf8) {
  return std::all_of(utf8.begin(), utf8.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0xCC; });
}

int CombiningClass(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

std::vector<utf8proc_int32_t> Decompose(std::string_view utf8) {
  std::vector<utf8proc_int32_t> out;
  out.reserve(utf8.size() + 1);
  while (!utf8.empty()) {
    const size_t length = ScanUtf8(utf8).length;
    const char32_t code_point = CodePointOf(utf8.substr(0, length));
    // No character decomposes into more than 4; 8 leaves room for later Unicode versions.
    utf8proc_int32_t parts[8];
    int last_class = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(code_point), parts, 8, UTF8PROC_DECOMPOSE, &last_class);
    MCV_CHECK(count >= 0 && count <= 8);
    out.insert(out.end(), parts, parts + count);
    utf8.remove_prefix(length);
  }
  return out;
}

void OrderMarks(std::vector<utf8proc_int32_t>* text) {
  const auto is_mark = [](utf8proc_int32_t c) { return CombiningClass(c) != 0; };
  const auto is_starter = [](utf8proc_int32_t c) { return CombiningClass(c) == 0; };
  for (auto run = std::find_if(text->begin(), text->end(), is_mark); run != text->end();) {
    const auto end = std::find_if(run, text->end(), is_starter);
    std::stable_sort(run, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    run = std::find_if(end, text->end(), is_mark);
  }
}

}  // namespace

std::string ToNfc(std::string_view utf8) {
  if (IsTriviallyNormal(utf8)) return std::string(utf8);
  std::vector<utf8proc_int32_t> text = Decompose(utf8);
  OrderMarks(&text);
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(text.data(), static_cast<utf8proc_ssize_t>(text.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  MCV_CHECK(length >= 0);
  std::string out;
  out.reserve(utf8.size());
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t count = utf8proc_encode_char(text[i], bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  }
  return out;
}

}  // namespace mcv
