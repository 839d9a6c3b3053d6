// The stages of a training run as data: what is trained and by which loss.
//
// The order of the paper, scaled down: first the encoder alone, on labels under its patches (the
// cheapest steps, and the part that needs most samples); then the resampler and the decoder on
// questions, with the encoder fixed; then everything.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mcv::trainer {

// Beginnings of the names of all parameters: tower, resampler, decoder, heads of the patch losses.
inline constexpr std::array<std::string_view, 4> kModelParts = {"vpm.", "resampler.", "llm.",
                                                                "aux."};

struct Stage {
  std::string_view name;
  std::vector<std::string_view> trained;  // prefixes of parameter names
  bool dense_loss = false;                // label under each patch, and which things are present
  bool answer_loss = false;               // next token on answers
  bool Trains(std::string_view parameter) const;
};

// Status names the stages there are.
Result<Stage> FindStage(std::string_view name);

}  // namespace mcv::trainer
