#include "trainer/recipes/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <type_traits>

namespace mcv::trainer {
namespace {

int Fail(const Status& status, int exit_code) {
  std::fprintf(stderr, "mcv-train: %s\n", status.ToString().c_str());
  return exit_code;
}

// The file is read before the flags, so it is looked for on its own, by the parser's own rules.
std::string SettingsFile(int argc, const char* const* argv) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::string file;
  app.add_option("--settings", file);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError&) {
    return "";  // the whole parser will say what is wrong
  }
  return file;
}

void AddFlags(CLI::App& app, TrainConfig& config) {
  TrainConfig::Visit(config, [&](const char* name, auto& field, const char* help) {
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, bool>) {
      app.add_flag(flag, field, help);
    } else {
      app.add_option(flag, field, help)->capture_default_str();
    }
  });
}

}  // namespace

Arguments ReadArguments(int argc, const char* const* argv) {
  Arguments arguments;
  const std::string settings = SettingsFile(argc, argv);
  if (!settings.empty()) {
    const Status read = ReadConfig(settings, arguments.config);
    if (!read.ok()) {
      arguments.exit_code = Fail(read, 1);
      return arguments;
    }
  }
  CLI::App app("Trains the nano model of the MiniCPM-V family.", "mcv-train");
  std::string ignored;
  app.add_option("--settings", ignored, "JSON file of settings, as a run folder's config.json");
  AddFlags(app, arguments.config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    arguments.exit_code = app.exit(error) == 0 ? 0 : 2;
    return arguments;
  }
  const Status checked = CheckConfig(arguments.config);
  if (!checked.ok()) arguments.exit_code = Fail(checked, 2);
  return arguments;
}

}  // namespace mcv::trainer
