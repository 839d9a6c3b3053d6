#include "apps/cli/options/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "apps/cli/options/home_path.h"
#include "apps/cli/options/suggestion.h"

namespace mcv::cli {
namespace {

struct OtherName {
  std::string_view theirs;
  std::string_view ours;
};

// What programs of the same kind call it.
constexpr OtherName kOtherNames[] = {
    {"--temp", "--temperature"},
    {"-c", "--ctx"},
    {"--ctx-size", "--ctx"},
    {"--num-ctx", "--ctx"},
    {"--context", "--ctx"},
    {"--predict", "--max-tokens"},
    {"--n-predict", "--max-tokens"},
    {"--num-predict", "--max-tokens"},
    {"--max-new-tokens", "--max-tokens"},
    {"--repeat-penalty", "--repetition-penalty"},
    {"--num-beams", "--beams"},
    {"-sys", "--system"},
    {"--system-prompt", "--system"},
    {"-s", "--seed"},
    {"--images", "--image"},
    {"--picture", "--image"},
    {"--question", "--prompt"},
    {"--stop-string", "--stop"},
    {"--reverse-prompt", "--stop"},
    {"--cache-type-k", "--cache-type"},
    {"--cache-type-v", "--cache-type"},
    {"--verbose", "--stats"},
    {"--mm-proj", "--mmproj"},
};

// Options whose value is a file's or a folder's name.
constexpr std::string_view kPathOptions[] = {
    "--model",         "--mmproj", "--image",    "--file",           "--tuning",
    "--picture-cache", "--output", "--pictures", "--sample-picture", "--session"};
// Options whose value may hold blanks when it is written behind the letter: -p"What is it?".
constexpr std::string_view kTextLetters = "pmf";

bool HoldsBlank(std::string_view word) {
  return word.find_first_of(" \t\n") != std::string_view::npos;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// Puts the words of one command in order.
class Arranger {
 public:
  Arranger(CLI::App& command, std::span<const std::string> words)
      : command_(command), words_(words) {}

  Result<std::vector<std::string>> Run() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (word == "--") {
        rest_.insert(rest_.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
        break;
      }
      if (word.size() < 2 || word[0] != '-') {
        rest_.push_back(word);
      } else {
        MCV_RETURN_IF_ERROR(word[1] == '-' ? TakeLong(word) : TakeShort(word));
      }
    }
    std::vector<std::string> all = {command_.get_name()};
    all.insert(all.end(), options_.begin(), options_.end());
    if (!rest_.empty()) all.emplace_back("--");
    ExpectWords(static_cast<int>(rest_.size()));
    all.insert(all.end(), rest_.begin(), rest_.end());
    return all;
  }

 private:
  const CLI::Option* Find(const std::string& name) const {
    return command_.get_option_no_throw(name);
  }

  Status TakeLong(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = HoldsBlank(name) ? nullptr : Find(name);
    if (option == nullptr) return TakeUnknown(word, name);
    if (!TakesValue(*option)) {
      options_.push_back(word);
      return OkStatus();
    }
    if (equals == std::string::npos) return TakeNext(*option, name);
    return Give(*option, name, word.substr(equals + 1));
  }

  Status TakeShort(const std::string& word) {
    const std::string name = word.substr(0, 2);
    const CLI::Option* option = Find(name);
    const bool text =
        kTextLetters.find(word[1]) != std::string_view::npos && word.size() > 2 && word[2] != ' ';
    if (option == nullptr || (HoldsBlank(word) && !text)) return TakeUnknown(word, word);
    if (!TakesValue(*option)) {
      options_.push_back(word);
      return OkStatus();
    }
    if (word.size() == 2) return TakeNext(*option, name);
    return Give(*option, name, word.substr(word[2] == '=' ? 3 : 2));
  }

  // The next word is the value, whatever it begins with, unless the value may be left out.
  Status TakeNext(const CLI::Option& option, const std::string& name) {
    const bool optional = option.get_items_expected_min() == 0;
    const bool there = at_ < words_.size() && !(optional && words_[at_].starts_with('-'));
    if (there) return Give(option, name, words_[at_++]);
    if (!optional) return InvalidArgument(name + " needs a value behind it");
    options_.push_back(name);
    return OkStatus();
  }

  Status Give(const CLI::Option& option, const std::string& name, const std::string& value) {
    const bool path = std::ranges::any_of(kPathOptions, [&](std::string_view path_option) {
      return option.check_name(std::string(path_option));
    });
    // Lists hold as much as one likes, and some options mean another one before them.
    const bool single = option.get_items_expected_max() == 1 && !option.get_trigger_on_parse();
    if (single && !given_.insert(&option).second) {
      return InvalidArgument(name + " is given twice");
    }
    options_.push_back(name);
    options_.push_back(path ? ExpandHome(value) : value);
    return OkStatus();
  }

  Status TakeUnknown(const std::string& word, const std::string& name) {
    if (HoldsBlank(word)) {
      rest_.push_back(word);
      return OkStatus();
    }
    std::string message = name + " is no option of minicpmv " + command_.get_name();
    const std::string meant = Meant(name);
    if (!meant.empty()) message += "; did you mean " + meant + "?";
    if (TakesWords()) message += " (a question that begins with a dash comes after --)";
    return InvalidArgument(message);
  }

  // The parser takes more words than an option needs only if it may also take "[a,b]" apart, so it
  // is told that they are needed.
  void ExpectWords(int count) {
    for (CLI::Option* option : command_.get_options(IsPositional)) {
      if (!option->get_allow_extra_args() || count == 0) continue;
      option->expected(count)->allow_extra_args(false);
    }
  }

  static bool IsPositional(const CLI::Option* option) { return option->get_positional(); }

  bool TakesWords() const { return !std::as_const(command_).get_options(IsPositional).empty(); }

  std::string Meant(std::string name) const {
    std::replace(name.begin(), name.end(), '_', '-');
    for (const OtherName& other : kOtherNames) {
      if (name == other.theirs && Find(std::string(other.ours)) != nullptr) {
        return std::string(other.ours);
      }
    }
    std::vector<std::string> names;
    for (const CLI::Option* option : command_.get_options()) {
      if (option->get_group().empty()) continue;  // hidden
      for (const std::string& long_name : option->get_lnames()) names.push_back("--" + long_name);
    }
    return Suggestion(name, names);
  }

  CLI::App& command_;
  std::span<const std::string> words_;
  size_t at_ = 0;
  std::set<const CLI::Option*> given_;
  std::vector<std::string> options_;
  std::vector<std::string> rest_;
};

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

Status NoProgramCommand(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> names = CommandNames(app);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(word, ignored)) {
    return InvalidArgument("a command is missing before " + word + ": minicpmv ask " + word +
                           " \"What is in the picture?\"");
  }
  std::string message = word + " is no command";
  const std::string meant = Suggestion(word, names);
  if (!meant.empty()) return InvalidArgument(message + "; did you mean minicpmv " + meant + "?");
  message += "; there are";
  for (const std::string& name : names) {
    message += (&name == &names.front() ? " " : ", ") + name;
  }
  return InvalidArgument(message);
}

}  // namespace

std::string CommandOf(const CLI::App& app, std::span<const std::string> words) {
  const std::vector<std::string> names = CommandNames(app);
  if (words.empty() || std::ranges::find(names, words[0]) == names.end()) return "";
  return words[0];
}

Result<std::vector<std::string>> ArrangeArguments(CLI::App& app,
                                                  std::span<const std::string> words) {
  if (words.empty())
    return InvalidArgument("which command? minicpmv ask picture.jpg \"Question?\"");
  // The program's own options are --help and --version.
  if (words[0].starts_with('-')) return std::vector<std::string>(words.begin(), words.end());
  const std::string command = CommandOf(app, words);
  if (command.empty()) return NoProgramCommand(app, words[0]);
  return Arranger(*app.get_subcommand(command), words.subspan(1)).Run();
}

bool AsksForJson(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--json") return true;
  }
  return false;
}

}  // namespace mcv::cli
