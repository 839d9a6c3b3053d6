#include "apps/cli/bench/bench_names.h"

#include <filesystem>

#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {

namespace fs = std::filesystem;

std::string ModelText(const bench::ModelFacts& model) {
  if (model.files.empty()) return model.described;
  std::string text;
  if (model.text_file.empty()) {
    text = fs::path(model.described).lexically_normal().filename().string();
  } else {
    text = fs::path(model.text_file).filename().string();
    if (!model.vision_file.empty()) {
      text += " + " + fs::path(model.vision_file).filename().string();
    }
  }
  text += ", MiniCPM-V " + std::string(model.config.row().short_name) + ", weights " +
          FormatBytes(model.text_bytes);
  if (model.vision_bytes > 0) text += " + " + FormatBytes(model.vision_bytes);
  return text;
}

}  // namespace mcv::cli
