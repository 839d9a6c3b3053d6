#include "trainer/recipes/stage.h"

#include <algorithm>

namespace mcv::trainer {

bool Stage::Trains(std::string_view parameter) const {
  return std::any_of(trained.begin(), trained.end(), [&](std::string_view prefix) {
    return parameter.substr(0, prefix.size()) == prefix;
  });
}

Result<Stage> FindStage(std::string_view name) {
  static const std::vector<Stage> stages = {
      {"encoder", {"vpm.", "aux."}, /*dense_loss=*/true, /*answer_loss=*/false},
      {"connector", {"resampler.", "llm."}, /*dense_loss=*/false, /*answer_loss=*/true},
      {"all", {"vpm.", "resampler.", "llm.", "aux."}, /*dense_loss=*/true, /*answer_loss=*/true},
  };
  std::string known;
  for (const Stage& stage : stages) {
    if (stage.name == name) return stage;
    known += known.empty() ? "" : ", ";
    known += stage.name;
  }
  return InvalidArgument("there is no stage \"" + std::string(name) + "\"; the stages are " +
                         known);
}

}  // namespace mcv::trainer
