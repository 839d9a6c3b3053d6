#include "apps/cli/terminal/transcript.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>

#include "base/file_writer.h"
#include "formats/image/sniff.h"

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

// Where the links lead that `path` may be: a file there is replaced, the links stay. What cannot be
// followed is left to the writer, which says why.
std::string BehindLinks(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kMostLinks = 40;
  fs::path at = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(at, error)); ++i) {
    const fs::path next = fs::read_symlink(at, error);
    if (error) break;
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  return at.string();
}

// Files of this process are its user's alone for a while. Nothing else is written meanwhile.
class OwnersOnly {
 public:
  OwnersOnly() : before_(::umask(077)) {}
  ~OwnersOnly() { ::umask(before_); }
  OwnersOnly(const OwnersOnly&) = delete;
  OwnersOnly& operator=(const OwnersOnly&) = delete;

 private:
  mode_t before_;
};

}  // namespace

SaveTarget LookAtTarget(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return SaveTarget::kNothing;
  std::ifstream file(path, std::ios::binary);
  char head[32] = {};
  file.read(head, sizeof head);
  const auto bytes = std::as_bytes(std::span(head, static_cast<size_t>(file.gcount())));
  const bool picture = !bytes.empty() && SniffPicture(bytes).kind != PictureKind::kNotAccepted;
  return picture || HasPictureEnding(path) ? SaveTarget::kPicture : SaveTarget::kFile;
}

Status SaveTranscript(const std::string& path, const std::vector<Turn>& turns,
                      const std::vector<LoadedPicture>& pictures, const std::string& model) {
  if (LookAtTarget(path) == SaveTarget::kPicture) {
    return InvalidArgument(path + " is a picture; the conversation needs another name, talk.md " +
                           "or talk.json for instance");
  }
  const bool json = path.size() > 5 && path.ends_with(".json");
  const OwnersOnly owners_only;
  return WriteFile(BehindLinks(path),
                   json ? Json(turns, pictures, model) : Markdown(turns, pictures, model));
}

}  // namespace mcv::cli
