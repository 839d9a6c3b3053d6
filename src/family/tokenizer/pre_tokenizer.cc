// The published expression backtracks: on a run of n blanks its newline alternative tries n ends.
// The one compiled here matches the same pieces with possessive repeats only, so that no text can
// make a match cost more than its length. It also spells white space out: PCRE2's \s counts
// U+180E, which Unicode (and the reference's engine) no longer does.
#include "family/tokenizer/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "family/tokenizer/utf8.h"

namespace mcv {
namespace {

// Unicode's White_Space without CR and LF, then with them.
#define MCV_BLANK                                                     \
  "\\t\\x0B\\x0C \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}" \
  "\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define MCV_SPACE MCV_BLANK "\\r\\n"

std::string PatternOf(SplitRule rule) {
  const std::string digits = rule == SplitRule::kLlama3 ? "\\p{N}{1,3}+" : "\\p{N}";
  return
      // English contractions, in any case.
      "(?i:'(?:s|t|re|ve|m|ll|d))"
      // A word, with one character before it that is neither letter, number nor newline.
      "|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++"
      "|" +
      digits +
      // Punctuation with a space before and newlines after it.
      "| ?+[^" MCV_SPACE
      "\\p{L}\\p{N}]++[\\r\\n]*+"
      // Blanks that end in newlines.
      "|(?:[" MCV_BLANK
      "]*+[\\r\\n]++)++"
      // Blanks, without the last one if a word follows (it goes with the word); the only repeat
      // that gives something back, and only one character.
      "|[" MCV_SPACE "]+(?![^" MCV_SPACE
      "])"
      "|[" MCV_SPACE "]++";
}

#undef MCV_SPACE
#undef MCV_BLANK

// Far above what one match needs; a bound in case an engine version optimises differently.
constexpr uint32_t kMatchLimit = 50'000'000;

struct MatchState {
  pcre2_match_data_8* data = pcre2_match_data_create_8(1, nullptr);
  pcre2_match_context_8* context = pcre2_match_context_create_8(nullptr);
  MatchState() {
    MCV_CHECK(data != nullptr && context != nullptr);
    pcre2_set_match_limit_8(context, kMatchLimit);
  }
  ~MatchState() {
    pcre2_match_data_free_8(data);
    pcre2_match_context_free_8(context);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
};

}  // namespace

std::string_view PublishedPattern(SplitRule rule) {
  return rule == SplitRule::kLlama3
             ? R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
             : R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

Result<PreTokenizer> PreTokenizer::Create(SplitRule rule) {
  const std::string pattern = PatternOf(rule);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code_8* code =
      pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr);
  if (code == nullptr) {
    return Internal("the pre-tokenizer's expression does not compile: PCRE2 error " +
                    std::to_string(error) + " at offset " + std::to_string(offset) +
                    "; PCRE2 must be built with Unicode support");
  }
  // Where the system forbids code made at run time, matching is interpreted: slower, same pieces.
  (void)pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE);
  PreTokenizer splitter;
  splitter.code_.reset(
      code, [](const pcre2_code_8* owned) { pcre2_code_free_8(const_cast<pcre2_code_8*>(owned)); });
  return splitter;
}

void PreTokenizer::Split(std::string_view utf8, std::vector<size_t>* ends) const {
  MatchState state;
  const PCRE2_SPTR8 text = reinterpret_cast<PCRE2_SPTR8>(utf8.data());
  for (size_t begin = 0; begin < utf8.size();) {
    // The text was checked by the caller; checking it again for each piece would be quadratic.
    const int found = pcre2_match_8(code_.get(), text, utf8.size(), begin, PCRE2_NO_UTF_CHECK,
                                    state.data, state.context);
    size_t end = found > 0 ? pcre2_get_ovector_pointer_8(state.data)[1] : begin;
    // Every character is matched by some alternative. Should the engine give up all the same (a
    // limit), a character by itself keeps the text whole.
    if (end <= begin) end = begin + ScanUtf8(utf8.substr(begin)).length;
    ends->push_back(end);
    begin = end;
  }
}

}  // namespace mcv
