// A conversation: each line is a question, a line that begins with a slash is a command. Standard
// output carries the answers; everything else goes to standard error.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>

#include "apps/cli/commands.h"
#include "apps/cli/commands/chat_line.h"
#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/reports/report.h"
#include "apps/cli/terminal/dropped_words.h"
#include "apps/cli/terminal/line_editor.h"
#include "apps/cli/terminal/plain_text.h"
#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"
#include "apps/cli/terminal/transcript.h"

namespace mcv::cli {
namespace {

struct ChatArguments {
  RunOptions run;
  std::vector<std::string> pictures;
};

void Say(const std::string& text) { Print(stderr, text + "\n"); }

// What Tab completes: a command's name, and paths behind a command or where a word begins as one.
Completion CompleteChatLine(std::string_view line) {
  const size_t blank = line.find(' ');
  if (line.starts_with('/') && blank == std::string_view::npos) {
    std::vector<std::string> names;
    for (const ChatCommand& command : ChatCommands()) names.emplace_back(command.name);
    Completion completion = CompleteName(line, names);
    if (!completion.insert.empty() || !completion.choices.empty()) return completion;
    return CompletePath(line, /*pictures_only=*/true);
  }
  for (const ChatCommand& command : ChatCommands()) {
    if (!command.takes_files || line.substr(0, blank) != command.name) continue;
    return CompletePath(line.substr(blank + 1), command.name == "/image");
  }
  const std::vector<DroppedWord> words = SplitDropped(line);
  if (words.empty() || words.back().end != line.size()) return {};
  const std::string_view word = line.substr(words.back().begin);
  return BeginsAsPath(word) ? CompletePath(word, /*pictures_only=*/true) : Completion();
}

// One conversation. At a terminal errors are told and it goes on; from a pipe the first one ends
// it, since what follows was meant for what did not come about.
class Chat {
 public:
  Chat(const CLI::App& app, const ChatArguments& arguments, std::shared_ptr<const Engine> engine,
       std::unique_ptr<Session> session)
      : app_(app),
        arguments_(arguments),
        engine_(std::move(engine)),
        session_(std::move(session)),
        editor_(CompleteChatLine) {}

  int Loop() {
    for (const std::string& path : arguments_.pictures) {
      if (const auto end = EndAfter(ShowPicture(ExpandHome(path)))) return *end;
    }
    if (editor_.interactive()) {
      Say(ShownName(engine_->config().name) + ". Type a question, or /help.");
    }
    while (!left_) {
      if (Terminating() || (!editor_.interactive() && Interrupted())) return kExitInterrupted;
      const InputLine line = ReadLine();
      if (line.kind == InputLine::Kind::kEnd) break;
      if (line.kind == InputLine::Kind::kInterrupted ||
          line.kind == InputLine::Kind::kInterruptedEmpty) {
        TakeInterrupt(line.kind == InputLine::Kind::kInterruptedEmpty);
        continue;
      }
      interrupts_ = 0;
      if (const auto end = EndAfter(Take(line))) return *end;
      if (OutputIsClosed()) break;  // main says what is wrong with it
    }
    return kExitOk;
  }

 private:
  // A Ctrl-C at the prompt must not end a conversation, nor one that comes just after an answer.
  InputLine ReadLine() {
    constexpr int kPatience = 3;
    if (editor_.interactive()) {
      EndAfterPresses(0);
      ForgetInterrupt();
    }
    InputLine line = editor_.Read("> ");
    if (editor_.interactive()) {
      ForgetInterrupt();
      EndAfterPresses(kPatience);
    }
    return line;
  }

  void TakeInterrupt(bool empty) {
    if (!editor_.interactive() || Terminating()) return;  // the loop ends
    interrupts_ = empty ? interrupts_ + 1 : 0;
    if (interrupts_ == 0) return;
    if (interrupts_ == 1) return Say("(Ctrl-C again leaves; /save FILE keeps the conversation)");
    left_ = true;
    std::string back = "minicpmv chat";
    for (const LoadedPicture& picture : pictures_) back += " " + ShownName(picture.path);
    Say("left; to come back: " + back);
  }

  // The exit status where an error ends the conversation.
  std::optional<int> EndAfter(const Status& status) {
    if (status.ok()) return std::nullopt;
    if (!editor_.interactive()) {
      const int exit_code = Fail(status);
      return status.code() == StatusCode::kCancelled ? exit_code : kExitFailure;
    }
    Say(status.ToString());
    return std::nullopt;
  }

