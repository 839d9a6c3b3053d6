// The stages from a prompt to greedy tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/parity/replay_picture.h"
#include "model/text/text_model.h"

namespace mcv::parity {

struct PromptIds {
  std::vector<int32_t> ids;
  std::vector<ImageRows> images;  // rows stay where ReplayPicture put them
};

// The prompt of the case (picture or text), compared with the expected string, ids and spans.
// `picture` is null for text.
Result<PromptIds> ReplayPrompt(const Replay& replay, const PictureRows* picture);

// Prefill and greedy decoding, compared with states, logits, tokens and the five largest logits.
Status ReplayLanguage(const Replay& replay, const PromptIds& prompt);

}  // namespace mcv::parity
