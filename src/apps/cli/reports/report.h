// What an answer cost, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cli/commands/picture_loading.h"
#include "engine/engine.h"
#include "engine/session.h"

namespace mcv::cli {

// Several lines, each "stage  value".
std::string StatsText(const Engine& engine, const Session& session,
                      const std::vector<LoadedPicture>& pictures, const AnswerStats& stats);

// {"model":{...},"pictures":[...],"answer":"...","finish_reason":"...","stats":{...}}; seconds and
// bytes.
nlohmann::json AnswerJson(const Engine& engine, const Session& session,
                          const std::vector<LoadedPicture>& pictures, const Answer& answer);

}  // namespace mcv::cli