  Status Take(const InputLine& line) {
    ChatLine read;
    if (line.kind == InputLine::Kind::kVerbatim) {
      read.question = line.text;
    } else {
      MCV_ASSIGN_OR_RETURN(read, ReadChatLine(line.text, IsReadableFile));
    }
    if (!read.command.empty()) return RunCommand(read);
    for (const std::string& path : read.pictures) MCV_RETURN_IF_ERROR(ShowPicture(path));
    return Trimmed(read.question).empty() ? OkStatus() : AskNew(read.question);
  }

  Status ShowPicture(const std::string& path) {
    if (path == "-") {
      return InvalidArgument(
          "standard input holds the conversation; a picture from there needs minicpmv ask");
    }
    MCV_ASSIGN_OR_RETURN(LoadedPicture picture, LoadPicture(path, arguments_.run, *session_));
    PrintNotes(picture.notes, path);
    const PictureStats& stats = session_->picture_stats(picture.number);
    const std::string how = stats.source == PictureSource::kEncoded
                                ? "encoded in " + FormatSeconds(stats.encode_seconds)
                                : "from the cache in " + FormatSeconds(stats.lookup_seconds);
    Say("picture " + std::to_string(picture.number + 1) + ": " + ShownName(path) + ", " +
        std::to_string(picture.width) + "x" + std::to_string(picture.height) + ", " + how);
    waiting_.push_back(picture.number);
    pictures_.push_back(std::move(picture));
    return OkStatus();
  }

  Status AskNew(const std::string& text) {
    AskOptions options =
        ToAskOptions(app_, arguments_.run, engine_->config().version, &Interrupted());
    options.may_forget = true;
    const bool sampled = IsSampled(options.sampling);
    if (sampled) options.sampling.seed = seed_.value_or(options.sampling.seed);
    MCV_RETURN_IF_ERROR(Ask({text, waiting_}, options));
    waiting_.clear();
    if (sampled && !seed_ && !NamesSeed(arguments_.run)) {
      Print(stderr, SeedNote(options.sampling.seed));
    }
    if (sampled) seed_ = options.sampling.seed;
    return OkStatus();
  }

  Status Ask(const Question& question, const AskOptions& options) {
    ProgressLine line(ShowsProgress(arguments_.run.no_progress));
    AskCallbacks callbacks;
    callbacks.on_prompt = [&](int64_t done, int64_t total) {
      line.Show("reading", done, total, 0);
    };
    callbacks.on_text = [&](std::string_view piece) {
      line.Wipe();
      PrintAnswer(piece);
      if (OutputIsClosed()) Interrupted() = true;  // nobody reads the rest
    };
    MCV_ASSIGN_OR_RETURN(const Answer answer, session_->Ask(question, options, callbacks));
    line.Wipe();
    PrintAnswer("\n");
    last_ = answer.stats;
    last_question_ = question;
    if (answer.reason == StopReason::kCancelled) Say("[stopped]");
    if (answer.reason == StopReason::kContextFull) {
      Say("[the context is full and cuts the answer; the next question makes room]");
    }
    if (const int64_t forgotten = answer.stats.forgotten_questions; forgotten > 0) {
      Say("[the context was full: the oldest " +
          (forgotten == 1 ? std::string("question was")
                          : std::to_string(forgotten) + " questions were") +
          " forgotten; --ctx holds more]");
    }
    if (answer.reason == StopReason::kMaxTokens) {
      Say("[cut off after " + std::to_string(answer.stats.generated_tokens) +
          " tokens: --max-tokens (-n) allows more]");
    }
    if (arguments_.run.stats) PrintStats();
    return KeepSession(arguments_.run, *session_);
  }

  void PrintStats() { Print(stderr, StatsText(*engine_, *session_, pictures_, last_)); }

  Status RunCommand(const ChatLine& line) {
    const std::string& name = line.command;
    if (name == "/quit" || name == "/exit" || name == "/bye") {
      left_ = true;
    } else if (name == "/help" || name == "/?") {
      Print(stderr, ChatHelp());
    } else if (name == "/stats") {
      PrintStats();
    } else if (name == "/clear") {
      Clear();
    } else if (name == "/regen") {
      return Regenerate();
    } else if (name == "/system") {
      return SetSystem(line.argument);
    } else if (name == "/image") {
      for (const std::string& path : PathsIn(line.argument, IsReadableFile)) {
        MCV_RETURN_IF_ERROR(ShowPicture(path));
      }
    } else {
      return Save(line.argument, /*replace=*/name == "/save!");
    }
    return OkStatus();
  }

