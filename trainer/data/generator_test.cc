#include "trainer/data/generator.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "trainer/data/loader.h"
#include "trainer/data/test_assets.h"

namespace mcv::trainer {
namespace {

bool SameSample(const Sample& a, const Sample& b) {
  bool same = a.kind == b.kind && a.picture.rgb == b.picture.rgb && a.text == b.text &&
              a.patches == b.patches && a.things == b.things && a.turns.size() == b.turns.size();
  for (size_t i = 0; same && i < a.turns.size(); ++i) {
    same = a.turns[i].question == b.turns[i].question && a.turns[i].answer == b.turns[i].answer;
  }
  return same;
}

DataConfig SmallGroups() {
  DataConfig config;
  config.group_size = 4;
  return config;
}

TEST(Generator, SamplesDependOnTheirIndexAlone) {
  DataGenerator forwards(SharedTestAssets(), SmallGroups());
  DataGenerator backwards(SharedTestAssets(), SmallGroups());
  std::vector<Sample> first;
  for (uint64_t i = 0; i < 60; ++i) first.push_back(forwards.Make(Split::kTrain, i));
  for (uint64_t i = 60; i-- > 0;) {
    EXPECT_TRUE(SameSample(first[i], backwards.Make(Split::kTrain, i))) << i;
  }
  DataConfig other = SmallGroups();
  other.seed = 2;
  DataGenerator reseeded(SharedTestAssets(), other);
  int same = 0;
  for (uint64_t i = 0; i < 60; ++i) same += SameSample(first[i], reseeded.Make(Split::kTrain, i));
  EXPECT_EQ(same, 0);
}

TEST(Generator, EverySampleIsWellFormed) {
  const DataAssets& assets = TestAssets();
  DataGenerator generator(SharedTestAssets(), SmallGroups());
  for (const Split split : {Split::kTrain, Split::kHeldOut}) {
    for (uint64_t i = 0; i < 800; ++i) {
      const Sample sample = generator.Make(split, i);
      const Picture& picture = sample.picture;
      ASSERT_EQ(picture.width % kPatchPixels, 0);
      ASSERT_EQ(picture.height % kPatchPixels, 0);
      ASSERT_EQ(picture.rgb.size(), static_cast<size_t>(picture.width) * picture.height * 3);
      const int patches = picture.width * picture.height / (kPatchPixels * kPatchPixels);
      ASSERT_EQ(static_cast<int>(sample.patches.label.size()), patches);
      EXPECT_GE(patches, 32);
      EXPECT_LE(patches, 40);
      for (int32_t label : sample.patches.label) {
        EXPECT_GE(label, -1);
        EXPECT_LT(label, assets.num_patch_classes());
        EXPECT_EQ(label >= assets.things().size(), label >= 0 && sample.kind != SampleKind::kScene);
      }
      ASSERT_FALSE(sample.turns.empty());
      for (const Turn& turn : sample.turns) {
        EXPECT_FALSE(turn.question.empty());
        EXPECT_FALSE(turn.answer.empty());
      }
      if (sample.kind == SampleKind::kScene) {
        EXPECT_FALSE(sample.things.empty());
        EXPECT_GE(sample.turns.size(), 2u);
      } else {
        EXPECT_EQ(sample.turns[0].answer, sample.text);
      }
    }
  }
}

TEST(Generator, GroupsShareKindAndGrid) {
  DataGenerator generator(SharedTestAssets(), SmallGroups());
  std::map<SampleKind, int> kinds;
  for (uint64_t group = 0; group < 400; ++group) {
    const GroupPlan plan = PlanGroup(SmallGroups(), Split::kTrain, group);
    ++kinds[plan.kind];
    if (group >= 20) continue;
    for (uint64_t i = 0; i < 4; ++i) {
      const Sample sample = generator.Make(Split::kTrain, group * 4 + i);
      EXPECT_EQ(sample.kind, plan.kind);
      EXPECT_EQ(sample.picture.width, plan.grid.width());
      EXPECT_EQ(sample.picture.height, plan.grid.height());
    }
  }
  EXPECT_NEAR(kinds[SampleKind::kScene], 220, 40);
  EXPECT_NEAR(kinds[SampleKind::kWord], 160, 40);
  EXPECT_NEAR(kinds[SampleKind::kLine], 20, 15);
}

// What someone scores who always gives the commonest answer, and the balance of yes and no.
TEST(Generator, BlindGuessesScoreAsStated) {
  DataConfig config;
  config.scene_share = 1;
  config.word_share = config.line_share = 0;
  DataGenerator generator(SharedTestAssets(), config);
  std::map<QuestionType, std::map<std::string, int>> answers;
  std::map<QuestionType, int> totals;
  for (uint64_t i = 0; i < 12000; ++i) {
    for (const Turn& turn : generator.Make(Split::kHeldOut, i).turns) {
      ++answers[turn.type][turn.answer];
      ++totals[turn.type];
    }
  }
  for (const auto& [type, counts] : answers) {
    int most = 0;
    std::string answer;
    for (const auto& [text, count] : counts) {
      if (count > most) answer = text;
      most = std::max(most, count);
    }
    const double share = most / static_cast<double>(totals[type]);
    EXPECT_NEAR(share, GuessingLevel(type), 0.02)
        << "type " << static_cast<int>(type) << ": \"" << answer << "\" of " << totals[type];
  }
  const double yes = answers[QuestionType::kYesNo]["Yes"];
  EXPECT_NEAR(yes / totals[QuestionType::kYesNo], 0.5, 0.015);
}

// A number in a question must not say whether it is the right one.
TEST(Generator, NumbersInQuestionsDoNotTellTheirAnswer) {
  DataConfig config;
  config.scene_share = 1;
  config.word_share = config.line_share = 0;
  DataGenerator generator(SharedTestAssets(), config);
  std::map<std::string, std::map<std::string, int>> answers;
  for (uint64_t i = 0; i < 16000; ++i) {
    for (const Turn& turn : generator.Make(i % 2 ? Split::kHeldOut : Split::kTrain, i).turns) {
      std::istringstream words(turn.question);
      std::string are, there, number;
      words >> are >> there >> number;
      if (are == "Are" && there == "there") ++answers[number][turn.answer];
    }
  }
  ASSERT_EQ(answers.size(), 4u);  // two to five
  int guessed = 0, total = 0;
  for (const auto& [number, counts] : answers) {
    int most = 0, all = 0;
    for (const auto& [answer, count] : counts) {
      most = std::max(most, count);
      all += count;
    }
    EXPECT_GE(all, 60) << number;
    guessed += most;
    total += all;
  }
  EXPECT_LT(guessed / static_cast<double>(total), 0.55);
}

TEST(Loader, OrderDoesNotDependOnThreads) {
  std::vector<Batch> one, three;
  for (const int threads : {1, 3}) {
    Loader loader(SharedTestAssets(), SmallGroups(),
                  {.split = Split::kTrain, .first_batch = 5, .num_threads = threads, .window = 4});
    for (int i = 0; i < 12; ++i) (threads == 1 ? one : three).push_back(loader.Next());
  }
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].number, 5 + i);
    ASSERT_EQ(one[i].samples.size(), 4u);
    for (size_t k = 0; k < 4; ++k) EXPECT_TRUE(SameSample(one[i].samples[k], three[i].samples[k]));
  }
}

TEST(Loader, StopsWhileItsWindowIsFull) {
  for (int i = 0; i < 5; ++i) {
    Loader loader(SharedTestAssets(), SmallGroups(), {.num_threads = 2, .window = 2});
    if (i % 2 == 0) loader.Next();
  }
}

TEST(Generator, HarderScenesNeedTheirFolder) {
  DataPaths paths;
  paths.harder_emoji_dir = "/nowhere";
  const auto assets = DataAssets::Load(paths);
  ASSERT_FALSE(assets.ok());
  EXPECT_NE(assets.status().message().find("harder_set.sh"), std::string::npos);
}

}  // namespace
}  // namespace mcv::trainer
