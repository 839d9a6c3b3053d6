// minicpmv ask PICTURE... "question": one answer, streamed, then the end.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

#include "apps/cli/commands.h"
#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/run_options.h"
#include "apps/cli/reports/report.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

struct AskArguments {
  RunOptions run;
  std::vector<std::string> words;  // pictures, then the question
};

// A question of "-" is read from standard input, so that long or multi-line text can be piped in.
std::string QuestionText(const std::string& word) {
  if (word != "-") return word;
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

AskCallbacks StreamTo(bool quiet, ProgressLine* line) {
  AskCallbacks callbacks;
  callbacks.on_prompt = [line](int64_t done, int64_t total) {
    line->Show("reading", done, total, 0.0);
  };
  callbacks.on_text = [quiet, line](std::string_view text) {
    line->Wipe();
    if (quiet) return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  return callbacks;
}

Result<Answer> AnswerQuestion(const CLI::App& app, const AskArguments& arguments,
                              const Engine& engine, Session& session,
                              std::vector<LoadedPicture>* pictures) {
  if (app.count("--system") > 0) MCV_RETURN_IF_ERROR(session.SetSystem(arguments.run.system));
  Question question;
  question.text = QuestionText(arguments.words.back());
  for (size_t i = 0; i + 1 < arguments.words.size(); ++i) {
    MCV_ASSIGN_OR_RETURN(LoadedPicture picture,
                         LoadPicture(arguments.words[i], arguments.run, session));
    PrintNotes(picture.notes, picture.path);
    question.images.push_back(picture.number);
    pictures->push_back(std::move(picture));
  }
  ProgressLine line(ShowsProgress(arguments.run.no_progress));
  return session.Ask(question,
                     ToAskOptions(app, arguments.run, engine.config().version, &Interrupted()),
                     StreamTo(arguments.run.json, &line));
}

int RunAsk(const CLI::App& app, const AskArguments& arguments) {
  Interrupted();  // installs the handler before the long work
  auto engine = OpenEngine(arguments.run);
  if (!engine.ok()) return Fail(engine.status());
  PrintNotes((*engine)->notes(), "model");
  auto session = (*engine)->NewSession();
  if (!session.ok()) return Fail(session.status());

  std::vector<LoadedPicture> pictures;
  auto answer = AnswerQuestion(app, arguments, **engine, **session, &pictures);
  if (!answer.ok()) return Fail(answer.status());
  if (arguments.run.json) {
    // Tokens may split a character that never completes: replace what is not UTF-8.
    std::cout << AnswerJson(**engine, **session, pictures, *answer)
                     .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << "\n";
  } else {
    std::printf("\n");
    std::fflush(stdout);  // before the statistics, where both go to one pipe
    if (arguments.run.stats) {
      std::fprintf(stderr, "%s", StatsText(**engine, **session, pictures, answer->stats).c_str());
    }
  }
  if (answer->reason == StopReason::kContextFull) {
    std::fprintf(stderr, "note: the context is full; the answer may be cut off (--ctx)\n");
  }
  std::fflush(stdout);
  return answer->reason == StopReason::kCancelled ? kExitInterrupted : kExitOk;
}

}  // namespace

void AddAskCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<AskArguments>();
  CLI::App* command = app.add_subcommand("ask", "Answer a question about pictures");
  command
      ->add_option("words", arguments->words,
                   "PICTURE... \"question\" ('-': read the question from standard input)")
      ->required()
      ->option_text("PICTURE... QUESTION");
  AddRunOptions(*command, &arguments->run);
  command->add_flag("--json", arguments->run.json, "one JSON object when the answer is complete")
      ->group("Output");
  command->callback([=] { choice->run = [=] { return RunAsk(*command, *arguments); }; });
}

}  // namespace mcv::cli