  void Clear() {
    const bool had_pictures = !waiting_.empty() || !pictures_.empty();
    session_->Clear();
    waiting_.clear();
    last_question_.reset();
    Say(had_pictures ? "cleared, the pictures too: /image PATH shows one again (it stays encoded)"
                     : "cleared");
  }

  Status SetSystem(const std::string& text) {
    if (text.empty()) {
      Say(system_.empty() ? "no system message of yours is set" : "system: " + system_);
      return OkStatus();
    }
    MCV_RETURN_IF_ERROR(session_->SetSystem(text));
    system_ = text;
    return OkStatus();
  }

  // The same question once more, sampled, since a greedy answer would be the same.
  Status Regenerate() {
    if (!last_question_) return InvalidArgument("nothing has been asked yet");
    RunOptions run = arguments_.run;
    run.sample = true;
    run.beams = 1;
    run.seed.clear();
    const AskOptions options = ToAskOptions(app_, run, engine_->config().version, &Interrupted());
    const Question question = *last_question_;
    MCV_RETURN_IF_ERROR(session_->ForgetLastTurn());
    MCV_RETURN_IF_ERROR(Ask(question, options));
    if (IsSampled(options.sampling)) Print(stderr, SeedNote(options.sampling.seed));
    return OkStatus();
  }

  Status Save(const std::string& argument, bool replace) {
    const std::vector<DroppedWord> words = SplitDropped(argument);
    const std::string path = DroppedPath(words.size() == 1 ? words[0].text : argument);
    if (LookAtTarget(path) == SaveTarget::kFile && !replace && !saved_.contains(path)) {
      if (!editor_.interactive()) {
        return InvalidArgument(path + " is there already; /save! " + path + " replaces it");
      }
      const InputLine answer =
          editor_.Read(ShownName(path) + " is there already. Replace it? [y/N] ");
      if (!answer.text.starts_with('y') && !answer.text.starts_with('Y')) {
        Say("not saved");
        return OkStatus();
      }
    }
    MCV_RETURN_IF_ERROR(SaveTranscript(path, session_->turns(), pictures_, engine_->config().name));
    saved_.insert(path);
    return OkStatus();
  }

  const CLI::App& app_;
  const ChatArguments& arguments_;
  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<Session> session_;
  LineEditor editor_;
  std::vector<LoadedPicture> pictures_;
  std::vector<int> waiting_;  // shown, not asked about yet
  std::optional<Question> last_question_;
  std::optional<uint64_t> seed_;  // of the first sampled answer, and so of all
  std::string system_;
  std::set<std::string> saved_;  // files of this conversation's own
  AnswerStats last_;
  int interrupts_ = 0;  // Ctrl-C on an empty line, one after the other
  bool left_ = false;
};

int RunChat(const CLI::App& app, const ChatArguments& arguments) {
  Interrupted();
  PrintNotes(IgnoredOptions(app, arguments.run), "options");
  auto engine = OpenEngine(arguments.run);
  Status status = engine.status();
  if (engine.ok()) {
    PrintNotes((*engine)->notes(), "model");
    auto session = (*engine)->NewSession();
    status = session.status();
    TellRefusedThreads();
    if (session.ok()) status = ResumeSession(arguments.run, **session);
    if (status.ok() && session.ok() && !(*session)->turns().empty()) {
      Say("goes on after " + std::to_string((*session)->turns().size() / 2) +
          " questions kept in " + ShownName(arguments.run.session));
    }
    if (status.ok() && session.ok() && app.count("--system") > 0) {
      status = (*session)->SetSystem(arguments.run.system);
    }
    if (Interrupted()) return kExitInterrupted;  // while the model was opened
    if (status.ok()) {
      return Chat(app, arguments, std::move(*engine), std::move(session).value()).Loop();
    }
  }
  return Fail(status);
}

}  // namespace

void AddChatCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<ChatArguments>();
  CLI::App* command = app.add_subcommand("chat", "Talk about pictures in the terminal");
  command->add_option("pictures", arguments->pictures, "pictures for the first question");
  AddRunOptions(*command, &arguments->run);
  command->callback([=] { choice->run = [=] { return RunChat(*command, *arguments); }; });
}

}  // namespace mcv::cli
