#include "apps/cli/commands/ask_words.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <istream>

#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/terminal/interrupts.h"
#include "apps/cli/terminal/plain_text.h"
#include "base/mapped_file.h"

namespace mcv::cli {
namespace {

constexpr char kForm[] = "minicpmv ask PICTURE... \"QUESTION\"";
// More than any context holds.
constexpr size_t kMostQuestionBytes = size_t{64} << 20;

bool HasSpace(const std::string& word) { return word.find(' ') != std::string::npos; }

// Quoted as a shell takes it, where it has to be.
std::string ForShell(const std::string& word) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+~";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// A word that is meant as a picture where a question should stand.
bool LooksLikePicture(const std::string& word) {
  const std::string path = ExpandHome(word);
  if (IsReadableFile(path)) return true;
  return HasPictureEnding(path) && !HasSpace(path);
}

// The last word is no question: says how it would be one.
Status NoQuestion(const std::vector<std::string>& words) {
  std::string pictures;
  std::string question = "What is in the picture?";
  for (const std::string& word : words) {
    // The question came first.
    if (&word == &words.front() && words.size() > 1 && !LooksLikePicture(word)) {
      question = word;
      continue;
    }
    pictures += " " + ForShell(word);
  }
  return InvalidArgument("a question is missing behind the pictures: " + words.back() +
                         " is the name of a file. Expected: minicpmv ask" + pictures + " " +
                         ForShell(question) + " (or, to ask just that, -p " +
                         ForShell(words.back()) + ")");
}

// To the end; a pipe can be read only once.
Result<std::string> ReadPlain(std::istream& input, const std::string& name) {
  std::string text;
  char piece[1 << 16];
  while (input.read(piece, sizeof piece) || input.gcount() > 0) {
    text.append(piece, static_cast<size_t>(input.gcount()));
    if (text.size() > kMostQuestionBytes) {
      return ResourceExhausted(name + ": more than " + std::to_string(kMostQuestionBytes) +
                               " bytes, no question is as long");
    }
  }
  if (Interrupted()) return Cancelled("stopped while the question was read");
  if (BeginsAsUtf16(text)) {
    return InvalidArgument(name + ": the question is UTF-16 text, expected UTF-8");
  }
  return PlainText(text);
}

}  // namespace

Result<AskWords> SortWords(const AskGiven& given) {
  AskWords sorted;
  sorted.pictures = given.images;
  if (given.prompt && given.file) {
    return InvalidArgument("--prompt and --file both hold the question; expected one of them");
  }
  std::vector<std::string> words = given.words;
  if (!given.prompt && !given.file) {
    if (words.empty()) {
      return InvalidArgument(std::string("a question is missing. Expected: ") + kForm);
    }
    if (words.back() != "-" && LooksLikePicture(words.back())) return NoQuestion(given.words);
    sorted.question = words.back();
    words.pop_back();
  }
  for (const std::string& word : words) sorted.pictures.push_back(ExpandHome(word));
  const bool piped_question = given.file ? *given.file == "-" : sorted.question == "-";
  const auto piped_pictures = std::ranges::count(sorted.pictures, "-");
  if (piped_pictures + (piped_question && !given.prompt ? 1 : 0) > 1) {
    return InvalidArgument(
        "standard input ('-') can be one picture or the question, not both. Expected: cat "
        "photo.jpg | minicpmv ask - \"What is in the picture?\"");
  }
  return sorted;
}

Result<std::string> ReadQuestion(const AskGiven& given, const AskWords& sorted) {
  if (given.prompt) return *given.prompt;
  const std::string& source = given.file ? *given.file : sorted.question;
  if (!given.file && source != "-") return source;
  if (source == "-") return ReadPlain(std::cin, "standard input");
  // Says what is wrong with it.
  if (!IsReadableFile(source)) return ReadFile(source, kMostQuestionBytes);
  std::ifstream file(source, std::ios::binary);
  return ReadPlain(file, source);
}

}  // namespace mcv::cli
