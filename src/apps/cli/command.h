// How a sub-command joins the program: it declares its options on the parser and leaves what to
// run.
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

}  // namespace mcv::cli
