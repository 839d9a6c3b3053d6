#include "trainer/data/scoring.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "trainer/data/alphabet.h"
#include "trainer/data/things.h"

namespace mcv::trainer {
namespace {

std::string Normalise(std::string_view text) {
  const auto loose = [](char c) { return c == ' ' || c == '\n' || c == '.'; };
  while (!text.empty() && loose(text.front())) text.remove_prefix(1);
  while (!text.empty() && loose(text.back())) text.remove_suffix(1);
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

// "there are two cats, a dog and a key on a red background" -> {"a dog", "a key", "on a red
// background", "two cats"}: sorted, so that order does not matter.
std::vector<std::string> ListedThings(std::string text) {
  for (std::string_view opener : {"there is ", "there are "}) {
    if (text.starts_with(opener)) text.erase(0, opener.size());
  }
  std::vector<std::string> things;
  const auto cut = [&](std::string_view separator, size_t keep) {
    for (size_t at = 0; (at = text.find(separator, at)) != std::string::npos;) {
      text.replace(at, separator.size() - keep, "\n");
      ++at;
    }
  };
  cut(", ", 0);
  cut(" and ", 0);
  cut(" on ", 3);  // the ground keeps its "on "
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    things.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::sort(things.begin(), things.end());
  return things;
}

AnswerScore ScoreList(const std::string& truth, const std::string& answer) {
  const auto wanted = ListedThings(truth), given = ListedThings(answer);
  std::vector<std::string> right;
  std::set_intersection(wanted.begin(), wanted.end(), given.begin(), given.end(),
                        std::back_inserter(right));
  const double longer = static_cast<double>(std::max(wanted.size(), given.size()));
  return {wanted == given, static_cast<double>(right.size()) / longer};
}

// Answers come from a model and may be cut inside a character: such bytes count as one each.
std::vector<char32_t> SafeCodePoints(std::string_view text) {
  std::vector<char32_t> points;
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length > 1 && i + length <= text.size()) {
      points.push_back(CodePoints(text.substr(i, length))[0]);
      i += length;
    } else {
      points.push_back(lead);
      ++i;
    }
  }
  return points;
}

}  // namespace

int EditDistance(std::string_view a_text, std::string_view b_text) {
  const auto a = SafeCodePoints(a_text), b = SafeCodePoints(b_text);
  // row[j]: distance between the first i characters of a and the first j of b.
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string QuestionForm(std::string_view question) {
  static const std::set<std::string, std::less<>> kept = [] {
    std::set<std::string, std::less<>> words = {
        "a",    "above", "an",   "are",   "background", "below", "can",  "color",   "colour",
        "do",   "does",  "how",  "image", "in",         "is",    "left", "many",    "of",
        "read", "right", "see",  "the",   "there",      "what",  "word", "written", "where",
        "you",  "this",  "text", "say",   "describe",   "name",  "show", "picture"};
    words.insert(kColourNames.begin(), kColourNames.end());
    for (int n = 1; n <= 10; ++n) words.emplace(NumberWord(n));
    return words;
  }();
  std::string form, word;
  const auto finish_word = [&] {
    if (word.empty()) return;
    if (!kept.contains(word)) word = "*";
    if (word != "*" || !form.ends_with("*")) form += (form.empty() ? "" : " ") + word;
    word.clear();
  };
  for (const char c : question) {
    if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c + 32);
    } else if ((c >= 'a' && c <= 'z') || c == '\'') {
      word += c;
    } else {
      finish_word();
    }
  }
  finish_word();
  return form;
}

AnswerScore ScoreAnswer(const Turn& truth, std::string_view answer) {
  switch (truth.type) {
    case QuestionType::kRead: {
      // Case counts when reading: only blanks around the text are forgiven.
      const size_t first = answer.find_first_not_of(" \n");
      answer = first == std::string_view::npos ? std::string_view() : answer.substr(first);
      while (!answer.empty() && (answer.back() == ' ' || answer.back() == '\n'))
        answer.remove_suffix(1);
      const double length = static_cast<double>(CodePoints(truth.answer).size());
      const int distance = EditDistance(truth.answer, answer);
      return {distance == 0, std::max(0.0, 1.0 - distance / length)};
    }
    case QuestionType::kName:
    case QuestionType::kDescribe:
    case QuestionType::kRelation:
      return ScoreList(Normalise(truth.answer), Normalise(answer));
    default: {
      const bool exact = Normalise(truth.answer) == Normalise(answer);
      return {exact, exact ? 1.0 : 0.0};
    }
  }
}

}  // namespace mcv::trainer
