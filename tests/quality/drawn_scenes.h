// Conversations about pictures whose truth is known because they are drawn here: coloured shapes on
// a plain ground, in the words and sizes that the built-in model was taught, and the two pictures
// of the README.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "formats/image/image.h"

namespace mcv::quality {

struct Exchange {
  std::string question;
  std::string answer;  // the true one
};

struct Conversation {
  Image picture;
  std::vector<Exchange> exchanges;
};

// Always the same ones.
Result<std::vector<Conversation>> TrueConversations();

}  // namespace mcv::quality
