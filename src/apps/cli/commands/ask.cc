// minicpmv ask PICTURE... "question": one answer, streamed, then the end.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/commands.h"
#include "apps/cli/commands/ask_words.h"
#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/reports/report.h"
#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

struct AskArguments {
  RunOptions run;
  AskGiven given;
  std::string prompt;
  std::string file;
};

AskCallbacks StreamTo(bool quiet, ProgressLine* line) {
  AskCallbacks callbacks;
  callbacks.on_prompt = [line](int64_t done, int64_t total) {
    line->Show("reading", done, total, 0.0);
  };
  callbacks.on_text = [quiet, line](std::string_view text) {
    line->Wipe();
    if (quiet) return;
    PrintAnswer(text);
    if (OutputIsClosed()) Interrupted() = true;  // nobody reads the rest
  };
  return callbacks;
}

Result<Answer> AnswerQuestion(const CLI::App& app, const AskArguments& arguments,
                              const AskWords& words, const AskOptions& options, Session& session,
                              std::vector<LoadedPicture>* pictures) {
  MCV_RETURN_IF_ERROR(ResumeSession(arguments.run, session));
  if (app.count("--system") > 0) MCV_RETURN_IF_ERROR(session.SetSystem(arguments.run.system));
  Question question;
  MCV_ASSIGN_OR_RETURN(question.text, ReadQuestion(arguments.given, words));
  for (const std::string& path : words.pictures) {
    MCV_ASSIGN_OR_RETURN(LoadedPicture picture, LoadPicture(path, arguments.run, session));
    PrintNotes(picture.notes, picture.path);
    question.images.push_back(picture.number);
    pictures->push_back(std::move(picture));
  }
  ProgressLine line(ShowsProgress(arguments.run.no_progress));
  MCV_ASSIGN_OR_RETURN(Answer answer,
                       session.Ask(question, options, StreamTo(arguments.run.json, &line)));
  MCV_RETURN_IF_ERROR(KeepSession(arguments.run, session));
  return answer;
}

void TellEnd(const Answer& answer, const AskOptions& options, bool names_seed) {
  if (answer.reason == StopReason::kContextFull) {
    Print(stderr, "note: the context is full; the answer may be cut off (--ctx)\n");
  }
  if (answer.reason == StopReason::kMaxTokens) {
    Print(stderr, "note: the answer was cut off after " +
                      std::to_string(answer.stats.generated_tokens) +
                      " tokens; --max-tokens (-n) allows more\n");
  }
  if (IsSampled(options.sampling) && !names_seed) {
    Print(stderr, SeedNote(options.sampling.seed));
  }
}

int RunAsk(const CLI::App& app, const AskArguments& arguments) {
  const auto words = SortWords(arguments.given);
  if (!words.ok()) return FailUsage(words.status().message(), "ask");
  Interrupted();  // installs the handler before the long work
  const std::vector<std::string> ignored = IgnoredOptions(app, arguments.run);
  if (!arguments.run.json) PrintNotes(ignored, "options");
  auto engine = OpenEngine(arguments.run);
  if (!engine.ok()) return Fail(engine.status());
  PrintNotes((*engine)->notes(), "model");
  auto session = (*engine)->NewSession();
  if (!session.ok()) return Fail(session.status());
  TellRefusedThreads();

  const AskOptions options =
      ToAskOptions(app, arguments.run, (*engine)->config().version, &Interrupted());
  std::vector<LoadedPicture> pictures;
  auto answer = AnswerQuestion(app, arguments, *words, options, **session, &pictures);
  if (!answer.ok()) return Fail(answer.status());
  if (arguments.run.json) {
    nlohmann::json json = AnswerJson(**engine, **session, pictures, *answer);
    if (IsSampled(options.sampling)) json["seed"] = options.sampling.seed;
    json["notes"] = ignored;
    // Tokens may split a character that never completes: replace what is not UTF-8.
    PrintJson(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    PrintAnswer("\n");
    if (arguments.run.stats) {
      Print(stderr, StatsText(**engine, **session, pictures, answer->stats));
    }
    TellEnd(*answer, options, NamesSeed(arguments.run));
  }
  if (OutputIsClosed()) return kExitOk;  // main says what is wrong with it
  return answer->reason == StopReason::kCancelled ? kExitInterrupted : kExitOk;
}

}  // namespace

void AddAskCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<AskArguments>();
  CLI::App* command = app.add_subcommand("ask", "Answer a question about pictures");
  command
      ->add_option("words", arguments->given.words,
                   "pictures, then the question. '-' is standard input: a picture, or as the last "
                   "word the question. A question that begins with a dash comes after --")
      ->option_text("PICTURE... QUESTION");
  const std::string group = "Question";
  CLI::Option* prompt =
      command->add_option("-p,--prompt", arguments->prompt, "the question; all words are pictures")
          ->group(group);
  CLI::Option* file =
      command->add_option("-f,--file", arguments->file, "a file that holds the question, or -")
          ->group(group);
  command->add_option("--image", arguments->given.images, "a picture (repeatable)")
      ->option_text("FILE ...")
      ->allow_extra_args(false)
      ->group(group);
  AddRunOptions(*command, &arguments->run);
  command
      ->add_flag("--json", arguments->run.json,
                 "one JSON object when the answer is complete; errors are one, too")
      ->group("Output");
  command->callback([=] {
    if (prompt->count() > 0) arguments->given.prompt = arguments->prompt;
    if (file->count() > 0) arguments->given.file = arguments->file;
    choice->run = [=] { return RunAsk(*command, *arguments); };
  });
}

}  // namespace mcv::cli
