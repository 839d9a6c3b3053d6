// `minicpmv bench` from outside: on the tiny and the built-in model, and beside a script that takes
// the words of llama.cpp's programs and prints what they print.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/run_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// Written by us in the form of the real ones. It writes down each call, refuses a model that it
// does not see, and does what $FAKE says.
constexpr const char* kFakePeer = R"sh(#!/bin/sh
program=$1; shift
echo "$program $*" >> "$(dirname "$0")/calls"
case $1-$FAKE in
  --version-* | --help-*) ;;
  *-slow) sleep 600 ;;
  *-dumb) echo "no numbers today"; exit 0 ;;
  *-broken) echo "out of luck" >&2; exit 5 ;;
esac
prompt=0 generated=0 model= image= fork=
case $FAKE in fork*) fork=1 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    --help) [ "$FAKE" = old ] || echo "  ${fork:+-gp <pp,tg>}${fork:--d, --n-depth <n>}  (default: )"
            exit 0 ;;
    --version) if [ "$fork" ]; then
                 [ $program = llama-bench ] && { echo "error: what is --version" >&2; exit 1; }
                 echo "version: 12 (fork)" >&2; exit 0
               fi
               echo "load_backend: loaded CPU backend from /lib/libggml-cpu-fake.so" >&2
               echo "version: 9.9 (build 1, commit fake)"; exit 0 ;;
    -m) model=$2 ;;
    -n) generated=$2 ;;
    --image) image=$2 ;;
    -p) prompt=$2 ;;
    -d) [ ! "$fork" ] || { echo "error: what is -d" >&2; exit 1; } ;;
    -gp) prompt=${2%,*} generated=${2#*,} ;;
  esac
  shift
done
[ -f "$model" ] || { echo "cannot see $model" >&2; exit 1; }
case $program in
  llama-bench)
    echo "[ { \"n_prompt\": $prompt, \"n_gen\": $generated, \"n_depth\": 0, \"avg_ts\": 2.5 } ]" ;;
  llama-mtmd-cli)
    [ -f "$image" ] || { echo "cannot see $image" >&2; exit 1; }
    if [ "$fork" ]; then
      echo "encoding image slice..."; echo "image slice encoded in 350 ms"; exit 0
    fi
    echo "0.01.500.000 W WARN: This is an experimental CLI for testing" >&2
    echo "0.02.000.000 I encoding mtmd batch, n_chunks = 1 (done = 1, total = 2)" >&2
    echo "0.03.000.000 I mtmd batch encoding done in 700 ms" >&2 ;;
  *) exit 127 ;;
esac
)sh";

class BenchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(Path("model"));
    for (const char* name : {"llm-f16.gguf", "mmproj-f16.gguf"}) {
      fs::copy_file(std::string(MCV_TESTDATA "/goldens/models/v25_tiny/gguf/") + name,
                    Path("model/") + name);
    }
    std::ofstream(Path("peer")) << kFakePeer;
    fs::permissions(Path("peer"), fs::perms::owner_all);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string Model() const { return " --threads 1 --model " + Path("model/llm-f16.gguf"); }
  std::string WithPeer() const { return Model() + " --peer '" + Path("peer") + "'"; }
  // Standard output alone, so that it can be read as JSON.
  nlohmann::json Json(const std::string& arguments) const {
    const Finished run =
        RunShell(MCV_PROGRAM " bench --json " + arguments + " 2>" + Path("errors"));
    EXPECT_EQ(run.exit_code, 0) << run.output << Read("errors");
    return nlohmann::json::parse(run.output, nullptr, false);
  }
  TestFolder folder_{"bench_program_test"};
};

nlohmann::json RowOf(const nlohmann::json& results, const std::string& key) {
  for (const auto& row : results["rows"]) {
    if (row["row"] == key) return row;
  }
  ADD_FAILURE() << "no row " << key;
  return {};
}

