// ModelConfig from a Hugging Face folder: config.json, and preprocessor_config.json where there is
// one.
//
// The version is found from the files: the key `version`, else what only one version has (MiniCPM's
// scale_emb with or without slicing keys: 2.0 or 1.0; an idefics2 or siglip tower: 2.5 or 2.6).
// Two keys are this project's own and optional: "position_rule" ("strip", "grid"), which says how a
// model was trained, and "vision_encoder_config", which gives the sizes of a timm tower that
// published files only name.
#pragma once

#include <string>

#include "base/status.h"
#include "family/config.h"

namespace mcv {

// Validated. Errors name the file and the key.
Result<ModelConfig> ReadHfConfig(const std::string& folder);

// The same from the files' texts; `preprocessor_json` may be empty. `where` is used in messages.
Result<ModelConfig> ParseHfConfig(const std::string& config_json,
                                  const std::string& preprocessor_json, const std::string& where);

}  // namespace mcv
