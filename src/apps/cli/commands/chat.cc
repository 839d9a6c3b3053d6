// A conversation: each line is a question, a line that begins with a slash is a command.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/commands.h"
#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/reports/report.h"
#include "apps/cli/terminal/line_editor.h"
#include "apps/cli/terminal/terminal.h"
#include "apps/cli/terminal/transcript.h"

namespace mcv::cli {
namespace {

constexpr char kHelp[] =
    "/image PATH   show the model a picture; it goes with your next question\n"
    "/clear        forget the conversation (pictures stay encoded)\n"
    "/save FILE    write the conversation as Markdown, or as JSON for *.json\n"
    "/stats        time, tokens per second and memory of the last answer\n"
    "/help         this list\n"
    "/quit         leave (also Ctrl-D); Ctrl-C stops an answer\n";

struct ChatArguments {
  RunOptions run;
  std::vector<std::string> pictures;
};

// One conversation at the prompt. Errors are told and the conversation goes on.
class Chat {
 public:
  Chat(const CLI::App& app, const ChatArguments& arguments, std::shared_ptr<const Engine> engine,
       std::unique_ptr<Session> session)
      : app_(app),
        arguments_(arguments),
        engine_(std::move(engine)),
        session_(std::move(session)) {}

  int Loop() {
    for (const std::string& path : arguments_.pictures) ShowPicture(path);
    if (editor_.interactive()) {
      std::printf("%s. Type a question, or /help.\n", engine_->config().name.c_str());
    }
    while (auto line = editor_.Read("> ")) {
      Interrupted() = false;
      if (line->empty()) continue;
      if (line->front() != '/') {
        Ask(*line);
      } else if (!RunSlashCommand(*line)) {
        break;
      }
    }
    return failed_ && !editor_.interactive() ? kExitFailure : kExitOk;
  }

 private:
  void Tell(const Status& status) {
    failed_ = true;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
  }

  void ShowPicture(const std::string& path) {
    auto picture = LoadPicture(path, arguments_.run, *session_);
    if (!picture.ok()) return Tell(picture.status());
    PrintNotes(picture->notes, path);
    const PictureStats& stats = session_->picture_stats(picture->number);
    const std::string how = stats.source == PictureSource::kEncoded
                                ? "encoded in " + FormatSeconds(stats.encode_seconds)
                                : "from the cache in " + FormatSeconds(stats.lookup_seconds);
    std::printf("picture %d: %s, %dx%d, %s\n", picture->number + 1, path.c_str(), picture->width,
                picture->height, how.c_str());
    waiting_.push_back(picture->number);
    pictures_.push_back(std::move(*picture));
  }

  void Ask(const std::string& text) {
    ProgressLine line(ShowsProgress(arguments_.run.no_progress));
    AskCallbacks callbacks;
    callbacks.on_prompt = [&](int64_t done, int64_t total) {
      line.Show("reading", done, total, 0);
    };
    callbacks.on_text = [&](std::string_view piece) {
      line.Wipe();
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    auto answer = session_->Ask(
        {text, waiting_},
        ToAskOptions(app_, arguments_.run, engine_->config().version, &Interrupted()), callbacks);
    if (!answer.ok()) return Tell(answer.status());
    waiting_.clear();
    std::printf("%s\n", answer->reason == StopReason::kCancelled ? " [stopped]" : "");
    if (answer->reason == StopReason::kContextFull) {
      std::printf("[the context is full: /clear starts anew]\n");
    }
    last_ = answer->stats;
    if (arguments_.run.stats) PrintStats();
    std::fflush(stdout);
  }

  void PrintStats() { std::printf("%s", StatsText(*engine_, *session_, pictures_, last_).c_str()); }

  // False: leave.
  bool RunSlashCommand(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const size_t start = space == std::string::npos ? space : line.find_first_not_of(' ', space);
    const std::string argument = start == std::string::npos ? "" : line.substr(start);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      std::printf("%s", kHelp);
    } else if (name == "/stats") {
      PrintStats();
    } else if (name == "/clear") {
      session_->Clear();
      waiting_.clear();
    } else if (name == "/image" && !argument.empty()) {
      ShowPicture(argument);
    } else if (name == "/save" && !argument.empty()) {
      const Status saved =
          SaveTranscript(argument, session_->turns(), pictures_, engine_->config().name);
      if (!saved.ok()) Tell(saved);
    } else {
      Tell(InvalidArgument(line + ": not a command, or its argument is missing; /help lists them"));
    }
    return true;
  }

  const CLI::App& app_;
  const ChatArguments& arguments_;
  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<Session> session_;
  LineEditor editor_;
  std::vector<LoadedPicture> pictures_;
  std::vector<int> waiting_;  // shown, not asked about yet
  AnswerStats last_;
  bool failed_ = false;
};

int RunChat(const CLI::App& app, const ChatArguments& arguments) {
  Interrupted();
  auto engine = OpenEngine(arguments.run);
  Status status = engine.status();
  if (engine.ok()) {
    auto session = (*engine)->NewSession();
    status = session.status();
    if (session.ok() && app.count("--system") > 0) {
      status = (*session)->SetSystem(arguments.run.system);
    }
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
