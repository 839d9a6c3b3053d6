#include "trainer/data/questions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace mcv::trainer {
namespace {

template <size_t N>
std::string Pick(const std::array<const char*, N>& phrasings, RandomStream& random) {
  return phrasings[random.Below(N)];
}

std::string Capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text;
}

// Both spellings, so that a person's own habit is understood.
std::string ColourWord(RandomStream& random) { return random.Chance(0.5) ? "colour" : "color"; }

// A scene as people talk about it: things by name, with how many there are.
struct Kind {
  int thing;
  int count;
  float left;                 // of the leftmost member
  const PlacedThing* member;  // the only one if count is 1
};

class Interviewer {
 public:
  Interviewer(const ScenePlan& plan, const ThingTable& things, RandomStream& random)
      : plan_(plan), things_(things), random_(random) {
    for (const PlacedThing& placed : plan.things) {
      auto kind = std::find_if(kinds_.begin(), kinds_.end(),
                               [&](const Kind& k) { return k.thing == placed.thing; });
      if (kind == kinds_.end()) {
        kinds_.push_back({placed.thing, 1, placed.x, &placed});
      } else {
        ++kind->count;
        kind->left = std::min(kind->left, placed.x);
      }
      ++nouns_[things[placed.thing].noun];
    }
    std::sort(kinds_.begin(), kinds_.end(),
              [](const Kind& a, const Kind& b) { return a.left < b.left; });
  }

  std::string List() const {
    std::string list;
    for (size_t i = 0; i < kinds_.size(); ++i) {
      if (i > 0) list += i + 1 == kinds_.size() ? " and " : ", ";
      list += Some(kinds_[i]);
    }
    return list;
  }

  using Question = std::optional<Turn>;

  Question Name() {
    static constexpr std::array kPhrasings = {
        "What is in the picture?", "What is in this picture?",
        "What can you see?",       "What does the picture show?",
        "What is this?",           "What do you see?",
        "What is in the image?",   "What is in this photo?",
        "What's in the picture?",  "Name the things in the picture.",
        "What is shown here?"};
    return Turn{QuestionType::kName, Pick(kPhrasings, random_), Capital(List())};
  }

  Question Describe() {
    static constexpr std::array kPhrasings = {"Describe the picture.", "Describe the image.",
                                              "Describe what you see.",
                                              "Tell me about the picture."};
    std::string answer = "There " + std::string(kinds_[0].count > 1 ? "are " : "is ") + List();
    const int colour = plan_.background.colour_name;
    if (colour >= 0)
      answer += " on " + WithArticle(std::string(kColourNames[colour])) + " background";
    return Turn{QuestionType::kDescribe, Pick(kPhrasings, random_), answer + "."};
  }

  // Small counts are common in scenes, so they are asked for less often: the answers come out
  // nearly uniform (GuessingLevel has the measured share of the commonest one).
  Question Count() {
    const Kind& kind = kinds_[random_.Below(static_cast<uint32_t>(kinds_.size()))];
    const Thing& thing = things_[kind.thing];
    const bool by_noun =
        thing.shape >= 0 && (nouns_[thing.noun] > kind.count || random_.Chance(0.6));
    const int count = by_noun ? nouns_[thing.noun] : kind.count;
    static constexpr double kKeep[] = {0.09, 0.28, 0.65, 0.9, 1.0};
    if (!random_.Chance(kKeep[count - 1])) return std::nullopt;
    const std::string& plural = by_noun ? thing.noun_plural : thing.plural;
    static constexpr std::array kEndings = {" are there?", " can you see?", " do you see?",
                                            " are in the picture?", " are in the image?"};
    return Turn{QuestionType::kCount, "How many " + plural + Pick(kEndings, random_),
                Capital(std::string(NumberWord(count)))};
  }

