// The rounds with scripted sides, and what becomes of their values.
#include "apps/bench/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/bench/report.h"
#include "apps/bench/run.h"
#include "family/config_hf.h"
#include "family/test_models.h"

namespace mcv::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Takes a second more every time, and writes down in which order it was asked.
class ScriptedSide final : public Side {
 public:
  ScriptedSide(std::string name, double rate, std::vector<std::string>* log)
      : name_(std::move(name)), rate_(rate), log_(log) {}
  const std::string& name() const override { return name_; }
  std::string Objection(const Job& job) const override {
    return JobKey(job) == refuses ? "it will not" : "";
  }
  Result<Measured> Run(const Job& job, const Material&) const override {
    log_->push_back(name_ + " " + JobKey(job));
    if (log_->size() == fail_at) return IoError("broken");
    Measured run;
    run.tokens_per_second = rate_ + static_cast<double>(runs_++);
    run.wall_seconds = 1.0;
    return run;
  }
  size_t fail_at = 0;
  std::string refuses;  // key of a job

 private:
  std::string name_;
  double rate_;
  std::vector<std::string>* log_;
  mutable int runs_ = 0;
};

class RoundsTest : public ::testing::Test {
 protected:
  RoundsTest() : own_("own", 20.0, &log_), peer_("peer", 10.0, &log_), fork_("fork", 15.0, &log_) {
    results_ = Fresh({"llama.cpp"});
    options_.measure_limits = [this] {
      ++limit_runs_;
      return Limits{1e9 * limit_runs_, 1e12, 0.0, 2e12};
    };
  }
  static Results Fresh(const std::vector<std::string>& peers) {
    Results results;
    results.model.config = *ParseHfConfig(Published25Config(), "", "model");
    results.model.quantised = true;
    results.model.target = "avx2";
    results.settings = {{"program", "1"}, {"model", "a.gguf"}};
    for (const std::string& name : peers) results.peers.push_back({name, "7", "", ""});
    results.date = "2026-01-02";
    results.decode_tokens = 32;
    for (Job& job : JobsFor(*ParseRows({"prefill@96", "decode@0"}), true)) {
      results.jobs.push_back({std::move(job), {}, std::vector<PeerSamples>(peers.size())});
    }
    return results;
  }
  Status RunAll(int rounds) {
    options_.rounds = rounds;
    std::vector<const Side*> peers = {&peer_, &fork_};
    peers.resize(results_.peers.size());
    return RunRounds(options_, material_, own_, peers, &results_);
  }

  std::vector<std::string> log_;
  ScriptedSide own_, peer_, fork_;
  Results results_;
  RunOptions options_;
  Material material_;
  int limit_runs_ = 0;
};

TEST_F(RoundsTest, SidesAlternateAndTakeTurnsInBeginning) {
  ASSERT_TRUE(RunAll(2).ok());
  EXPECT_THAT(log_,
              ElementsAre("own prefill@96", "peer prefill@96", "own decode@0", "peer decode@0",
                          "peer prefill@96", "own prefill@96", "peer decode@0", "own decode@0"));
  EXPECT_EQ(limit_runs_, 3);  // before, and after each round
  EXPECT_EQ(results_.limits.read_bytes, 3e9);
}

TEST_F(RoundsTest, ADecodeRunIsHeldAgainstTheReadsBesideIt) {
  results_.model.weight_bytes_per_token = 100;
  double rate = 0.0;
  options_.measure_reads = [&rate] { return rate += 1000.0; };
  ASSERT_TRUE(RunAll(1).ok());
  // Ours between reads of 1,000 and 2,000 bytes a second, the peer's between 3,000 and 4,000: the
  // better one counts.
  const auto table = Tabulate(results_);
  EXPECT_DOUBLE_EQ(table[1].own.share.value(), 21.0 / (2000.0 / 100.0));
  EXPECT_DOUBLE_EQ(table[1].peers[0].share.value(), 11.0 / (4000.0 / 100.0));
  EXPECT_DOUBLE_EQ(table[1].limit->value, 3000.0 / 100.0);
  Results again = Fresh({"llama.cpp"});
  again.model = results_.model;
  ASSERT_TRUE(TakeEarlierRuns(ToJson(results_).dump(), &again).ok());
  EXPECT_DOUBLE_EQ(Tabulate(again)[1].own.share.value(), 21.0 / 20.0);
  EXPECT_FALSE(results_.jobs[0].own[0].read_rate.has_value());  // prefill waits for no memory
}

