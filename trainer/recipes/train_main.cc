// mcv-train: trains the nano model, stage by stage.
//
//   mcv-train --stage encoder --run-dir runs/1 --steps 20000
//   mcv-train --stage connector --run-dir runs/2 --init
//   runs/1/checkpoints/<step>/averaged.safetensors
//
// Exit codes: 0 the run reached its end or was stopped and saved, 1 an error, 2 a wrong command
// line.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "trainer/recipes/trainer.h"

namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void RequestStop(int) { stop_requested = true; }

int Fail(const mcv::Status& status) {
  std::fprintf(stderr, "mcv-train: %s\n", status.ToString().c_str());
  return 1;
}

// A settings file is read before the flags, so that flags win.
std::string SettingsFile(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--settings") return argv[i + 1];
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  mcv::trainer::KeepFreedMemory();
  mcv::trainer::TrainConfig config;
  const std::string settings = SettingsFile(argc, argv);
  if (!settings.empty()) {
    const mcv::Status read = mcv::trainer::ReadConfig(settings, config);
    if (!read.ok()) return Fail(read);
  }
  CLI::App app("Trains the nano model of the MiniCPM-V family.", "mcv-train");
  std::string ignored;
  app.add_option("--settings", ignored, "JSON file of settings, as a run folder's config.json");
  mcv::trainer::TrainConfig::Visit(config, [&](const char* name, auto& field, const char* help) {
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, bool>) {
      app.add_flag(flag, field, help);
    } else {
      app.add_option(flag, field, help)->capture_default_str();
    }
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  try {
    auto trainer = mcv::trainer::Trainer::Create(config);
    if (!trainer.ok()) return Fail(trainer.status());
    const mcv::Status done = trainer.value()->Run(stop_requested);
    return done.ok() ? 0 : Fail(done);
  } catch (const std::exception& error) {
    // libtorch reports its own failures (out of memory, a missing operation) as exceptions.
    return Fail(mcv::Internal(error.what()));
  }
}