TEST_F(BenchTest, TheBuiltInModelQuickly) {
  const auto json = Json("--quick --decode-tokens 2 --threads 1");
  ASSERT_TRUE(json.is_object());
  EXPECT_GT(json["limits"]["read_bytes_per_second"], 0.0);
  EXPECT_GT(RowOf(json, "encode@view")["minicpmv"]["median"], 0.0);
  EXPECT_GT(RowOf(json, "decode@0")["minicpmv"]["share_of_limit"], 0.0);
  EXPECT_EQ(RowOf(json, "load")["minicpmv"]["values"].size(), 1u);
  EXPECT_EQ(json["samples"]["prefill@96"]["minicpmv"][0]["prompt_tokens"], 96);
  EXPECT_TRUE(json["peers"].empty());
}

TEST_F(BenchTest, RowsThatTheModelCannotGiveAreLeftOutAndSaid) {
  const Finished run = RunProgram("bench --rows prefill@1000000,prefill@8 --quick" + Model());
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("left out: prefill@1000000: needs 1000000 positions"));
  EXPECT_THAT(run.output, HasSubstr("| prefill, 8 tokens |"));
  const Finished none = RunProgram("bench --rows encode --text-only" + Model());
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_THAT(none.output, HasSubstr("without an encoder"));
}

TEST_F(BenchTest, BesideThePeer) {
  const auto json = Json("--rows encode@view,prefill@96,decode@4,memory,load --rounds 2 --quick" +
                         WithPeer() + " --decode-tokens 2");
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["peers"][0]["version"], "9.9 (build 1, commit fake)");
  EXPECT_EQ(json["peers"][0]["backend"], "libggml-cpu-fake.so");
  const auto peer = [&](const std::string& row) { return RowOf(json, row)["peers"]["llama.cpp"]; };
  const auto own = RowOf(json, "encode@view")["minicpmv"];
  EXPECT_EQ(peer("encode@view")["values"], nlohmann::json({0.7, 0.7}));
  EXPECT_EQ(own["values"].size(), 2u);
  EXPECT_NEAR(peer("encode@view")["times"].get<double>(), 0.7 / own["median"].get<double>(), 1e-9);
  EXPECT_EQ(peer("prefill@96")["median"], 2.5);
  EXPECT_EQ(peer("load")["median"], 1.5);
  EXPECT_GT(peer("memory")["median"], 100'000.0);
  const std::string calls = Read("calls");
  EXPECT_THAT(calls, HasSubstr("-p 96 -n 0"));
  EXPECT_THAT(calls, HasSubstr("-p 0 -n 2 -d 4"));
  EXPECT_THAT(calls, HasSubstr("-n 1 -t 1 --temp 0"));
  // The pictures are gone again.
  EXPECT_EQ(std::distance(fs::directory_iterator(Path("model")), {}), 2);
}

// Options of a peer mean the --peer before them: the folder is the second one's, the environment
// that makes the script a fork too.
TEST_F(BenchTest, BesideTwoPeers) {
  fs::create_directory_symlink(Path("model"), Path("elsewhere"));
  const std::string fork = " --peer " + Path("peer") + " --peer-name a-fork --peer-env FAKE=fork" +
                           " --peer-path " + Path("elsewhere") +
                           " --peer-options 'prefill=-rtr 1' --peer-options decode=-fa";
  const std::string command = "--rows encode@view,prefill@8,decode@4,load --quick" + WithPeer() +
                              fork + " --decode-tokens 2";
  const auto json = Json(command + " --output " + Path("out"));
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["peers"][0]["name"], "llama.cpp");
  EXPECT_EQ(json["peers"][1]["name"], "a-fork");
  EXPECT_EQ(json["peers"][1]["version"], "12 (fork)");
  EXPECT_EQ(json["peers"][1]["options"], "decode: -fa; prefill: -rtr 1");
  const auto encode = RowOf(json, "encode@view")["peers"];
  EXPECT_EQ(encode["llama.cpp"]["median"], 0.7);
  EXPECT_EQ(encode["a-fork"]["median"], 0.35);
  EXPECT_EQ(RowOf(json, "decode@4")["peers"]["a-fork"]["median"], 2.5);
  EXPECT_EQ(RowOf(json, "load")["peers"]["llama.cpp"]["median"], 1.5);
  EXPECT_THAT(RowOf(json, "load")["peers"]["a-fork"]["left_out"], HasSubstr("do not print it"));
  const std::string calls = Read("calls"), there = "-m " + Path("elsewhere/llm-f16.gguf");
  EXPECT_THAT(calls,
              HasSubstr("-m " + Path("model/llm-f16.gguf") + " -t 1 -r 1 -o json -p 8 -n 0\n"));
  EXPECT_THAT(calls, HasSubstr(there + " -t 1 -r 1 -o json -p 8 -n 0 -rtr 1\n"));
  EXPECT_THAT(calls, HasSubstr("-p 0 -n 2 -d 4\n"));
  EXPECT_THAT(calls, HasSubstr("-p 0 -n 0 -gp 4,2 -fa\n"));
  EXPECT_THAT(Read("out/results.md"), HasSubstr("beside llama.cpp 9.9 (build 1, commit fake) and "
                                                "a-fork 12 (fork)"));
  EXPECT_THAT(Read("out/results.md"), HasSubstr("- left out: load of a-fork: "));
  EXPECT_THAT(Read("out/results.svg"), HasSubstr("a-fork"));
  // Gone on with: nothing is left to do.
  const Finished resumed = RunProgram("bench " + command + " --resume --output " + Path("out"));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(Read("calls").find(there), calls.find(there));
  EXPECT_EQ(Read("calls").rfind(there), calls.rfind(there));
  const Finished fewer =
      RunProgram("bench --rows encode@view,prefill@8,decode@4,load --quick" + WithPeer() +
                 " --decode-tokens 2 --resume --output " + Path("out"));
  EXPECT_EQ(fewer.exit_code, 3);
  EXPECT_THAT(fewer.output, HasSubstr("peers: was 'llama.cpp, a-fork', is 'llama.cpp'"));
}

