// Questions about a planned scene and their true answers.
#pragma once

#include <vector>

#include "base/random.h"
#include "trainer/data/sample.h"
#include "trainer/data/scene.h"
#include "trainer/data/things.h"

namespace mcv::trainer {

// "A cat, two dogs and a red circle": groups from left to right by their leftmost member.
std::string NameScene(const ScenePlan& plan, const ThingTable& things);

// "top left", "centre", ... or "" where the centre of the thing is too near a border between
// ninths.
std::string PositionName(const PlacedThing& placed, const PatchGrid& grid);

// Between min_turns and max_turns different questions (a scene of one thing may give fewer). Yes/no
// questions toss the answer first and then look for a question with that answer, so both answers
// are equally frequent; commonplace counts and positions are asked for less often.
std::vector<Turn> AskAboutScene(const ScenePlan& plan, const ThingTable& things, int min_turns,
                                int max_turns, RandomStream& random);

// One question about printed text; more than one for lines is not needed.
std::vector<Turn> AskAboutText(const std::string& text, bool is_line, RandomStream& random);

}  // namespace mcv::trainer
