// How often a model of the nano kind is right, per kind of question, measured through the engine
// on pictures that are drawn while it runs.
//
// Every question is asked alone, as the first turn on its picture, though training puts several
// into one conversation: so no answer can be copied from a question or an answer before it. Greedy
// answers. The result is a pure function of the model and the options: neither threads nor time
// play a part.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "trainer/data/generator.h"

namespace mcv::bench {

struct AccuracyOptions {
  trainer::Split split = trainer::Split::kHeldOut;
  int scenes = 500;
  int words = 500;                // kHarder has none: only things come in another design
  int strings = 500;              // letters that are no word; kHarder has none
  double scene_difficulty = 1.0;  // up to five things, small, turned, on textures
  double word_difficulty = 0.0;   // clean, lower-case
  uint64_t seed = 1;
  uint64_t first = 0;  // index of the first picture: fresh ones for a final measurement
  int threads = 0;     // pictures at a time; 0: all processors
  // Called from one thread about four times a second.
  std::function<void(int64_t done, int64_t total)> on_progress;
};

struct AskedQuestion {
  trainer::Turn turn;  // question and true answer
  std::string answer;
  trainer::SampleKind kind = trainer::SampleKind::kScene;  // of the picture
};

// Pictures in order, the questions of each in order: scenes, words, strings. The engine should be
// open with one thread: pictures are what runs side by side.
Result<std::vector<AskedQuestion>> AskAll(const Engine& engine,
                                          std::shared_ptr<const trainer::DataAssets> assets,
                                          const AccuracyOptions& options);

// The same pictures and questions for another program to answer: FOLDER/N.png, and in
// FOLDER/questions.tsv a line "N.png, question, true answer" for each, separated by tabs.
Status WriteQuestions(std::shared_ptr<const trainer::DataAssets> assets,
                      const AccuracyOptions& options, const std::string& folder);

// One line of the table.
struct AccuracyRow {
  std::string name;
  int64_t questions = 0;
  double exact = 0.0;    // share of answers that are wholly right
  double partial = 0.0;  // mean share of each answer that is right: characters, things of a list
  // `exact` of someone who hears the question and knows how answers are distributed, but does not
  // look: always the same answer, or to each form of question (QuestionForm) the one that is
  // commonest among the other half of the questions, whichever scores better.
  double exact_guess = 0.0;
  double partial_guess = 0.0;  // `partial` of always the same answer
};

struct AccuracyReport {
  std::vector<AccuracyRow> rows;  // kinds that were asked
  int64_t true_no = 0;            // yes/no questions whose true answer is "No", of rows' number
  int64_t different_things = 0;   // named in the true answers of naming questions
};
AccuracyReport Summarise(const std::vector<AskedQuestion>& questions);

// A Markdown table.
std::string ToText(const AccuracyReport& report);

const char* TypeName(trainer::QuestionType type);

}  // namespace mcv::bench