TEST_F(BenchTest, APeerWithoutAWayToContextIsLeftOutOfThoseRows) {
  const Finished run =
      RunProgram("bench --rows decode@4,decode@0 --quick" + WithPeer() + " --peer-env FAKE=old");
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("left out: decode@4 of llama.cpp: its llama-bench has no"));
  EXPECT_THAT(run.output, HasSubstr("| 2.50 tokens/s |"));
}

TEST_F(BenchTest, PeersThatCannotBeToldApartAreRefused) {
  const auto refused = [&](const std::string& arguments, int exit_code, const std::string& why) {
    const Finished run = RunProgram("bench" + arguments);
    EXPECT_EQ(run.exit_code, exit_code) << run.output;
    EXPECT_THAT(run.output, HasSubstr(why));
  };
  refused(WithPeer() + " --peer other", 3, "two peers are called 'llama.cpp'");
  refused(WithPeer() + " --peer-name 'a|b'", 3, "--peer-name: 'a|b'");
  refused(WithPeer() + " --peer-name minicpmv", 3, "not 'minicpmv'");
  refused(WithPeer() + " --peer-name a --peer-name b", 2, "twice for one --peer");
  refused(WithPeer() + " --peer-options fast=1", 3, "expected picture=WORDS");
  refused(WithPeer() + " --peer-options \"decode=-x 'y\"", 3, "--peer-options: decode");
}

TEST_F(BenchTest, ThePeerMaySeeTheFilesElsewhere) {
  fs::create_directory_symlink(Path("model"), Path("elsewhere"));
  const auto json =
      Json("--rows encode@view --quick" + WithPeer() + " --peer-path " + Path("elsewhere"));
  EXPECT_EQ(RowOf(json, "encode@view")["peers"]["llama.cpp"]["median"], 0.7);
  EXPECT_THAT(Read("calls"), HasSubstr("-m " + Path("elsewhere/llm-f16.gguf")));
  EXPECT_THAT(Read("calls"), HasSubstr("--image " + Path("elsewhere/minicpmv-bench-")));
  const Finished wrong =
      RunProgram("bench --rows prefill@8 --quick" + WithPeer() + " --peer-path /nowhere");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.output, HasSubstr("cannot see /nowhere/llm-f16.gguf"));
  EXPECT_THAT(wrong.output, HasSubstr("--peer-path"));
}

