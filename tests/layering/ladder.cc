#include "tests/layering/ladder.h"

#include <algorithm>

namespace mcv {
namespace {

constexpr std::string_view kKernelsBorder = "kernels/kernels.h";

bool IsTest(std::string_view path) {
  return path.ends_with("_test.cc") || path.find("/testing/") != std::string_view::npos ||
         path.find("test_") != std::string_view::npos || path.ends_with("_fixture.h");
}

// The room that a file belongs to: the folder after src/, or "trainer"; "" for tests and
// benchmarks.
std::string_view RoomOf(std::string_view path) {
  if (path.starts_with("trainer/")) return "trainer";
  if (!path.starts_with("src/")) return "";
  path.remove_prefix(4);
  return path.substr(0, path.find('/'));
}

const Room* FindRoom(std::string_view name) {
  const auto& ladder = Ladder();
  const auto found = std::find_if(ladder.begin(), ladder.end(),
                                  [&](const Room& room) { return room.name == name; });
  return found == ladder.end() ? nullptr : &*found;
}

// Why this include is not allowed, or nothing.
std::string Objection(const SourceFile& file, const Room& room, const std::string& path) {
  const std::string_view target = std::string_view(path).substr(0, path.find('/'));
  if (target == "tests" && IsTest(file.path)) return "";
  if (target == "generated") return "";  // made by the build for the room that includes it
  if (path.find("..") != std::string::npos) return "leaves its folder; name it from src/";
  if (FindRoom(target) == nullptr) return "is no room; quoted includes begin with a room's name";
  if (target != room.name && std::find(room.may_include.begin(), room.may_include.end(), target) ==
                                 room.may_include.end()) {
    return std::string(room.name) + " may not include " + std::string(target);
  }
  if (target == "kernels" && room.name != "kernels" && path != kKernelsBorder) {
    return "is the kernels' own; other rooms include only " + std::string(kKernelsBorder);
  }
  return "";
}

}  // namespace

const std::vector<Room>& Ladder() {
  static const auto* ladder = new std::vector<Room>{
      {"base", {}},
      {"formats", {"base"}},
      {"family", {"base", "formats"}},
      {"kernels", {"base", "formats"}},
      {"model", {"base", "formats", "family", "kernels"}},
      {"engine", {"base", "formats", "family", "kernels", "model"}},
      {"apps", {"base", "formats", "family", "kernels", "model", "engine"}},
      {"trainer", {"base", "formats", "family"}},
  };
  return *ladder;
}

std::string LadderText() {
  std::string text = "The ladder, lowest first:\n";
  for (const Room& room : Ladder()) {
    text.append("  ").append(room.name).append(" may include:");
    for (const std::string_view lower : room.may_include) text.append(" ").append(lower);
    text += room.may_include.empty() ? " nothing above the standard library\n" : "\n";
  }
  return text;
}

std::vector<std::string> LayeringViolations(const SourceFile& file) {
  std::vector<std::string> violations;
  const std::string_view name = RoomOf(file.path);
  if (name.empty()) return violations;  // tests and benchmarks may include anything
  const Room* room = FindRoom(name);
  if (room == nullptr) return {file.path + ": lies in no room of the ladder"};
  for (const Include& include : file.includes) {
    const std::string objection = Objection(file, *room, include.path);
    if (objection.empty()) continue;
    violations.push_back(file.path + ":" + std::to_string(include.line) + ": \"" + include.path +
                         "\": " + objection);
  }
  return violations;
}

SizeLimits LimitsFor(const SourceFile& file) {
  // Leaves with one unrolled kernel after the other may be longer than what people read in order.
  if (file.path.starts_with("src/kernels/") || file.path.ends_with(".inc")) return {600, 1000};
  return {400, 800};
}

}  // namespace mcv
