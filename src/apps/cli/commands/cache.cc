#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/options/cache_folder.h"
#include "apps/cli/options/home_path.h"
#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"
#include "engine/pictures/picture_store.h"

namespace mcv::cli {
namespace {

struct CacheArguments {
  std::string folder;
  bool clear = false;
  bool json = false;
};

Result<PictureStoreSummary> LookAt(const CacheArguments& arguments) {
  const std::string folder = arguments.folder.empty() ? DefaultCacheFolder() : arguments.folder;
  if (folder.empty() || IsOff(folder)) {
    return NotFound("no cache is in use: name its folder with --picture-cache or $MCV_CACHE_DIR");
  }
  if (arguments.clear) MCV_RETURN_IF_ERROR(PictureStore::Clear(folder));
  return PictureStore::Summarise(folder);
}

int RunCache(const CacheArguments& arguments) {
  const auto summary = LookAt(arguments);
  if (!summary.ok()) return Fail(summary.status());
  if (arguments.json) {
    const nlohmann::json json = {{"file", summary->file},
                                 {"pictures", summary->num_pictures},
                                 {"rows_bytes", summary->rows_bytes},
                                 {"disk_bytes", summary->disk_bytes}};
    const std::string text =
        json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    PrintJson(text);
    return kExitOk;
  }
  Print(stdout, "file      " + ShownName(summary->file) + "\n");
  std::printf("pictures  %lld\n", static_cast<long long>(summary->num_pictures));
  std::printf("rows      %s\n", FormatBytes(static_cast<uint64_t>(summary->rows_bytes)).c_str());
  std::printf("on disk   %s\n", FormatBytes(static_cast<uint64_t>(summary->disk_bytes)).c_str());
  return kExitOk;
}

}  // namespace

void AddCacheCommand(CLI::App& app, CommandChoice* choice) {
  auto arguments = std::make_shared<CacheArguments>();
  CLI::App* command =
      app.add_subcommand("cache", "Show what is remembered about pictures, or forget it");
  command->add_option("--picture-cache", arguments->folder,
                      "Its folder (default: $MCV_CACHE_DIR, else ~/.cache/minicpmv)");
  command->add_flag("--clear", arguments->clear, "Forget every picture");
  command->add_flag("--json", arguments->json, "One JSON object, sizes in bytes");
  command->callback([=] { choice->run = [=] { return RunCache(*arguments); }; });
}

}  // namespace mcv::cli
