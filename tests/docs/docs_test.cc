// The documentation against the repository: what it links to is there, what it says to type exists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/docs/markdown.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<MarkdownFile>& Documentation() {
  static const auto* files = new std::vector<MarkdownFile>(ReadDocumentation(MCV_SOURCE_DIR));
  return *files;
}

const MarkdownFile* FindDocument(const std::string& path) {
  const auto found = std::find_if(Documentation().begin(), Documentation().end(),
                                  [&](const MarkdownFile& file) { return file.path == path; });
  return found == Documentation().end() ? nullptr : &*found;
}

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), got);
  }
  pclose(pipe);
  return output;
}

// The first word of each line that is indented by two blanks: how both helps list their entries.
std::set<std::string> IndentedFirstWords(const std::string& text) {
  std::set<std::string> words;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ") || line.size() < 3 || line[2] == ' ') continue;
    words.insert(line.substr(2, line.find(' ', 2) - 2));
  }
  return words;
}

// Every -x and --word that a text names.
std::set<std::string> OptionsIn(const std::string& text) {
  std::set<std::string> options;
  const auto belongs = [](char c) { return std::isalnum(c) != 0 || c == '-'; };
  for (size_t at = 0; at < text.size();) {
    const auto end = static_cast<size_t>(
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), belongs) -
        text.begin());
    if (text[at] == '-' && end > at + 1) options.insert(text.substr(at, end - at));
    at = std::max(end, at + 1);
  }
  return options;
}

const std::set<std::string>& DevVerbs() {
  static const auto* verbs = new std::set<std::string>(
      IndentedFirstWords(OutputOf("cd " MCV_SOURCE_DIR " && ./dev help")));
  return *verbs;
}

// The options of each sub-command of the program; of the program itself under "".
const std::map<std::string, std::set<std::string>>& ProgramOptions() {
  static const auto* options = [] {
    auto* all = new std::map<std::string, std::set<std::string>>;
    const std::string help = OutputOf(MCV_PROGRAM " --help");
    (*all)[""] = OptionsIn(help);
    const size_t list = help.find("ubcommands:");
    if (list == std::string::npos) return all;
    for (const std::string& name : IndentedFirstWords(help.substr(list))) {
      if (name.starts_with('-')) continue;
      (*all)[name] = OptionsIn(OutputOf(MCV_PROGRAM " " + name + " --help"));
    }
    return all;
  }();
  return *options;
}

// VERB, DIR, PICTURE...: stands for something that the reader puts in.
bool IsPlaceholder(const std::string& word) {
  return word.empty() ||
         std::none_of(word.begin(), word.end(), [](char c) { return std::islower(c) != 0; });
}

bool IsOption(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && (word[1] == '-' || std::isalpha(word[1]) != 0);
}

// What is wrong with `minicpmv WORDS...`, or "".
std::string MistakeInProgramCall(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) {
    if (IsOption(word)) {
      if (command == "?") continue;  // of an unnamed command: not ours to judge
      if (!ProgramOptions().at(command).contains(word.substr(0, word.find('=')))) {
        return "minicpmv " + command + " has no option " + word;
      }
    } else if (command.empty()) {
      command = IsPlaceholder(word) ? "?" : word;
      if (command != "?" && !ProgramOptions().contains(command)) {
        return "minicpmv has no command '" + command + "'";
      }
    }
  }
  return "";
}

// Every mistake in what one line tells the reader to type.
std::vector<std::string> MistakesIn(const std::string& line) {
  std::vector<std::string> mistakes;
  for (const auto& words : CallsOf(line, [](const std::string& w) { return w == "./dev"; })) {
    if (words.empty() || IsPlaceholder(words[0])) continue;
    if (!DevVerbs().contains(words[0])) mistakes.push_back("./dev has no verb '" + words[0] + "'");
  }
  const auto is_program = [](const std::string& word) {
    return word == "minicpmv" || word.ends_with("bin/minicpmv");
  };
  for (const auto& words : CallsOf(line, is_program)) {
    std::string mistake = MistakeInProgramCall(words);
    if (!mistake.empty()) mistakes.push_back(std::move(mistake));
  }
  return mistakes;
}

std::string Place(const MarkdownFile& file, const MarkdownText& text) {
  return file.path + ":" + std::to_string(text.line) + ": ";
}

TEST(DocsTest, RelativeLinksPointToFiles) {
  for (const MarkdownFile& file : Documentation()) {
    for (const MarkdownText& link : file.links) {
      if (link.text.find(':') != std::string::npos) continue;  // https:, mailto:
      const std::string target = link.text.substr(0, link.text.find('#'));
      const fs::path path = fs::path(file.path).parent_path() / target;
      EXPECT_TRUE(target.empty() || fs::exists(fs::path(MCV_SOURCE_DIR) / path))
          << Place(file, link) << "nothing is at " << link.text;
    }
  }
}

