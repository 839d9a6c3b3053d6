// The words, where they come from, and the fonts they may be printed in.
#include <pango/pangocairo.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "trainer/data/alphabet.h"
#include "trainer/data/words.h"

namespace mcv::trainer {
namespace {

struct FontRow {
  const char* family;
  bool plain;  // a word at difficulty 0 may be set in it
  bool held_out;
};

// Debian's package of each is in trainer/packages.txt. Fonts drawn after one another (Carlito after
// Lato, Hack after DejaVu, Open Sans and Noto after Droid) are all trained on, so that a held-out
// font has no twin there.
constexpr FontRow kFontRows[] = {
    {"DejaVu Sans", true, false},
    {"Liberation Sans", true, false},
    {"Noto Sans", true, false},
    {"Open Sans", true, false},
    {"Lato", true, false},
    {"Carlito", true, false},
    {"Liberation Serif", true, false},
    {"DejaVu Serif", true, false},
    {"Noto Serif", true, false},
    {"DejaVu Sans Mono", true, false},
    {"Liberation Mono", true, false},
    {"Hack", true, false},
    {"Fira Code", true, false},
    {"Cabin", true, false},
    {"Andika", true, false},
    {"FreeSans", true, false},
    {"C059", true, false},
    {"Charis SIL", true, false},
    {"Linux Biolinum O", true, false},
    {"Linux Libertine O", true, false},
    {"Nimbus Sans", true, false},
    {"mononoki", true, false},
    {"URW Bookman", true, false},
    {"Gillius ADF", true, false},
    {"Play", false, false},
    {"FreeSerif", false, false},
    {"Nimbus Roman", false, false},
    {"Comfortaa", false, false},
    {"URW Gothic", false, false},
    {"Gentium Basic", false, false},
    {"Junicode Two Beta", false, false},
    {"Old Standard TT", false, false},
    {"GFS Didot", false, false},
    {"GFS Neohellenic", false, false},
    {"Fanwood", false, false},
    {"Goudy Bookletter 1911", false, false},
    {"Prociono", false, false},
    {"Accanthis ADF Std", false, false},
    {"Dustismo", false, false},
    {"Dustismo Roman", false, false},
    {"Noto Sans Mono", false, false},
    {"Noto Sans Display", false, false},
    {"Liberation Sans Narrow", false, false},
    {"Open Sans Condensed", false, false},
    {"Nimbus Mono PS", false, false},
    {"FreeMono", false, false},
    {"Lobster Two", false, false},
    // never trained on
    {"Roboto", true, true},
    {"Cantarell", true, true},
    {"Clear Sans", true, true},
    {"Caladea", true, true},
    {"P052", true, true},
    {"Vollkorn", true, true},
    {"Inconsolata", true, true},
    {"JetBrains Mono", true, true},
    {"Quicksand", false, true},
    {"Universalis ADF Std", false, true},
    {"EB Garamond", false, true},
    {"Radis Sans", false, true},
    {"Z003", false, true},
};
constexpr int kLeastTrained = 12, kLeastHeldOut = 4;

bool Covers(PangoFontMap* map, PangoContext* context, const std::string& family, gunichar letter) {
  PangoFontDescription* description = pango_font_description_new();
  pango_font_description_set_family(description, family.c_str());
  PangoFont* font = pango_font_map_load_font(map, context, description);
  pango_font_description_free(description);
  if (font == nullptr) return false;
  const bool covers = pango_font_has_char(font, letter);
  g_object_unref(font);
  return covers;
}

std::vector<FontFace> InstalledFonts() {
  PangoFontMap* map = pango_cairo_font_map_new();
  PangoContext* context = pango_font_map_create_context(map);
  PangoFontFamily** families = nullptr;
  int count = 0;
  pango_font_map_list_families(map, &families, &count);
  std::set<std::string> installed;
  for (int i = 0; i < count; ++i) installed.insert(pango_font_family_get_name(families[i]));
  g_free(families);
  std::vector<FontFace> fonts;
  for (const FontRow& row : kFontRows) {
    if (!installed.contains(row.family)) continue;
    fonts.push_back({row.family, row.held_out, row.plain, Covers(map, context, row.family, 0x3B1),
                     Covers(map, context, row.family, 0x436)});
  }
  g_object_unref(context);
  g_object_unref(map);
  return fonts;
}

bool AllWithin(const std::vector<char32_t>& letters, char32_t first, char32_t last) {
  return std::all_of(letters.begin(), letters.end(),
                     [&](char32_t c) { return c >= first && c <= last && AlphabetIndex(c) >= 0; });
}

// Every run of letters of the script between other characters of an annotation file.
Result<std::set<std::string>> AnnotationWords(const std::string& path, char32_t first,
                                              char32_t last) {
  std::ifstream file(path);
  if (!file) return NotFound(path + ": cannot open; install unicode-cldr-core");
  std::set<std::string> words;
  for (std::string line; std::getline(file, line);) {
    const size_t begin = line.find('>');
    const size_t end = line.find("</annotation>");
    if (begin == std::string::npos || end == std::string::npos) continue;
    std::string word;
    for (char c : line.substr(begin + 1, end - begin - 1) + " ") {
      const bool separator = static_cast<uint8_t>(c) < 0x80;
      if (!separator) word.push_back(c);
      if (!separator || word.empty()) continue;
      if (AllWithin(CodePoints(word), first, last)) words.insert(word);
      word.clear();
    }
  }
  return words;
}

}  // namespace

bool IsHeldOutWord(std::string_view word) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (char c : word) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  return MixBits(hash) % 10 == 0;
}