TEST_F(RoundsTest, TwoPeersTakeTurnsToo) {
  results_ = Fresh({"llama.cpp", "fork"});
  peer_.refuses = "decode@0";
  ASSERT_TRUE(RunAll(3).ok());
  EXPECT_THAT(log_,
              ElementsAre("own prefill@96", "peer prefill@96", "fork prefill@96", "own decode@0",
                          "fork decode@0",  //
                          "peer prefill@96", "fork prefill@96", "own prefill@96", "fork decode@0",
                          "own decode@0",  //
                          "fork prefill@96", "own prefill@96", "peer prefill@96", "fork decode@0",
                          "own decode@0"));
  const auto table = Tabulate(results_);
  EXPECT_THAT(table[0].peers[1].values, ElementsAre(15.0, 17.0, 19.0));
  EXPECT_EQ(table[1].peers[0].left_out, "it will not");
  const std::string text = ReportText(results_);
  EXPECT_THAT(text, HasSubstr("minicpmv 1 beside llama.cpp 7 and fork 7"));
  EXPECT_THAT(text, HasSubstr("| what | minicpmv | llama.cpp | times | fork | times |"));
  EXPECT_THAT(text, HasSubstr("| 22.0 tokens/s | 11.0 tokens/s | 2.00 | 17.0 tokens/s | 1.29 |"));
  EXPECT_THAT(text, HasSubstr("- left out: decode@0 of llama.cpp: it will not\n"));
  EXPECT_THAT(text, HasSubstr("| 23.0 tokens/s | - | - | 18.0 tokens/s | 1.28 |"));
}

TEST_F(RoundsTest, ARowThatNobodyPrintsIsLeftOut) {
  results_.jobs[0].job.rows.push_back({RowKind::kLoad, 0});
  ASSERT_TRUE(RunAll(1).ok());
  EXPECT_THAT(ReportText(results_),
              HasSubstr("- left out: load of llama.cpp: its programs do not "));
  const auto json = ToJson(results_);
  EXPECT_THAT(json["rows"][2]["peers"]["llama.cpp"]["left_out"], HasSubstr("do not print it"));
}

TEST_F(RoundsTest, EachPeersRunsAreFoundAgainByItsName) {
  results_ = Fresh({"llama.cpp", "fork"});
  ASSERT_TRUE(RunAll(1).ok());
  const std::string saved = ToJson(results_).dump();
  results_ = Fresh({"fork", "llama.cpp"});
  ASSERT_TRUE(TakeEarlierRuns(saved, &results_).ok());
  EXPECT_THAT(Tabulate(results_)[0].peers[0].values, ElementsAre(15.0));
  EXPECT_THAT(Tabulate(results_)[0].peers[1].values, ElementsAre(10.0));
}

TEST_F(RoundsTest, WhatAPeerWasGivenIsTold) {
  results_.peers[0].words = "prefill: -rtr 1";
  results_.peers[0].backend = "libggml-cpu-x.so";
  const std::string text = ReportText(results_);
  EXPECT_THAT(text, HasSubstr("- options of llama.cpp: prefill: -rtr 1\n"));
  EXPECT_THAT(text, HasSubstr("; back end of llama.cpp libggml-cpu-x.so\n"));
}

TEST_F(RoundsTest, MediansTimesAndSharesComeFromTheRuns) {
  ASSERT_TRUE(RunAll(3).ok());
  const auto table = Tabulate(results_);
  ASSERT_EQ(table.size(), 2u);
  EXPECT_THAT(table[0].own.values, ElementsAre(20.0, 22.0, 24.0));
  EXPECT_EQ(*table[0].own.median, 22.0);
  EXPECT_EQ(*table[0].peers[0].median, 12.0);
  EXPECT_NEAR(*table[0].peers[0].times, 22.0 / 12.0, 1e-12);
  EXPECT_EQ(table[0].limit->basis, "int8");
  EXPECT_NEAR(*table[0].own.share, 22.0 / table[0].limit->value, 1e-12);
  const std::string text = ReportText(results_);
  EXPECT_THAT(text, HasSubstr("| prefill, 96 tokens | 22.0 tokens/s | 12.0 tokens/s | 1.83 |"));
  EXPECT_THAT(text, HasSubstr("| 20.0 22.0 24.0 | 10.0 12.0 14.0 |"));
}

TEST_F(RoundsTest, ProgressCountsRunsAndGuessesTheRest) {
  std::vector<Progress> seen;
  options_.on_progress = [&](const Progress& progress) { seen.push_back(progress); };
  ASSERT_TRUE(RunAll(1).ok());
  ASSERT_GE(seen.size(), 5u);
  EXPECT_EQ(seen[1].total, 4);
  EXPECT_EQ(seen[1].done, 0);
  EXPECT_EQ(seen[1].seconds_left, 0.0);
  EXPECT_THAT(seen[1].doing, HasSubstr("round 1 of 1: own, prefill@96"));
  EXPECT_EQ(seen[3].done, 2);
  EXPECT_EQ(seen[3].seconds_left, 2.0);
}

