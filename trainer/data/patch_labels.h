// What the patches of pictures are labelled with: the classes of the dense head.
//
// A label keeps its meaning for ever, else heads that were trained once would name other things:
//   0 ...        the things that were there first, by index
//   180 ...      the characters that were there first, by their index in the alphabet
//   307, 309 ... things that were appended since
//   308, 310 ... characters that were appended since
#pragma once

#include <algorithm>

#include "trainer/data/alphabet.h"
#include "trainer/data/things.h"

namespace mcv::trainer {

inline constexpr int kFirstLabels = kFirstThings + kFirstCharacters;

constexpr int ThingLabel(int thing) {
  return thing < kFirstThings ? thing : kFirstLabels + 2 * (thing - kFirstThings);
}

constexpr int CharacterLabel(int index) {
  return index < kFirstCharacters ? kFirstThings + index
                                  : kFirstLabels + 2 * (index - kFirstCharacters) + 1;
}

// Where they were not appended in pairs, some labels between are nobody's.
constexpr int NumPatchLabels(int things, int characters) {
  return std::max({kFirstLabels, ThingLabel(things - 1) + 1, CharacterLabel(characters - 1) + 1});
}

}  // namespace mcv::trainer
