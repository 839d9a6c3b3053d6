// mcv-train: trains the nano model, stage by stage.
//
//   mcv-train --stage encoder --run-dir runs/1 --steps 20000
//   mcv-train --stage connector --run-dir runs/2 --init
//   runs/1/checkpoints/<step>/averaged.safetensors
//
// Exit codes: 0 the run reached its end or was stopped and saved, 1 an error, 2 a wrong command
// line.
#include <atomic>
#include <csignal>
#include <cstdio>

#include "trainer/recipes/arguments.h"
#include "trainer/recipes/trainer.h"

namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void RequestStop(int) { stop_requested = true; }

int Fail(const mcv::Status& status) {
  std::fprintf(stderr, "mcv-train: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  mcv::trainer::KeepFreedMemory();
  const mcv::trainer::Arguments arguments = mcv::trainer::ReadArguments(argc, argv);
  if (arguments.exit_code) return *arguments.exit_code;
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  try {
    auto trainer = mcv::trainer::Trainer::Create(arguments.config);
    if (!trainer.ok()) return Fail(trainer.status());
    const mcv::Status done = trainer.value()->Run(stop_requested);
    return done.ok() ? 0 : Fail(done);
  } catch (const std::exception& error) {
    // libtorch reports its own failures (out of memory, a missing operation) as exceptions.
    return Fail(mcv::Internal(error.what()));
  }
}
