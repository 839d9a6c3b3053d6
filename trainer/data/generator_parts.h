// The inside of DataAssets, for the generator, the tokenizer builder and the tests.
#pragma once

#include <optional>

#include "trainer/data/emoji_set.h"
#include "trainer/data/generator.h"
#include "trainer/data/things.h"
#include "trainer/data/words.h"

namespace mcv::trainer {

struct DataAssets::Parts {
  ThingTable things;
  SpriteSet sprites;
  std::optional<SpriteSet> harder_sprites;
  WordBook words;
};

}  // namespace mcv::trainer
