#include "bench/accuracy.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/file_writer.h"
#include "base/thread_pool.h"
#include "engine/session.h"
#include "formats/image/image.h"
#include "trainer/data/scoring.h"

namespace mcv::bench {
namespace {

using trainer::DataConfig;
using trainer::DataGenerator;
using trainer::QuestionType;
using trainer::Sample;
using trainer::SampleKind;

constexpr int64_t kMostTokens = 64;
constexpr char kStringsRow[] = "reading, whole strings";
// Fixed answers that are tried when the guessing level is sought: the commonest ones.
constexpr size_t kMostGuesses = 200;

// One kind of picture only; every sample draws its own shape.
DataConfig ConfigOf(const AccuracyOptions& options, bool scenes) {
  DataConfig config;
  config.seed = options.seed;
  config.group_size = 1;
  config.scene_share = scenes ? 1.0 : 0.0;
  config.word_share = scenes ? 0.0 : 1.0;
  config.line_share = 0.0;
  config.scene_difficulty = options.scene_difficulty;
  config.word_difficulty = options.word_difficulty;
  return config;
}

// Scenes, then words, then strings; each thread makes them with one of its own.
class PictureSource {
 public:
  PictureSource(const std::shared_ptr<const trainer::DataAssets>& assets,
                const AccuracyOptions& options)
      : options_(options),
        scenes_(assets, ConfigOf(options, true)),
        words_(assets, ConfigOf(options, false)) {}

  static int64_t Count(const AccuracyOptions& options) {
    return int64_t{options.scenes} + options.words + options.strings;
  }

  Sample Make(int64_t i) {
    if (i < options_.scenes) return scenes_.Make(options_.split, IndexOf(i));
    i -= options_.scenes;
    if (i < options_.words) return words_.Make(options_.split, IndexOf(i));
    const uint64_t index = IndexOf(i - options_.words);
    trainer::GroupPlan plan = trainer::PlanGroup(words_.config(), options_.split, index);
    plan.kind = SampleKind::kString;
    return words_.Make(options_.split, index, plan);
  }

 private:
  uint64_t IndexOf(int64_t i) const { return options_.first + static_cast<uint64_t>(i); }

  const AccuracyOptions& options_;
  DataGenerator scenes_, words_;
};

Status AskAboutSample(const Engine& engine, Sample sample, std::vector<AskedQuestion>* out) {
  MCV_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, engine.NewSession());
  MCV_ASSIGN_OR_RETURN(const int picture,
                       session->AddImage({sample.picture.width, sample.picture.height,
                                          std::move(sample.picture.rgb)}));
  AskOptions options;
  options.max_tokens = kMostTokens;
  for (trainer::Turn& turn : sample.turns) {
    session->Clear();
    MCV_ASSIGN_OR_RETURN(Answer answer, session->Ask({turn.question, {picture}}, options));
    out->push_back({std::move(turn), std::move(answer.text), sample.kind});
  }
  return OkStatus();
}

// Workers take picture after picture; what they find lies by number, so that order does not depend
// on them.
class Examiner {
 public:
  Examiner(const Engine& engine, std::shared_ptr<const trainer::DataAssets> assets,
           const AccuracyOptions& options)
      : engine_(engine),
        assets_(std::move(assets)),
        options_(options),
        total_(PictureSource::Count(options)),
        found_(static_cast<size_t>(total_)) {}

