#include "apps/cli/terminal/transcript.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file_writer.h"

namespace mcv::cli {
namespace {

std::vector<std::string> Paths(const Turn& turn, const std::vector<LoadedPicture>& pictures) {
  std::vector<std::string> paths;
  for (const int number : turn.images) {
    const auto found =
        std::find_if(pictures.begin(), pictures.end(),
                     [&](const LoadedPicture& picture) { return picture.number == number; });
    if (found != pictures.end()) paths.push_back(found->path);
  }
  return paths;
}

std::string Json(const std::vector<Turn>& turns, const std::vector<LoadedPicture>& pictures,
                 const std::string& model) {
  nlohmann::json json = {{"model", model}, {"turns", nlohmann::json::array()}};
  for (const Turn& turn : turns) {
    json["turns"].push_back({{"role", turn.role == Turn::Role::kUser ? "user" : "assistant"},
                             {"pictures", Paths(turn, pictures)},
                             {"text", turn.text}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string Markdown(const std::vector<Turn>& turns, const std::vector<LoadedPicture>& pictures,
                     const std::string& model) {
  std::string text = "# Conversation with " + model + "\n";
  for (const Turn& turn : turns) {
    text += turn.role == Turn::Role::kUser ? "\n**You**\n\n" : "\n**Model**\n\n";
    for (const std::string& path : Paths(turn, pictures)) text += "![](<" + path + ">)\n\n";
    text += turn.text + "\n";
  }
  return text;
}

}  // namespace

Status SaveTranscript(const std::string& path, const std::vector<Turn>& turns,
                      const std::vector<LoadedPicture>& pictures, const std::string& model) {
  const bool json = path.size() > 5 && path.ends_with(".json");
  return WriteFile(path, json ? Json(turns, pictures, model) : Markdown(turns, pictures, model));
}

}  // namespace mcv::cli