  Question Colour() {
    if (plan_.background.colour_name >= 0 && random_.Chance(0.25)) {
      return Turn{QuestionType::kColour, "What " + ColourWord(random_) + " is the background?",
                  Capital(std::string(kColourNames[plan_.background.colour_name]))};
    }
    const Kind* kind = AnyKind([&](const Kind& k) {
      const Thing& thing = things_[k.thing];
      return thing.shape >= 0 && nouns_[thing.noun] == k.count;
    });
    if (kind == nullptr) return std::nullopt;
    const Thing& thing = things_[kind->thing];
    return Turn{QuestionType::kColour,
                "What " + ColourWord(random_) +
                    (kind->count > 1 ? " are the " + thing.noun_plural : " is the " + thing.noun) +
                    "?",
                Capital(std::string(kColourNames[thing.colour]))};
  }

  Question Position() {
    const Kind* kind = AnyKind([&](const Kind& k) {
      return k.count == 1 && !PositionName(*k.member, plan_.grid).empty();
    });
    if (kind == nullptr) return std::nullopt;
    const std::string position = PositionName(*kind->member, plan_.grid);
    // Someone alone in a picture is mostly in the middle: ask about that less often.
    if (position == "centre" && !random_.Chance(0.15)) return std::nullopt;
    return Turn{QuestionType::kPosition,
                "Where is " + The(*kind) + (random_.Chance(0.75) ? "?" : " in the picture?"),
                Capital(position)};
  }

  Question Relation() {
    const auto pair = ApartPair();
    if (!pair || kinds_.size() != 2) return std::nullopt;
    const auto [a, b, word] = *pair;
    return Turn{QuestionType::kRelation, "What is " + std::string(word) + " " + The(*b) + "?",
                Capital(WithArticle(things_[a->thing].name))};
  }

  // The answer is tossed before the question is sought, and a question that was asked already is
  // sought anew with the same answer: else the rarer true sentences would tip the balance.
  Question YesNo() {
    const bool yes = random_.Chance(0.5);
    for (int attempt = 0; attempt < 30; ++attempt) {
      const std::string question = AskYesNo(yes, static_cast<int>(random_.Below(5)));
      if (question.empty() || !asked_yes_no_.insert(question).second) continue;
      return Turn{QuestionType::kYesNo, question, yes ? "Yes" : "No"};
    }
    return std::nullopt;
  }

 private:
  std::string Some(const Kind& kind) const {
    const Thing& thing = things_[kind.thing];
    if (kind.count == 1) return WithArticle(thing.name);
    return std::string(NumberWord(kind.count)) + " " + thing.plural;
  }

  // "the circle" if that is clear, else "the red circle".
  std::string The(const Kind& kind) {
    const Thing& thing = things_[kind.thing];
    return "the " + (nouns_[thing.noun] == 1 ? thing.noun : thing.name);
  }

  template <typename Condition>
  const Kind* AnyKind(Condition condition) {
    std::vector<const Kind*> fitting;
    for (const Kind& kind : kinds_) {
      if (condition(kind)) fitting.push_back(&kind);
    }
    return fitting.empty() ? nullptr
                           : fitting[random_.Below(static_cast<uint32_t>(fitting.size()))];
  }

  struct Apart {
    const Kind* a;
    const Kind* b;
    const char* word;  // a is `word` b
  };

  // Two single things of which one is clearly left of, right of, above or below the other: apart in
  // that direction by 0.2 of the side, and by more than in the other direction.
  std::optional<Apart> ApartPair() {
    const Kind* a = AnyKind([](const Kind& k) { return k.count == 1; });
    const Kind* b = AnyKind([&](const Kind& k) { return k.count == 1 && &k != a; });
    if (a == nullptr || b == nullptr) return std::nullopt;
    const float dx = (a->member->x - b->member->x) / plan_.grid.width();
    const float dy = (a->member->y - b->member->y) / plan_.grid.height();
    if (std::abs(dx) > 0.2f && std::abs(dx) > 1.3f * std::abs(dy)) {
      return Apart{a, b, dx < 0 ? "left of" : "right of"};
    }
    if (std::abs(dy) > 0.2f && std::abs(dy) > 1.3f * std::abs(dx)) {
      return Apart{a, b, dy < 0 ? "above" : "below"};
    }
    return std::nullopt;
  }