TEST_F(BenchTest, APeerThatFailsIsToldAndWhatThereIsPrinted) {
  const auto run = [&](const std::string& fake) {
    return RunProgram("bench --rows prefill@8 --quick --timeout 2" + WithPeer() +
                      " --peer-env FAKE=" + fake);
  };
  const Finished broken = run("broken");
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_THAT(broken.output, HasSubstr("exit status 5"));
  EXPECT_THAT(broken.output, HasSubstr("out of luck"));
  EXPECT_THAT(broken.output, HasSubstr("| prefill, 8 tokens |"));
  const Finished dumb = run("dumb");
  EXPECT_EQ(dumb.exit_code, 3);
  EXPECT_THAT(dumb.output, HasSubstr("no numbers today"));
  const Finished slow = run("slow");
  EXPECT_EQ(slow.exit_code, 1);
  EXPECT_THAT(slow.output, HasSubstr("did not end in 2 s"));
}

TEST_F(BenchTest, AMissingPeerIsFoundBeforeAnythingIsMeasured) {
  const Finished missing = RunProgram("bench" + Model() + " --peer /no/such/folder/env");
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.output, HasSubstr("/no/such/folder/env"));
  EXPECT_THAT(missing.output, HasSubstr("docs/howto/measure.md"));
  EXPECT_THAT(missing.output, Not(HasSubstr("| what |")));
  const Finished mute = RunProgram("bench" + Model() + " --peer true");
  EXPECT_EQ(mute.exit_code, 1);
  EXPECT_THAT(mute.output, HasSubstr("does not tell its version"));
  const Finished built_in = RunProgram("bench --peer true");
  EXPECT_EQ(built_in.exit_code, 3);
  EXPECT_THAT(built_in.output, HasSubstr("--model"));
}

TEST_F(BenchTest, AnotherBackendThanAskedForIsRefused) {
  const Finished missing = RunProgram("bench" + WithPeer() + " --peer-backend /no/such.so");
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.output, HasSubstr("/no/such.so"));
  std::ofstream(Path("libggml-cpu-haswell.so")) << "x";
  const Finished other =
      RunProgram("bench" + WithPeer() + " --peer-backend " + Path("libggml-cpu-haswell.so"));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.output, HasSubstr("loaded libggml-cpu-fake.so"));
}

TEST_F(BenchTest, ResultsAreWrittenAndGoneOnWith) {
  const std::string command = "bench --rows prefill@8 --output " + Path("out") + Model();
  const Finished first = RunProgram(command + " --quick");
  ASSERT_EQ(first.exit_code, 0) << first.output;
  EXPECT_THAT(Read("out/results.md"), HasSubstr("| prefill, 8 tokens |"));
  EXPECT_THAT(Read("out/results.svg"), HasSubstr("</svg>"));
  const Finished again = RunProgram(command);
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.output, HasSubstr("--resume"));
  const Finished resumed = RunProgram(command + " --quick --decode-tokens 8 --rounds 3 --resume");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  const auto json = nlohmann::json::parse(Read("out/results.json"));
  const auto values = RowOf(json, "prefill@8")["minicpmv"]["values"];
  EXPECT_EQ(values.size(), 3u);
  const Finished other = RunProgram(command + " --resume --decode-tokens 5");
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.output, HasSubstr("decode_tokens: was '8', is '5'"));
  std::ofstream(Path("out/results.json")) << "{";
  EXPECT_EQ(RunProgram(command + " --resume").exit_code, 3);
}

// The shipped model, whose answers are certain enough for rounding not to matter: every step runs
// as it says, and all of them say the same.
TEST_F(BenchTest, EveryStepOfTheLadderRunsAsItSaysAndAnswersTheSame) {
  const std::string command = "bench --ladder --tuning off --output " + Path("out") +
                              " --model " MCV_TESTDATA "/../models/nano/llm-q8_0.gguf";
  const Finished run = RunProgram(command);
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("answers: all 5 steps gave the same"));
  const auto json = nlohmann::json::parse(Read("out/results.json"));
  const auto& steps = json["steps"];
  ASSERT_EQ(steps.size(), 5u);
  const auto setup = [&](size_t step) {
    return steps[step]["runs"][0]["setup"].get<std::string>();
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(steps[i]["title"]);
    const auto& measured = steps[i]["runs"][0];
    EXPECT_GT(measured["answer"].size(), 1u);
    EXPECT_EQ(measured["answer"], steps[0]["runs"][0]["answer"]);
    EXPECT_GT(measured["own_bytes"], 0u);
    for (const char* name : {"encode", "first token", "prefill", "decode", "memory"}) {
      EXPECT_GT(steps[i]["measures"][name]["median"], 0.0) << name;
    }
    EXPECT_EQ(setup(i).starts_with("portable kernels"), i < 2 || setup(4).starts_with("portable"));
    EXPECT_THAT(setup(i), HasSubstr(i == 0 ? "files in memory" : "files mapped"));
    EXPECT_THAT(setup(i), HasSubstr(i < 4 ? "encoder exact" : "encoder fast"));
    EXPECT_THAT(setup(i), HasSubstr(i < 3 ? "asked for: encode 4 threads" : "threads default"));
  }
  EXPECT_THAT(Read("out/results.svg"), HasSubstr("</svg>"));
  EXPECT_THAT(Read("out/results.md"), HasSubstr("| + encoder |"));

  // Nothing is measured again.
  EXPECT_EQ(RunProgram(command).exit_code, 3);
  EXPECT_EQ(RunProgram(command + " --resume").exit_code, 0);
  EXPECT_EQ(nlohmann::json::parse(Read("out/results.json"))["steps"], steps);
  const Finished other = RunProgram(command + " --resume --decode-tokens 5");
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.output, HasSubstr("decode_tokens: was '8', is '5'"));
}