TEST(DocsTest, LinksToHeadingsFindThem) {
  for (const MarkdownFile& file : Documentation()) {
    for (const MarkdownText& link : file.links) {
      const size_t hash = link.text.find('#');
      if (hash == std::string::npos || link.text.find(':') != std::string::npos) continue;
      const fs::path path = fs::path(file.path).parent_path() / link.text.substr(0, hash);
      const MarkdownFile* target =
          hash == 0 ? &file : FindDocument(path.lexically_normal().string());
      if (target == nullptr) continue;  // a line of a source file, or the test above tells
      EXPECT_THAT(target->anchors, Contains(link.text.substr(hash)))
          << Place(file, link) << link.text;
    }
  }
}

// `src/family/versions.h` in running text is a promise too.
TEST(DocsTest, NamedSourcesExist) {
  for (const MarkdownFile& file : Documentation()) {
    for (const MarkdownText& span : file.spans) {
      const std::string root = span.text.substr(0, span.text.find('/') + 1);
      if (!std::set<std::string>{"src/", "docs/", "tests/", "trainer/"}.contains(root)) continue;
      if (span.text.find_first_of(" *<>{}") != std::string::npos) continue;  // a pattern
      const fs::path path = fs::path(MCV_SOURCE_DIR) / span.text;
      EXPECT_TRUE(fs::exists(path) || fs::exists(path.string() + ".h"))
          << Place(file, span) << "nothing is at " << span.text;
    }
  }
}

TEST(DocsTest, CommandsExist) {
  ASSERT_GT(ProgramOptions().size(), 3u) << "minicpmv --help was not understood";
  ASSERT_TRUE(DevVerbs().contains("demo")) << "./dev help was not understood";
  for (const MarkdownFile& file : Documentation()) {
    for (const auto* texts : {&file.commands, &file.spans}) {
      for (const MarkdownText& text : *texts) {
        for (const std::string& mistake : MistakesIn(text.text)) {
          ADD_FAILURE() << Place(file, text) << mistake;
        }
      }
    }
  }
}

TEST(DocsTest, OptionsNamedAloneInTheCommandLinePageExist) {
  const MarkdownFile* page = FindDocument("docs/cli.md");
  if (page == nullptr) GTEST_SKIP() << "docs/cli.md is not there";
  std::set<std::string> all;
  for (const auto& [command, options] : ProgramOptions())
    all.insert(options.begin(), options.end());
  for (const MarkdownText& span : page->spans) {
    const auto words = ShellWords(span.text);
    if (words.empty() || !words[0].starts_with("--")) continue;
    EXPECT_TRUE(all.contains(words[0])) << Place(*page, span) << words[0];
  }
}

TEST(DocsTest, TheFrontPageSaysTheTwoCommands) {
  const MarkdownFile* page = FindDocument("README.md");
  if (page == nullptr) GTEST_SKIP() << "README.md is not there";
  std::set<std::string> verbs;
  for (const MarkdownText& line : page->commands) {
    for (const auto& words :
         CallsOf(line.text, [](const std::string& w) { return w == "./dev"; })) {
      if (!words.empty()) verbs.insert(words[0]);
    }
  }
  EXPECT_TRUE(verbs.contains("demo"));
  EXPECT_TRUE(verbs.contains("test"));
  EXPECT_TRUE(verbs.contains("ci"));
}

// CI runs them in the order in which the page has them, so that nobody reads of a way that is never
// gone.
TEST(DocsTest, CiRunsTheCommandsOfTheFrontPage) {
  std::ifstream script(fs::path(MCV_SOURCE_DIR) / ".ci" / "run");
  ASSERT_TRUE(script.is_open()) << ".ci/run is not there";
  std::vector<std::string> verbs;
  for (std::string line; std::getline(script, line);) {
    for (const auto& words : CallsOf(line, [](const std::string& w) { return w == "./dev"; })) {
      if (!words.empty()) verbs.push_back(words[0]);
    }
  }
  EXPECT_THAT(verbs, ElementsAre("demo", "test", "ci"));
}