  // A question with the wanted answer, or "" where this form has none in this scene.
  std::string AskYesNo(bool yes, int form) {
    switch (form) {
      case 0:
        return AskRelation(yes);
      case 1:
        return AskNumber(yes);
      case 2:
        return AskShapeColour(yes);
      default:
        return AskPresence(yes);
    }
  }

  std::string AskPresence(bool yes) {
    int thing = kinds_[random_.Below(static_cast<uint32_t>(kinds_.size()))].thing;
    const Thing& shown = things_[thing];
    const bool by_noun = shown.shape >= 0 && random_.Chance(0.5);
    while (!yes) {
      // The picture's own shapes in other colours are the distractors that need a second look.
      thing = shown.shape >= 0 && !by_noun && random_.Chance(0.5)
                  ? things_.ShapeIndex(shown.shape, static_cast<int>(random_.Below(kNumColours)))
              : shown.shape >= 0
                  ? things_.ShapeIndex(static_cast<int>(random_.Below(kNumShapes)),
                                       static_cast<int>(random_.Below(kNumColours)))
                  : ThingTable::EmojiIndex(static_cast<int>(random_.Below(things_.num_emoji())));
      const bool there = by_noun ? nouns_.contains(things_[thing].noun)
                                 : std::any_of(kinds_.begin(), kinds_.end(),
                                               [&](const Kind& k) { return k.thing == thing; });
      if (!there) break;
      if (nouns_.size() >= kNumShapes) return {};
    }
    const std::string what = WithArticle(by_noun ? things_[thing].noun : things_[thing].name);
    static constexpr std::array kOpeners = {"Is there ", "Can you see ", "Do you see "};
    return Pick(kOpeners, random_) + what + (random_.Chance(0.5) ? "?" : " in the picture?");
  }

  std::string AskRelation(bool yes) {
    const auto pair = ApartPair();
    if (!pair) return {};
    const auto [a, b, word] = *pair;
    return yes ? "Is " + The(*a) + " " + word + " " + The(*b) + "?"
               : "Is " + The(*b) + " " + word + " " + The(*a) + "?";
  }

  std::string AskNumber(bool yes) {
    const Kind* kind = AnyKind([](const Kind& k) { return k.count > 1; });
    if (kind == nullptr) return {};
    int count = kind->count;
    // Keeps two (above all) and four rarer, so that numbers are asked about in the shares 3 : 4 : 2
    // : 1 of two to five (after YesNo has asked again where this declines).
    static constexpr double kKeep[] = {0.2, 1.0, 0.81, 1.0};
    if (!random_.Chance(kKeep[count - 2])) return {};
    if (!yes) count = WrongNumber(count);
    return "Are there " + std::string(NumberWord(count)) + " " + things_[kind->thing].plural + "?";
  }

  // One off, so that it takes counting to refuse it. At AskNumber's shares every number stands for
  // its neighbour as often as its neighbour for it, so each is as often wrong as right: who does
  // not see the picture learns nothing from the number (generator_test.cc holds this).
  int WrongNumber(int count) {
    static constexpr double kUp[] = {1.0, 0.25, 0.5, 0.0};
    return count + (random_.Chance(kUp[count - 2]) ? 1 : -1);
  }

  std::string AskShapeColour(bool yes) {
    const Kind* kind = AnyKind([&](const Kind& k) {
      return k.count == 1 && things_[k.thing].shape >= 0 && nouns_[things_[k.thing].noun] == 1;
    });
    if (kind == nullptr) return {};
    const Thing& thing = things_[kind->thing];
    int colour = thing.colour;
    if (!yes)
      colour = (colour + 1 + static_cast<int>(random_.Below(kNumColours - 1))) % kNumColours;
    return "Is the " + thing.noun + " " + std::string(kColourNames[colour]) + "?";
  }

  const ScenePlan& plan_;
  const ThingTable& things_;
  RandomStream& random_;
  std::vector<Kind> kinds_;
  std::map<std::string, int> nouns_;
  std::set<std::string> asked_yes_no_;
};

struct Maker {
  Interviewer::Question (Interviewer::*make)();
  double weight;
};