Result<WordBook> WordBook::Load(const std::string& dictionary, const std::string& annotations_dir) {
  WordBook book;
  std::set<std::string> words[kNumScripts];
  std::ifstream file(dictionary);
  if (!file) return NotFound(dictionary + ": cannot open the word list; install wamerican");
  for (std::string word; std::getline(file, word);) {
    const bool plain =
        std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (plain && word.size() >= 2) words[kLatin].insert(word);
  }
  MCV_ASSIGN_OR_RETURN(words[kGreek], AnnotationWords(annotations_dir + "/el.xml", 0x3AC, 0x3CE));
  MCV_ASSIGN_OR_RETURN(words[kCyrillic],
                       AnnotationWords(annotations_dir + "/ru.xml", 0x430, 0x451));
  for (int script = 0; script < kNumScripts; ++script) {
    for (const std::string& word : words[script]) {
      const size_t length = CodePoints(word).size();
      if (length < 2 || length > kMaxLength) continue;
      book.words_[script][IsHeldOutWord(word)][length].push_back(word);
    }
  }
  book.fonts_ = InstalledFonts();
  const auto held_out = std::count_if(book.fonts_.begin(), book.fonts_.end(),
                                      [](const FontFace& f) { return f.held_out && f.plain; });
  const auto trained = std::count_if(book.fonts_.begin(), book.fonts_.end(),
                                     [](const FontFace& f) { return !f.held_out && f.plain; });
  if (trained < kLeastTrained || held_out < kLeastHeldOut) {
    return NotFound("too few fonts: " + std::to_string(trained) + " plain ones to train on and " +
                    std::to_string(held_out) +
                    " held out are installed; trainer/packages.txt lists the packages");
  }
  return book;
}

const std::string& WordBook::Draw(Script script, bool held_out, int min_length, int max_length,
                                  RandomStream& random) const {
  min_length = std::clamp(min_length, 2, kMaxLength);
  max_length = std::clamp(max_length, min_length, kMaxLength);
  const auto& by_length = words_[script][held_out];
  // Lengths are equally frequent; where a length has no word, the range widens downwards.
  for (;;) {
    size_t total = 0;
    for (int length = min_length; length <= max_length; ++length) total += by_length[length].size();
    if (total > 0) break;
    MCV_CHECK(min_length > 2 || max_length < kMaxLength);
    min_length = std::max(2, min_length - 1);
    max_length = std::min(kMaxLength, max_length + 1);
  }
  for (;;) {
    const int length =
        min_length +
        static_cast<int>(random.Below(static_cast<uint32_t>(max_length - min_length + 1)));
    const auto& words = by_length[length];
    if (!words.empty()) return words[random.Below(static_cast<uint32_t>(words.size()))];
  }
}

bool WordBook::Contains(Script script, const std::string& word) const {
  const size_t length = CodePoints(word).size();
  if (length > kMaxLength) return false;
  const auto& words = words_[script][IsHeldOutWord(word)][length];
  return std::binary_search(words.begin(), words.end(), word);  // Load fills it in order
}

const FontFace& WordBook::DrawFont(Script script, bool held_out, double difficulty,
                                   RandomStream& random) const {
  const bool plain = !random.Chance(difficulty);
  std::vector<const FontFace*> fitting;
  for (const FontFace& font : fonts_) {
    const bool has_script = script == kLatin || (script == kGreek ? font.greek : font.cyrillic);
    if (font.held_out == held_out && has_script && (font.plain || !plain)) fitting.push_back(&font);
  }
  MCV_CHECK(!fitting.empty());
  return *fitting[random.Below(static_cast<uint32_t>(fitting.size()))];
}

}  // namespace mcv::trainer
