#include "apps/cli/commands/chat_line.h"

#include <algorithm>
#include <filesystem>

#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/options/suggestion.h"
#include "apps/cli/terminal/dropped_words.h"
#include "apps/cli/terminal/plain_text.h"

namespace mcv::cli {
namespace {

constexpr ChatCommand kCommands[] = {
    {"/image", "PATH...", "show the model pictures; they go with your next question", true},
    {"/system", "TEXT", "a system message, before the first question or after /clear"},
    {"/regen", "", "answer the last question anew, sampled"},
    {"/clear", "", "forget the conversation, and which pictures it was about"},
    {"/save", "FILE",
     "write the conversation as Markdown, or as JSON for *.json; /save! replaces a file", true},
    {"/save!", "FILE", "", true},
    {"/stats", "", "time, tokens per second and memory of the last answer"},
    {"/help", "", "this list"},
    {"/?", "", ""},
    {"/bye", "", "leave (also /exit, /quit, Ctrl-D, or Ctrl-C twice)"},
    {"/exit", "", ""},
    {"/quit", "", ""},
};

// A name with blanks that nothing quotes is looked for in so many words at most.
constexpr size_t kMostWordsOfName = 16;

struct FoundPath {
  std::string path;
  size_t words = 0;  // that it takes
};

// A path that is there and begins with word `first`, the longest there is; else nothing taken.
FoundPath FindPath(std::string_view text, std::span<const DroppedWord> words, size_t first,
                   const FileProbe& is_file) {
  const size_t last = std::min(words.size(), first + kMostWordsOfName);
  for (size_t behind = last; behind > first; --behind) {
    const size_t begin = words[first].begin;
    const std::string raw(text.substr(begin, words[behind - 1].end - begin));
    if (is_file(DroppedPath(raw))) return {DroppedPath(raw), behind - first};
  }
  const std::string path = DroppedPath(words[first].text);
  return is_file(path) ? FoundPath{path, 1} : FoundPath{};
}

// Punctuation of the sentence that a name may stand before.
size_t SentenceEnd(std::string_view word) {
  size_t end = word.size();
  while (end > 0 && std::string_view("?!.,;:)").find(word[end - 1]) != std::string_view::npos)
    --end;
  return end;
}

Status NoChatCommand(const std::string& word) {
  std::vector<std::string> names;
  for (const ChatCommand& command : ChatCommands()) names.emplace_back(command.name);
  const std::string meant = Suggestion(word, names);
  return InvalidArgument(word + ": not a command" +
                         (meant.empty() ? "" : "; did you mean " + meant + "?") +
                         " (/help lists them)");
}

bool IsPathLike(const std::string& word) {
  return word.find('/', 1) != std::string::npos || HasPictureEnding(word);
}

Result<ChatLine> ReadCommand(std::string_view line) {
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  ChatLine read;
  read.command = line.substr(0, end);
  const auto commands = ChatCommands();
  const auto found = std::ranges::find(commands, read.command, &ChatCommand::name);
  if (found == commands.end()) return NoChatCommand(read.command);
  read.argument = Trimmed(line.substr(end));
  const bool may_lack = found->argument.empty() || read.command == "/system";
  if (!may_lack && read.argument.empty()) {
    return InvalidArgument("expected " + std::string(found->name) + " " +
                           std::string(found->argument));
  }
  if (found->argument.empty() && !read.argument.empty()) {
    return InvalidArgument(read.command + " takes nothing behind it");
  }
  return read;
}

Status NoSuchFile(const std::string& path) {
  return NotFound(path +
                  ": no such file (a line that begins with a slash is a command or a picture's "
                  "path; put \"\"\" around a question that only speaks of one)");
}

// Pictures named inside of a question.
Status FindPictures(const FileProbe& is_file, ChatLine* line) {
  // Text of several lines is pasted from somewhere: names in it need not mean anything here.
  const bool one_line = line->question.find('\n') == std::string::npos;
  std::string question;
  size_t copied = 0;
  for (const DroppedWord& word : SplitDropped(line->question)) {
    const std::string bare = word.text.substr(0, SentenceEnd(word.text));
    for (const std::string& text : {word.text, bare}) {
      const std::string path = DroppedPath(text);
      if (!HasPictureEnding(path)) continue;
      if (!is_file(path)) {
        if (one_line && text == bare && BeginsAsPath(text)) return NoSuchFile(path);
        continue;
      }
      line->pictures.push_back(path);
      question += line->question.substr(copied, word.begin - copied);
      question += std::filesystem::path(path).filename().string();
      question += word.text.substr(text.size());
      copied = word.end;
      break;
    }
  }
  line->question = question + line->question.substr(copied);
  return OkStatus();
}

}  // namespace

std::span<const ChatCommand> ChatCommands() { return kCommands; }

std::string ChatHelp() {
  std::string text;
  for (const ChatCommand& command : kCommands) {
    if (command.help.empty()) continue;
    std::string form = std::string(command.name) + " " + std::string(command.argument);
    form.resize(std::max<size_t>(form.size(), 16), ' ');
    text += form + std::string(command.help) + "\n";
  }
  return text +
         "A picture's path in a line shows it, too; Tab completes names.\n"
         "Several lines: paste them, press Alt-Enter between them, end a line with \\, or put\n"
         "\"\"\" before the first and behind the last.\n"
         "Ctrl-C clears the line or stops an answer.\n";
}

std::vector<std::string> PathsIn(std::string_view text, const FileProbe& is_file) {
  const std::vector<DroppedWord> words = SplitDropped(text);
  std::vector<std::string> paths;
  for (size_t i = 0; i < words.size();) {
    const FoundPath found = FindPath(text, words, i, is_file);
    paths.push_back(found.words > 0 ? found.path : DroppedPath(words[i].text));
    i += std::max<size_t>(found.words, 1);
  }
  return paths;
}

Result<ChatLine> ReadChatLine(std::string_view line, const FileProbe& is_file) {
  line = Trimmed(line);
  ChatLine read;
  const std::vector<DroppedWord> words = SplitDropped(line);
  if (words.empty()) return read;
  const std::string first(line.substr(0, std::min(line.find_first_of(" \t\n"), line.size())));
  const bool is_command =
      std::ranges::find(ChatCommands(), first, &ChatCommand::name) != ChatCommands().end();
  if (is_command) return ReadCommand(line);

  // Pictures before the question.
  size_t word = 0;
  while (word < words.size()) {
    const DroppedWord& at = words[word];
    const std::string_view raw = line.substr(at.begin, at.end - at.begin);
    if (!BeginsAsPath(at.text) && !HasPictureEnding(at.text) && raw[0] != '/') break;
    const FoundPath found = FindPath(line, words, word, is_file);
    if (found.words == 0) break;
    read.pictures.push_back(found.path);
    word += found.words;
  }
  if (word < words.size()) read.question = line.substr(words[word].begin);
  const std::string rest_word = word < words.size() ? words[word].text : "";
  if (rest_word.starts_with('/') && word == 0 && !IsPathLike(rest_word)) return ReadCommand(line);
  if (BeginsAsPath(rest_word) && (rest_word.starts_with('/') || HasPictureEnding(rest_word))) {
    return NoSuchFile(DroppedPath(rest_word));
  }
  MCV_RETURN_IF_ERROR(FindPictures(is_file, &read));
  return read;
}

}  // namespace mcv::cli