TEST_F(RoundsTest, AnErrorKeepsWhatWasMeasured) {
  peer_.fail_at = 4;
  int saves = 0;
  options_.on_result = [&] { return ++saves, OkStatus(); };
  EXPECT_THAT(RunAll(1).message(), HasSubstr("broken"));
  EXPECT_EQ(saves, 3);
  EXPECT_EQ(Tabulate(results_)[1].own.values.size(), 1u);
  EXPECT_THAT(ReportText(results_), HasSubstr("| decode after 0 tokens | 21.0 tokens/s | - | - |"));
}

TEST_F(RoundsTest, AFlagStopsBetweenRuns) {
  std::atomic<bool> cancel{true};
  material_.cancel = &cancel;
  EXPECT_EQ(RunAll(1).code(), StatusCode::kCancelled);
  EXPECT_TRUE(log_.empty());
}

TEST_F(RoundsTest, GoesOnWhereAnEarlierRunStopped) {
  peer_.fail_at = 4;
  EXPECT_FALSE(RunAll(2).ok());
  const std::string saved = ToJson(results_).dump();
  results_ = Fresh({"llama.cpp"});
  results_.date = "later";
  ASSERT_TRUE(TakeEarlierRuns(saved, &results_).ok());
  EXPECT_EQ(results_.date, "2026-01-02");
  log_.clear();
  peer_.fail_at = 0;
  ASSERT_TRUE(RunAll(1).ok());
  EXPECT_THAT(log_, ElementsAre("peer decode@0"));
  log_.clear();
  ASSERT_TRUE(RunAll(1).ok());
  EXPECT_THAT(log_, ElementsAre());
}

TEST_F(RoundsTest, OtherSettingsAreNotGoneOnWith) {
  ASSERT_TRUE(RunAll(1).ok());
  Results other = Fresh({"llama.cpp"});
  other.settings["model"] = "b.gguf";
  other.settings["threads"] = "2";
  const Status status = TakeEarlierRuns(ToJson(results_).dump(), &other);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("model: was 'a.gguf', is 'b.gguf'"));
  EXPECT_THAT(status.message(), HasSubstr("threads: was '', is '2'"));
  EXPECT_THAT(status.message(), Not(HasSubstr("program")));
}

TEST_F(RoundsTest, BrokenFilesAreRefused) {
  ASSERT_TRUE(RunAll(1).ok());
  const std::string good = ToJson(results_).dump();
  for (size_t length = 0; length + 1 < good.size(); length += 97) {
    Results fresh = Fresh({"llama.cpp"});
    EXPECT_EQ(TakeEarlierRuns(good.substr(0, length), &fresh).code(), StatusCode::kCorrupt);
  }
  Results fresh = Fresh({"llama.cpp"});
  for (const std::string list : {"\"minicpmv\":[", "\"llama.cpp\":[", "\"peers\":"}) {
    std::string damaged = good;
    damaged.insert(damaged.rfind(list) + list.size(), list.ends_with('[') ? "7," : "7,\"x\":");
    EXPECT_EQ(TakeEarlierRuns(damaged, &fresh).code(), StatusCode::kCorrupt) << list;
  }
  EXPECT_EQ(TakeEarlierRuns("{}", &fresh).code(), StatusCode::kCorrupt);
  EXPECT_EQ(TakeEarlierRuns("[]", &fresh).code(), StatusCode::kCorrupt);
}

TEST_F(RoundsTest, DifferentViewsAreTold) {
  JobSamples samples{{JobKind::kPicture, 0, {{RowKind::kEncodePicture, 0}}}, {}, {}};
  samples.peers.resize(1);
  Measured run;
  run.encode_seconds = 1.0;
  run.views = 10;
  samples.own.push_back(run);
  run.views = 5;
  samples.peers[0].runs.push_back(run);
  results_.jobs.push_back(samples);
  EXPECT_THAT(ReportText(results_), HasSubstr("minicpmv made 10 views, llama.cpp 5"));
}

TEST(MachineTest, IsDescribedWithoutNames) {
  const auto machine = DescribeMachine();
  EXPECT_FALSE(machine.at("system").empty());
  EXPECT_GT(std::stoi(machine.at("processors")), 0);
}

}  // namespace
}  // namespace mcv::bench