  Result<std::vector<AskedQuestion>> Run() {
    const int wanted = options_.threads > 0 ? options_.threads : DefaultThreadCount();
    std::vector<std::thread> workers;
    for (int i = 0; i < wanted; ++i) workers.emplace_back([this] { Work(); });
    while (options_.on_progress && finished_workers_ < wanted) {
      options_.on_progress(done_, total_);
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
    for (std::thread& worker : workers) worker.join();
    MCV_RETURN_IF_ERROR(status_);
    std::vector<AskedQuestion> all;
    for (auto& questions : found_) {
      std::move(questions.begin(), questions.end(), std::back_inserter(all));
    }
    return all;
  }

 private:
  void Work() {
    PictureSource pictures(assets_, options_);
    for (int64_t i; (i = next_++) < total_;) {
      const Status status =
          AskAboutSample(engine_, pictures.Make(i), &found_[static_cast<size_t>(i)]);
      ++done_;
      if (status.ok()) continue;
      const std::lock_guard<std::mutex> lock(mutex_);
      if (status_.ok()) status_ = status;
      next_ = total_;  // nobody begins another picture
    }
    ++finished_workers_;
  }

  const Engine& engine_;
  const std::shared_ptr<const trainer::DataAssets> assets_;
  const AccuracyOptions& options_;
  const int64_t total_;
  std::vector<std::vector<AskedQuestion>> found_;
  std::atomic<int64_t> next_ = 0;
  std::atomic<int64_t> done_ = 0;
  std::atomic<int> finished_workers_ = 0;
  std::mutex mutex_;
  Status status_ = OkStatus();
};

using Questions = std::vector<const AskedQuestion*>;

struct Shares {
  double exact = 0.0;
  double partial = 0.0;
};

// Mean over the questions of what `answer_to` says.
template <typename AnswerTo>
Shares Score(const Questions& questions, AnswerTo answer_to) {
  Shares sum;
  for (const AskedQuestion* question : questions) {
    const trainer::AnswerScore score = trainer::ScoreAnswer(question->turn, answer_to(*question));
    sum.exact += score.exact ? 1.0 : 0.0;
    sum.partial += score.partial;
  }
  const double count = static_cast<double>(questions.size());
  return {sum.exact / count, sum.partial / count};
}

// The best that one answer to all of them would score, each share on its own.
Shares BestGuess(const Questions& questions) {
  std::map<std::string, int64_t> truths;
  for (const AskedQuestion* question : questions) ++truths[question->turn.answer];
  std::vector<std::pair<int64_t, std::string>> guesses;
  for (const auto& [truth, count] : truths) guesses.emplace_back(-count, truth);
  std::sort(guesses.begin(), guesses.end());
  if (guesses.size() > kMostGuesses) guesses.resize(kMostGuesses);
  Shares best;
  for (const auto& guess : guesses) {
    const Shares shares =
        Score(questions, [&](const AskedQuestion&) { return std::string_view(guess.second); });
    best.exact = std::max(best.exact, shares.exact);
    best.partial = std::max(best.partial, shares.partial);
  }
  return best;
}

// The share of right answers of someone who knows the other half of the questions and says what is
// commonest there for the question's form. Halves, since what is commonest among few questions says
// little about others.
double GuessByForm(const Questions& questions) {
  std::map<std::string, int64_t> all[2];
  std::map<std::string, std::map<std::string, int64_t>> by_form[2];
  std::vector<std::string> forms;
  for (size_t i = 0; i < questions.size(); ++i) {
    forms.push_back(trainer::QuestionForm(questions[i]->turn.question));
    ++all[i % 2][questions[i]->turn.answer];
    ++by_form[i % 2][forms[i]][questions[i]->turn.answer];
  }
  const auto commonest = [](const std::map<std::string, int64_t>& answers) {
    const auto most =
        std::max_element(answers.begin(), answers.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == answers.end() ? std::string() : most->first;
  };
  int64_t right = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const size_t other = (i + 1) % 2;
    const auto known = by_form[other].find(forms[i]);
    const std::string guess = commonest(known == by_form[other].end() ? all[other] : known->second);
    right += trainer::ScoreAnswer(questions[i]->turn, guess).exact ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(questions.size());
}

AccuracyRow MakeRow(const std::string& name, const Questions& questions, bool guess) {
  AccuracyRow row;
  row.name = name;
  row.questions = static_cast<int64_t>(questions.size());
  const Shares shares =
      Score(questions, [](const AskedQuestion& q) { return std::string_view(q.answer); });
  row.exact = shares.exact;
  row.partial = shares.partial;
  if (guess) {
    const Shares best = BestGuess(questions);
    row.exact_guess = std::max(best.exact, GuessByForm(questions));
    row.partial_guess = best.partial;
  }
  return row;
}

// "A cat, two dogs and a red circle" -> the things without their numbers and plurals, roughly:
// enough to say how many different ones were asked for.
int64_t CountDifferentThings(const Questions& questions) {
  std::set<std::string> things;
  for (const AskedQuestion* question : questions) {
    std::string list = question->turn.answer;
    for (size_t at; (at = list.find(" and ")) != std::string::npos;) list.replace(at, 5, ", ");
    list += ", ";
    for (size_t begin = 0, end; (end = list.find(", ", begin)) != std::string::npos;
         begin = end + 2) {
      const std::string item = list.substr(begin, end - begin);
      const size_t article = item.find(' ');
      std::string first = item.substr(0, article);
      std::transform(first.begin(), first.end(), first.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      // Plurals would count twice.
      if (first == "a" || first == "an") things.insert(item.substr(article + 1));
    }
  }
  return static_cast<int64_t>(things.size());
}

std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100.0 * share);
  return text;
}

void AppendLine(const std::string& name, int64_t questions, double share, double guess,
                std::string* text) {
  char line[160];
  std::snprintf(line, sizeof line, "| %-32s | %9lld | %8s | %8s |\n", name.c_str(),
                static_cast<long long>(questions), Percent(share).c_str(), Percent(guess).c_str());
  *text += line;
}

// What "partly right" counts in a row, or nothing where an answer is right or wrong.
const char* PartName(const std::string& row) {
  if (row == TypeName(QuestionType::kRead)) return "characters of words";
  if (row == kStringsRow) return "characters of strings";
  if (row == TypeName(QuestionType::kName) || row == TypeName(QuestionType::kDescribe)) {
    return "things of the list";
  }
  return nullptr;
}

void AddYesNoParts(const Questions& asked, AccuracyReport& report) {
  Questions yes, no, numbers;
  for (const AskedQuestion* question : asked) {
    (question->turn.answer == "No" ? no : yes).push_back(question);
    const std::string form = trainer::QuestionForm(question->turn.question);
    if (form.starts_with("are there ")) numbers.push_back(question);
  }
  report.true_no = static_cast<int64_t>(no.size());
  // Someone who always says the right one of the two would get all: half is what a coin gets.
  for (const auto& [name, part] :
       {std::pair{"yes/no, where yes is true", &yes}, std::pair{"yes/no, where no is true", &no}}) {
    if (part->empty()) continue;
    AccuracyRow row = MakeRow(name, *part, false);
    row.exact_guess = row.partial_guess = 0.5;
    report.rows.push_back(row);
  }
  if (!numbers.empty()) {
    report.rows.push_back(MakeRow("yes/no, is the number right", numbers, true));
  }
}

}  // namespace

const char* TypeName(QuestionType type) {
  switch (type) {
    case QuestionType::kName:
      return "naming";
    case QuestionType::kCount:
      return "counting to five";
    case QuestionType::kColour:
      return "colours";
    case QuestionType::kPosition:
      return "positions";
    case QuestionType::kYesNo:
      return "yes/no";
    case QuestionType::kRead:
      return "reading, whole words";
    case QuestionType::kDescribe:
      return "describing";
    case QuestionType::kRelation:
      return "what is beside it";
    case QuestionType::kNumTypes:
      break;
  }
  return "";
}

Result<std::vector<AskedQuestion>> AskAll(const Engine& engine,
                                          std::shared_ptr<const trainer::DataAssets> assets,
                                          const AccuracyOptions& options) {
  return Examiner(engine, std::move(assets), options).Run();
}

Status WriteQuestions(std::shared_ptr<const trainer::DataAssets> assets,
                      const AccuracyOptions& options, const std::string& folder) {
  PictureSource pictures(assets, options);
  std::string lines;
  for (int64_t i = 0; i < PictureSource::Count(options); ++i) {
    Sample sample = pictures.Make(i);
    const std::string name = std::to_string(i) + ".png";
    MCV_RETURN_IF_ERROR(WritePng(folder + "/" + name, {sample.picture.width, sample.picture.height,
                                                       std::move(sample.picture.rgb)}));
    for (const trainer::Turn& turn : sample.turns) {
      lines += name + "\t" + turn.question + "\t" + turn.answer + "\n";
    }
  }
  return WriteFile(folder + "/questions.tsv", lines);
}

AccuracyReport Summarise(const std::vector<AskedQuestion>& questions) {
  AccuracyReport report;
  for (int type = 0; type < static_cast<int>(QuestionType::kNumTypes); ++type) {
    Questions asked, strings;
    for (const AskedQuestion& question : questions) {
      if (static_cast<int>(question.turn.type) != type) continue;
      (question.kind == SampleKind::kString ? strings : asked).push_back(&question);
    }
    const auto add = [&](const char* name, const Questions& part) {
      if (!part.empty()) report.rows.push_back(MakeRow(name, part, true));
    };
    add(TypeName(static_cast<QuestionType>(type)), asked);
    add(kStringsRow, strings);
    if (type == static_cast<int>(QuestionType::kName)) {
      report.different_things = CountDifferentThings(asked);
    }
    if (type == static_cast<int>(QuestionType::kYesNo)) AddYesNoParts(asked, report);
  }
  return report;
}

std::string ToText(const AccuracyReport& report) {
  std::string text =
      "| question                         | questions |    right | guessing |\n"
      "|----------------------------------|----------:|---------:|---------:|\n";
  for (const AccuracyRow& row : report.rows) {
    AppendLine(row.name, row.questions, row.exact, row.exact_guess, &text);
    if (const char* part = PartName(row.name)) {
      const std::string name = row.name.substr(0, row.name.find(','));
      AppendLine(name + ", " + part, row.questions, row.partial, row.partial_guess, &text);
    }
  }
  for (const AccuracyRow& row : report.rows) {
    if (row.name != TypeName(QuestionType::kYesNo)) continue;
    text += "\n\"No\" is the truth of " +
            Percent(static_cast<double>(report.true_no) / static_cast<double>(row.questions)) +
            " of the yes/no questions. ";
  }
  if (report.different_things > 0) {
    text += "Naming covers " + std::to_string(report.different_things) + " different things.";
  }
  if (text.back() != '\n') text += '\n';
  return text;
}

}  // namespace mcv::bench