// An index by weight among those that have not declined; yes/no and naming never all do.
template <size_t N>
size_t DrawMaker(const Maker (&makers)[N], const std::array<bool, N>& declined,
                 RandomStream& random) {
  double total = 0;
  for (size_t i = 0; i < N; ++i) total += declined[i] ? 0 : makers[i].weight;
  double at = random.NextDouble() * total;
  size_t last = 0;
  for (size_t i = 0; i < N; ++i) {
    if (declined[i]) continue;
    last = i;
    if (at < makers[i].weight) break;
    at -= makers[i].weight;
  }
  return last;
}

// No question twice, in other words either: the same type with the same answer is one, except where
// the answer says little.
bool AlreadySaid(const std::vector<Turn>& turns, const Turn& turn) {
  const bool telling = turn.type == QuestionType::kName || turn.type == QuestionType::kColour ||
                       turn.type == QuestionType::kCount || turn.type == QuestionType::kDescribe;
  return std::any_of(turns.begin(), turns.end(), [&](const Turn& t) {
    return t.question == turn.question ||
           (t.type == turn.type && telling && t.answer == turn.answer);
  });
}

}  // namespace

std::string NameScene(const ScenePlan& plan, const ThingTable& things) {
  RandomStream unused(0);
  return Capital(Interviewer(plan, things, unused).List());
}

std::string PositionName(const PlacedThing& placed, const PatchGrid& grid) {
  // -1, 0, 1 for the thirds; 2 where the centre is within 3 % of the side of a border between them.
  const auto third = [](float x) {
    if (std::abs(x - 1 / 3.0f) < 0.03f || std::abs(x - 2 / 3.0f) < 0.03f) return 2;
    return x < 1 / 3.0f ? -1 : x > 2 / 3.0f ? 1 : 0;
  };
  const int col = third(placed.x / grid.width());
  const int row = third(placed.y / grid.height());
  if (col == 2 || row == 2) return {};
  static constexpr const char* kNames[3][3] = {{"top left", "top", "top right"},
                                               {"left", "centre", "right"},
                                               {"bottom left", "bottom", "bottom right"}};
  return kNames[row + 1][col + 1];
}

std::vector<Turn> AskAboutScene(const ScenePlan& plan, const ThingTable& things, int min_turns,
                                int max_turns, RandomStream& random) {
  Interviewer interviewer(plan, things, random);
  static constexpr Maker kMakers[] = {{&Interviewer::Name, 2.0},    {&Interviewer::Count, 3.0},
                                      {&Interviewer::Colour, 1.5},  {&Interviewer::Position, 3.0},
                                      {&Interviewer::YesNo, 1.2},   {&Interviewer::Relation, 1.2},
                                      {&Interviewer::Describe, 0.3}};
  const int wanted =
      min_turns + static_cast<int>(random.Below(static_cast<uint32_t>(max_turns - min_turns + 1)));
  std::vector<Turn> turns;
  std::array<bool, std::size(kMakers)> declined = {};
  for (int attempt = 0; attempt < 40 && static_cast<int>(turns.size()) < wanted; ++attempt) {
    const size_t chosen = DrawMaker(kMakers, declined, random);
    const auto turn = (interviewer.*kMakers[chosen].make)();
    // A type that declines is not asked again: else it would wear its own reluctance down.
    if (!turn) {
      declined[chosen] = true;
    } else if (!AlreadySaid(turns, *turn)) {
      turns.push_back(*turn);
    }
  }
  return turns;
}

std::vector<Turn> AskAboutText(const std::string& text, bool is_line, RandomStream& random) {
  static constexpr std::array kWord = {
      "What does it say?", "What is written here?",   "Read the word.",    "What word is this?",
      "Read the text.",    "What does the text say?", "What is the word?", "Read this."};
  static constexpr std::array kLine = {"What does it say?", "What is written here?",
                                       "Read the text.",    "Read the line.",
                                       "Read this.",        "What does the text say?"};
  return {{QuestionType::kRead, is_line ? Pick(kLine, random) : Pick(kWord, random), text}};
}

}  // namespace mcv::trainer
