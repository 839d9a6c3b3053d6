#include "apps/cli/bench/bench_output.h"

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "base/file_writer.h"
#include "base/mapped_file.h"

namespace mcv::cli {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLargestResults = size_t{64} << 20;

}  // namespace

std::string BenchOutput::PathOf(const std::string& kind) const {
  return (fs::path(folder_) / ("results." + kind)).string();
}

Status BenchOutput::Open(const std::function<Status(const std::string&)>& take) const {
  if (!wanted()) return OkStatus();
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return IoError(folder_ + ": cannot be made: " + error.message());
  const std::string path = PathOf("json");
  if (!fs::exists(path, error)) return OkStatus();
  if (!resume_) {
    return InvalidArgument(path + " is there already: go on from it with --resume, or give " +
                           "another --output");
  }
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestResults));
  return take(text).Annotate(path);
}

Status BenchOutput::Save(const BenchForms& forms) const {
  MCV_RETURN_IF_ERROR(WriteFile(PathOf("json"), forms.json));
  MCV_RETURN_IF_ERROR(WriteFile(PathOf("md"), forms.text));
  return WriteFile(PathOf("svg"), forms.svg);
}

void BenchOutput::Print(const std::string& text) const {
  std::cout << text << std::flush;
  if (wanted()) std::fprintf(stderr, "note: also in %s, .md and .svg\n", PathOf("json").c_str());
}

std::string JsonText(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<std::string> OwnProgram() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return IoError("/proc/self/exe: " + error.message());
  return self.string();
}

std::function<void(const bench::Progress&)> ShowOn(ProgressLine* line) {
  return [line](const bench::Progress& progress) {
    line->Show(progress.doing, progress.done, progress.total, progress.seconds_left);
  };
}

}  // namespace mcv::cli