// Pages that nobody finds are not read: each folder of pages has an index that links all of them.
TEST(DocsTest, EveryDecisionIsInTheIndexAndEveryHowToIsLinked) {
  const MarkdownFile* index = FindDocument("docs/decisions/README.md");
  ASSERT_NE(index, nullptr);
  std::set<std::string> listed, linked;
  for (const MarkdownText& link : index->links) listed.insert(link.text);
  for (const MarkdownFile& file : Documentation()) {
    for (const MarkdownText& link : file.links) {
      const fs::path path = fs::path(file.path).parent_path() / link.text;
      linked.insert(path.lexically_normal().string());
    }
  }
  int decisions = 0;
  for (const MarkdownFile& file : Documentation()) {
    const fs::path path(file.path);
    if (path.parent_path() == "docs/decisions" && &file != index) {
      EXPECT_TRUE(listed.contains(path.filename().string()))
          << file.path << " is missing in docs/decisions/README.md";
      ++decisions;
    }
    if (path.parent_path() == "docs/howto") {
      EXPECT_TRUE(linked.contains(file.path)) << "no page links " << file.path;
    }
  }
  EXPECT_GT(decisions, 20);
}

// A label that a test has and tests/README.md does not explain is one that nobody knows when to
// run.
TEST(DocsTest, EveryTestLabelIsExplained) {
  const MarkdownFile* page = FindDocument("tests/README.md");
  ASSERT_NE(page, nullptr);
  std::set<std::string> explained;
  for (const MarkdownText& span : page->spans) explained.insert(span.text);
  int labels = 0;
  for (const char* root : {"src", "tests", "trainer", "bench"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(MCV_SOURCE_DIR) / root)) {
      if (entry.path().filename() != "CMakeLists.txt") continue;
      std::ifstream stream(entry.path());
      std::string word;
      for (bool next = false; stream >> word; next = word == "LABELS") {
        if (!next) continue;
        EXPECT_TRUE(explained.contains(word)) << entry.path() << ": LABELS " << word;
        ++labels;
      }
    }
  }
  EXPECT_GT(labels, 3);
}

// --- the reading itself ---

TEST(MarkdownTest, LinksSpansCommandsAndAnchorsAreSeen) {
  const MarkdownFile file = ReadMarkdown("a.md",
                                         "# Two words, `code`\n"
                                         "See [b](b.md#x) and ![c](d/c.png \"title\").\n"
                                         "`[no](link)` and `./dev test`\n"
                                         "```sh\n./dev build \\\n  release  # [n](o)\n```\n");
  ASSERT_EQ(file.links.size(), 2u);
  EXPECT_EQ(file.links[0].text, "b.md#x");
  EXPECT_EQ(file.links[1].text, "d/c.png");
  EXPECT_EQ(file.links[1].line, 2);
  ASSERT_EQ(file.spans.size(), 3u);
  EXPECT_EQ(file.spans[2].text, "./dev test");
  ASSERT_EQ(file.commands.size(), 1u);
  EXPECT_EQ(file.commands[0].line, 5);
  EXPECT_THAT(ShellWords(file.commands[0].text), ElementsAre("./dev", "build", "release"));
  EXPECT_THAT(file.anchors, ElementsAre("#two-words-code"));
}

TEST(MarkdownTest, WordsAreSplitAsAShellDoes) {
  EXPECT_THAT(ShellWords("a 'b c' \"d|e\"|f>g && h # i"),
              ElementsAre("a", "b c", "d|e", "|", "f", ">", "g", "&&", "h"));
  EXPECT_THAT(ShellWords("a '|' ''"), ElementsAre("a", "| ", ""));
}

TEST(CommandTest, WrongCommandsAreFound) {
  EXPECT_THAT(MistakesIn("./dev fly"), ElementsAre("./dev has no verb 'fly'"));
  EXPECT_THAT(MistakesIn("minicpmv fly a.png"), ElementsAre("minicpmv has no command 'fly'"));
  EXPECT_THAT(MistakesIn("X=1 build/release/bin/minicpmv ask a 'b' --wings | cat"),
              ElementsAre("minicpmv ask has no option --wings"));
  EXPECT_THAT(MistakesIn("minicpmv --wings"), ElementsAre("minicpmv  has no option --wings"));
}

TEST(CommandTest, RightCommandsAndPlaceholdersPass) {
  EXPECT_THAT(MistakesIn("./dev demo && ./dev test quick"), IsEmpty());
  EXPECT_THAT(MistakesIn("./dev VERB [ARGUMENTS]"), IsEmpty());
  EXPECT_THAT(MistakesIn("minicpmv ask PICTURE... \"any --wings?\" -n 4 | other --wings"),
              IsEmpty());
  EXPECT_THAT(MistakesIn("minicpmv COMMAND --help"), IsEmpty());
}

}  // namespace
}  // namespace mcv
