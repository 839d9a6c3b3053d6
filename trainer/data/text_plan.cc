// What is printed, and how hard it is to read.
#include <algorithm>
#include <cmath>

#include "trainer/data/alphabet.h"
#include "trainer/data/words.h"

namespace mcv::trainer {
namespace {

// A letter is about this much of the line's height wide, over all fonts.
constexpr double kLetterAspect = 0.42;
constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz";
constexpr int kLongestString = 10;

std::string RandomLetters(int length, const char* alphabet, uint32_t alphabet_size, bool held_out,
                          RandomStream& random) {
  std::string text;
  do {
    text.clear();
    for (int i = 0; i < length; ++i) text.push_back(alphabet[random.Below(alphabet_size)]);
  } while (IsHeldOutWord(text) != held_out);
  return text;
}

std::string ChangeCase(std::string word, double difficulty, RandomStream& random) {
  if (!random.Chance(0.7 * (difficulty - 0.25))) return word;
  const bool all = random.Chance(0.4);
  for (size_t i = 0; i < word.size() && (all || i == 0); ++i) {
    if (word[i] >= 'a' && word[i] <= 'z') word[i] = static_cast<char>(word[i] - 32);
  }
  return word;
}

// Letters that fill the line: from half to all of it; more at higher difficulty, which makes them
// smaller than the height allows.
void LengthRange(const PatchGrid& grid, double difficulty, int& least, int& most) {
  const double capacity = grid.width() / (kLetterAspect * grid.height());
  least = std::max(2, static_cast<int>(0.45 * capacity));
  most = std::max(least + 1, static_cast<int>((1.0 + 0.4 * difficulty) * capacity));
}

std::string DrawWord(const WordBook& book, WordBook::Script script, bool held_out,
                     const PatchGrid& grid, double difficulty, RandomStream& random) {
  int least, most;
  LengthRange(grid, difficulty, least, most);
  const int length =
      least + static_cast<int>(random.Below(static_cast<uint32_t>(most - least + 1)));
  if (script != WordBook::kLatin) return book.Draw(script, held_out, least, most, random);
  if (random.Chance(0.3 * (difficulty - 0.3))) {
    return RandomLetters(length, "0123456789", 10, held_out, random);
  }
  // Strings that are no words keep the reader from guessing. Held-out ones are a kind of their own,
  // so that words and strings are scored apart.
  if (!held_out && random.Chance(0.25)) {
    return ChangeCase(
        RandomLetters(std::min(length, kLongestString), kLetters, 26, held_out, random), difficulty,
        random);
  }
  return ChangeCase(book.Draw(script, held_out, least, most, random), difficulty, random);
}

// As in training, but for a string that happens to be a word: another is drawn.
std::string DrawString(const WordBook& book, bool held_out, const PatchGrid& grid,
                       double difficulty, RandomStream& random) {
  int least, most;
  LengthRange(grid, difficulty, least, most);
  const int length =
      least + static_cast<int>(random.Below(static_cast<uint32_t>(most - least + 1)));
  std::string text;
  do {
    text = RandomLetters(std::min(length, kLongestString), kLetters, 26, held_out, random);
  } while (book.Contains(WordBook::kLatin, text));
  return ChangeCase(std::move(text), difficulty, random);
}

std::string DrawLine(const WordBook& book, WordBook::Script script, bool held_out,
                     const PatchGrid& grid, double difficulty, RandomStream& random) {
  int least, most;
  LengthRange(grid, difficulty, least, most);
  most = std::max(most, 9);
  std::string line;
  int letters = 0;
  while (letters == 0 || letters < least) {
    const int room = std::clamp(most - letters - 1, 3, 7);
    std::string word = book.Draw(script, held_out, std::min(3, room), room, random);
    const int length = static_cast<int>(CodePoints(word).size());
    if (letters > 0) line += ' ';
    line += letters == 0 ? ChangeCase(std::move(word), difficulty, random) : word;
    letters += length + 1;
  }
  return line;
}

std::string DrawTextOf(SampleKind kind, const WordBook& book, WordBook::Script script,
                       bool held_out, const PatchGrid& grid, double difficulty,
                       RandomStream& random) {
  if (kind == SampleKind::kLine) return DrawLine(book, script, held_out, grid, difficulty, random);
  if (kind == SampleKind::kString) return DrawString(book, held_out, grid, difficulty, random);
  return DrawWord(book, script, held_out, grid, difficulty, random);
}

void DrawColours(double difficulty, TextPlan& plan, RandomStream& random) {
  const float dark = static_cast<float>(random.Uniform(0, 50 + 40 * difficulty));
  const float light = static_cast<float>(random.Uniform(225 - 55 * difficulty, 255));
  const bool coloured = random.Chance(1.2 * (difficulty - 0.25));
  for (int c = 0; c < 3; ++c) {
    plan.ink[c] = coloured ? static_cast<float>(random.Uniform(0, 120)) : dark;
    plan.paper[c] = coloured ? static_cast<float>(random.Uniform(165, 255)) : light;
  }
  if (random.Chance(0.6 * (difficulty - 0.3))) {
    for (int c = 0; c < 3; ++c) std::swap(plan.ink[c], plan.paper[c]);
  }
}

void DrawDamage(double difficulty, TextPlan& plan, RandomStream& random) {
  const double worse = difficulty - 0.3;
  if (worse <= 0) return;
  if (random.Chance(0.6)) {
    const double degrees = std::clamp(random.Normal() * 6 * worse, -10.0, 10.0);
    plan.turn = static_cast<float>(degrees * M_PI / 180);
  }
  if (random.Chance(0.4)) plan.blur = static_cast<float>(random.Uniform(0.3, 0.4 + 1.0 * worse));
  if (random.Chance(0.4)) plan.noise = static_cast<float>(random.Uniform(2, 4 + 24 * worse));
  if (random.Chance(0.4)) plan.jpeg_quality = static_cast<int>(random.Uniform(80 - 70 * worse, 90));
  plan.noise_seed = random.NextBits();
}

}  // namespace

TextPlan PlanText(const WordBook& book, SampleKind kind, bool held_out, const PatchGrid& grid,
                  double difficulty, RandomStream& random) {
  TextPlan plan;
  plan.grid = grid;
  WordBook::Script script = WordBook::kLatin;
  if (random.Chance(0.4 * (difficulty - 0.5))) {
    script = random.Chance(0.5) ? WordBook::kGreek : WordBook::kCyrillic;
  }
  if (kind == SampleKind::kString) script = WordBook::kLatin;
  plan.text = DrawTextOf(kind, book, script, held_out, grid, difficulty, random);
  plan.family = book.DrawFont(script, held_out, difficulty, random).family;
  plan.bold = random.Chance(0.3 * difficulty);
  plan.italic = random.Chance(0.25 * difficulty);
  plan.fill = static_cast<float>(random.Uniform(0.9 - 0.4 * difficulty, 1.0));
  plan.tight = random.Chance(0.3);
  plan.stretch = static_cast<float>(random.Uniform(1 - 0.15 * difficulty, 1 + 0.2 * difficulty));
  plan.slack_x = static_cast<float>(random.NextDouble());
  plan.slack_y = static_cast<float>(random.NextDouble());
  DrawColours(difficulty, plan, random);
  DrawDamage(difficulty, plan, random);
  return plan;
}

}  // namespace mcv::trainer