TEST_F(BenchTest, TheLadderNeedsAnEncoderAndItsOwnOptions) {
  fs::remove(Path("model/mmproj-f16.gguf"));
  const Finished blind = RunProgram("bench --ladder --model " + Path("model/llm-f16.gguf"));
  EXPECT_EQ(blind.exit_code, 3);
  EXPECT_THAT(blind.output, HasSubstr("without an encoder"));
  for (const char* option : {"--threads 2", "--rows load", "--quick", "--numerics exact"}) {
    EXPECT_EQ(RunProgram("bench --ladder " + std::string(option)).exit_code, 2) << option;
  }
  const Finished unmapped = RunProgram("bench --no-mmap" + Model());
  EXPECT_EQ(unmapped.exit_code, 2);
  EXPECT_THAT(unmapped.output, HasSubstr("--ladder shows"));
}

TEST_F(BenchTest, AFolderThatCannotBeWrittenIsNamed) {
  const Finished output =
      RunProgram("bench --rows prefill@8 --quick --output /dev/null/out" + Model());
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.output, HasSubstr("/dev/null/out"));
  const Finished pictures =
      RunProgram("bench --rows encode@view --pictures /no/such/folder" + Model());
  EXPECT_EQ(pictures.exit_code, 1);
  EXPECT_THAT(pictures.output, HasSubstr("--pictures"));
}

TEST_F(BenchTest, UsageErrors) {
  EXPECT_EQ(RunProgram("bench --rounds 0").exit_code, 2);
  EXPECT_EQ(RunProgram("bench --timeout 0").exit_code, 2);
  EXPECT_EQ(RunProgram("bench --resume").exit_code, 2);
  EXPECT_EQ(RunProgram("bench --peer-path /x").exit_code, 2);
  EXPECT_EQ(RunProgram("bench --peer-env A=1").exit_code, 2);
  const Finished rows = RunProgram("bench --rows fly" + Model());
  EXPECT_EQ(rows.exit_code, 3);
  EXPECT_THAT(rows.output, HasSubstr("'fly' is no row"));
  EXPECT_EQ(RunProgram("bench --peer-env NOVALUE" + WithPeer()).exit_code, 3);
  EXPECT_EQ(RunProgram("bench --sample moon" + Model()).exit_code, 3);
  EXPECT_THAT(RunProgram("bench --help").output, Not(HasSubstr("--sample")));
}

// Ctrl-C while the peer runs: it is gone, what there is is printed.
TEST_F(BenchTest, AnInterruptPrintsWhatThereIs) {
  const Finished run = RunShell(
      MCV_PROGRAM " bench --rows prefill@8 --quick" + WithPeer() + " --peer-env FAKE=slow >" +
      Path("said") + " 2>&1 & program=$!; i=0; while ! grep -q 'p 8' " + Path("calls") +
      " 2>/dev/null && [ $i -lt 600 ]; do sleep 0.05; i=$((i + 1)); done; "
      "kill -TERM $program; wait $program");
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(Read("said"), HasSubstr("| prefill, 8 tokens |"));
}

}  // namespace
}  // namespace mcv
