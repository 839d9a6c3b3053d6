// What a line of a conversation means: a command, or a question with the pictures that it names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv::cli {

struct ChatCommand {
  std::string_view name;      // "/image"
  std::string_view argument;  // as /help shows it; "" for none
  std::string_view help;
  bool takes_files = false;
};
// In the order of /help.
std::span<const ChatCommand> ChatCommands();
std::string ChatHelp();

struct ChatLine {
  std::string command;                // "/image", one of ChatCommands(); "" for a question
  std::string argument;               // of a command, without blanks around it
  std::vector<std::string> pictures;  // that the line names, in order
  std::string question;               // without the pictures before it; may be empty
};

// Whether a file of that name is there that can be read.
using FileProbe = std::function<bool(const std::string& path)>;

// A line that begins with a slash is a command, or else a picture with the question behind it. A
// picture named inside of a question (with a slash or an ending that pictures have, and there) is
// one too; the question keeps its name without the folders.
// InvalidArgument for a command that is none, NotFound for a path where nothing is.
Result<ChatLine> ReadChatLine(std::string_view line, const FileProbe& is_file);

// The paths in `text`: words as terminals drop them, and names with blanks in them as they are.
std::vector<std::string> PathsIn(std::string_view text, const FileProbe& is_file);

}  // namespace mcv::cli
