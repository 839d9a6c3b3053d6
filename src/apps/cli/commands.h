// Every sub-command of the program, and how one joins it: it declares its options on the parser and
// leaves what to run.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace mcv::cli {

// Filled by the sub-command that the command line names; `run` returns the exit code.
struct CommandChoice {
  std::function<int()> run;
};

// ask PICTURE... "question": one answer, streamed.
void AddAskCommand(CLI::App& app, CommandChoice* choice);
// chat [PICTURE...]: a conversation in the terminal.
void AddChatCommand(CLI::App& app, CommandChoice* choice);
// inspect FILE|FOLDER: what a model's files hold, and what is missing.
void AddInspectCommand(CLI::App& app, CommandChoice* choice);
// plan: what memory a run will take, before it is loaded.
void AddPlanCommand(CLI::App& app, CommandChoice* choice);
// tune: the fastest threads for this machine and model, remembered.
void AddTuneCommand(CLI::App& app, CommandChoice* choice);
// bench: how fast this machine runs the model, beside llama.cpp and beside its own limits.
void AddBenchCommand(CLI::App& app, CommandChoice* choice);
// cache: what is remembered about pictures, and forgetting it.
void AddCacheCommand(CLI::App& app, CommandChoice* choice);
// parity DIR: replays a folder of golden values.
void AddParityCommand(CLI::App& app, CommandChoice* choice);

}  // namespace mcv::cli
