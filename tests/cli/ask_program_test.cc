// What `minicpmv ask` makes of its command line, its streams and its surroundings.
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
using ::testing::MatchesRegex;
using ::testing::Not;

class AskProgramTest : public ::testing::Test {
 protected:
  AskProgramTest() {
    fs::copy_file(MCV_TESTDATA "/goldens/images/img_40x30.png", folder_ / "pic.png");
    picture_ = (folder_ / "pic.png").string();
  }

  // `words` with "P" for the picture; standard output alone, as JSON.
  nlohmann::json Json(const std::string& words, const std::string& before = "") {
    const Finished run = RunShell(before + Line("--json " + words) + " 2>/dev/null");
    return nlohmann::json::parse(run.output, nullptr, false);
  }
  // Both streams.
  Finished Ask(const std::string& words) { return RunShell(Line(words) + " 2>&1"); }

  std::string Line(std::string words, const std::string& tokens = "2") {
    for (size_t at; (at = words.find('@')) != std::string::npos;) words.replace(at, 1, picture_);
    return MCV_PROGRAM " ask -n " + tokens +
           " -t 1 --model " MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf " + words;
  }
  // How many pictures went with the question, and how many tokens all of it was.
  void ExpectSame(const nlohmann::json& json, const nlohmann::json& want) {
    ASSERT_TRUE(json.contains("answer")) << json;
    EXPECT_EQ(json["pictures"].size(), want["pictures"].size());
    EXPECT_EQ(json["stats"]["prompt_tokens"], want["stats"]["prompt_tokens"]);
    EXPECT_EQ(json["ids"], want["ids"]);
  }
  TestFolder folder_{"ask_program_test"};
  std::string picture_;
};

TEST_F(AskProgramTest, AnOptionTakesOneValueWhereverItStands) {
  const auto want = Json("@ 'What is it?'");
  for (const char* words :
       {"--stop zzz @ 'What is it?'", "@ --stop zzz 'What is it?'", "@ --stop=zzz 'What is it?'",
        "--stop zzz --stop yyy @ 'What is it?'", "@ 'What is it?' --stop zzz",
        "--stop= @ 'What is it?'", "--image @ 'What is it?'", "--image @ -p 'What is it?'",
        "-p 'What is it?' @", "-p'What is it?' @", "--stop zzz -- @ 'What is it?'",
        "@ -- 'What is it?'", "-- @ 'What is it?'", "@ --prompt='What is it?'"}) {
    SCOPED_TRACE(words);
    ExpectSame(Json(words), want);
  }
}

TEST_F(AskProgramTest, QuestionsMayLookLikeSomethingElse) {
  for (const char* question : {"-- -5", "'- what is it?'", "'--really? why'", "-- --json", "chat",
                               "'[a,b]'", "'{a}'", "++", "'-n is what?'", "-- -h"}) {
    const Finished run =
        Ask(std::string(question) == "-- --json" ? "@ -- --json" : "@ " + std::string(question));
    EXPECT_EQ(run.exit_code, 0) << question << run.output;
  }
  const auto brackets = Json("@ '[a,b]'");
  EXPECT_EQ(brackets["pictures"].size(), 1u);
}

TEST_F(AskProgramTest, AMissingQuestionIsAUsageErrorThatShowsTheForm) {
  fs::copy_file(picture_, folder_ / "two.png");
  const std::string two = (folder_ / "two.png").string();
  for (const std::string& words :
       {std::string("@"), "@ " + two, std::string("'What is it?' @"), std::string("a.png b.jpg"),
        std::string("nowhere.jpeg"), std::string("--image @"), std::string("@ -- @")}) {
    const Finished run = Ask(words);
    EXPECT_EQ(run.exit_code, 2) << words << run.output;
    EXPECT_THAT(run.output, HasSubstr("minicpmv ask ")) << words;
  }
  EXPECT_THAT(Ask("'What is it?' @").output,
              HasSubstr("minicpmv ask " + picture_ + " 'What is it?'"));
  EXPECT_EQ(Ask("-p @").exit_code, 0);  // asked for in so many words
}

TEST_F(AskProgramTest, QuestionsFromFiles) {
  const auto want = Json("@ 'What is it?'");
  const std::string file = (folder_ / "question.txt").string();
  for (const char* text : {"What is it?", "What is it?\n", "\xef\xbb\xbfWhat is it?\r\n"}) {
    std::ofstream(file, std::ios::binary) << text;
    ExpectSame(Json("@ -f " + file), want);
    ExpectSame(Json("@ --file=" + file), want);
    ExpectSame(Json("@ -", "cat " + file + " | "), want);
    ExpectSame(Json("@ -f -", "cat " + file + " | "), want);
  }
  EXPECT_EQ(Ask("@ -f /no/such.txt").exit_code, 3);
  EXPECT_EQ(Ask("@ -f " + file + " -p why").exit_code, 2);
}

TEST_F(AskProgramTest, PicturesFromPipes) {
  const auto want = Json("@ 'What is it?'");
  const std::string cat = "cat " + picture_ + " | ";
  ExpectSame(Json("- 'What is it?'", cat), want);
  ExpectSame(Json("/dev/stdin 'What is it?'", cat), want);
  ExpectSame(Json("--image - -p 'What is it?'", cat), want);
  ExpectSame(Json("- 'What is it?' --memory-limit 4G", cat), want);
  ExpectSame(Json("/dev/stdin 'What is it?' < " + picture_), want);
  const Finished named = RunShell("bash -c '" + Line("<(cat @) why --json") + "' 2>/dev/null");
  EXPECT_EQ(nlohmann::json::parse(named.output)["pictures"].size(), 1u);
  EXPECT_EQ(Ask("- - < /dev/null").exit_code, 2);
  EXPECT_EQ(Ask("- hi < /dev/null").exit_code, 3);
  EXPECT_THAT(RunShell("head -c 100 " + picture_ + " | " + Line("- hi") + " 2>&1").output,
              HasSubstr("standard input"));
  EXPECT_THAT(Ask("https://example.org/a.png why").output, HasSubstr("curl"));
}

TEST_F(AskProgramTest, MistakesAreNamed) {
  const auto says = [&](const std::string& words, const char* part) {
    const Finished run = RunShell(MCV_PROGRAM " " + words + " 2>&1");
    EXPECT_EQ(run.exit_code, 2) << words << run.output;
    EXPECT_THAT(run.output, HasSubstr(part)) << words;
  };
  says("aks x", "did you mean minicpmv ask?");
  says("chta", "did you mean minicpmv chat?");
  says("wonder x", "ask, chat,");
  says(picture_, "minicpmv ask ");
  says("ask x --temp 1", "did you mean --temperature?");
  says("ask x -c 2048", "did you mean --ctx?");
  says("ask x --max_tokens 3", "did you mean --max-tokens?");
  says("ask x --ctx 4x", "expected 16 to 1048576 positions");
  says("ask x --ctx 8", "expected 16 to 1048576 positions");
  says("ask x --top-p 0", "above 0, up to 1");
  says("ask x --top-p 0,5", "above 0, up to 1");
  says("ask x --seed 1.5", "--seed: '1.5' is no seed");
  says("ask x --stop", "--stop needs a value");
  says("ask x -n 1 --max-tokens 2", "--max-tokens is given twice");
}

TEST_F(AskProgramTest, ContextsInThousands) {
  EXPECT_EQ(Json("hi --ctx 2k")["stats"]["context_length"], 2048);
  EXPECT_EQ(Json("hi --ctx 1024")["stats"]["context_length"], 1024);
}

TEST_F(AskProgramTest, ErrorsForProgramsAreObjects) {
  const auto error = [&](const std::string& words) {
    const Finished run = RunShell(MCV_PROGRAM " " + words + " --json 2>&1");
    const auto json = nlohmann::json::parse(run.output, nullptr, false);
    EXPECT_TRUE(json.contains("error")) << run.output;
    EXPECT_EQ(json["error"]["exit_status"], run.exit_code);
    EXPECT_FALSE(json["error"]["message"].get<std::string>().empty());
    return json["error"]["code"].get<std::string>();
  };
  EXPECT_EQ(error("ask nowhere.png hi"), "not_found");
  EXPECT_EQ(error("ask hi --model /no/such.gguf"), "not_found");
  EXPECT_EQ(error("ask hi --wings"), "usage");
  EXPECT_EQ(error("ask " + picture_), "usage");
  EXPECT_EQ(error("ask hi --top-p 7"), "usage");
  EXPECT_EQ(error("plan nowhere.png"), "not_found");
  EXPECT_EQ(error("inspect /no/such.gguf"), "not_found");
  EXPECT_EQ(error("aks"), "usage");
}

TEST_F(AskProgramTest, SamplingIsRandomUnlessASeedIsNamed) {
  const auto first = Json("hi --sample");
  const auto second = Json("hi --sample --seed -1");
  EXPECT_NE(first["seed"], second["seed"]);
  const std::string seed = std::to_string(first["seed"].get<uint64_t>());
  EXPECT_EQ(Json("hi --sample --seed " + seed)["ids"], first["ids"]);
  EXPECT_FALSE(Json("hi").contains("seed"));
  EXPECT_THAT(Ask("hi --sample").output, HasSubstr("--seed "));
  EXPECT_THAT(Ask("hi --temperature 0.5").output, HasSubstr("--seed "));
  EXPECT_THAT(Ask("hi --sample --seed 3").output, Not(HasSubstr("--seed ")));
  EXPECT_EQ(Json("hi --sample --seed 18446744073709551615")["seed"], UINT64_MAX);
}

TEST_F(AskProgramTest, OptionsWithoutEffectAreTold) {
  for (const char* options : {"--seed 3", "--top-k 3", "--beams 2 --sample",
                              "--temperature 0 --top-p 0.5", "--text-only --max-slices 2",
                              "--picture-cache off --picture-cache-size 1G", "--tuning off"}) {
    EXPECT_THAT(Ask("hi " + std::string(options)).output, HasSubstr("has no effect")) << options;
  }
  EXPECT_THAT(Ask("hi --sample --seed 3 --top-k 3").output, Not(HasSubstr("no effect")));
  EXPECT_EQ(Json("hi --seed 3")["notes"].size(), 1u);
}

TEST_F(AskProgramTest, TheTildeIsTheHomeFolder) {
  const std::string home = "cd /; HOME='" + folder_.string() + "' ";
  const auto run = [&](const std::string& words) { return RunShell(home + Line(words) + " 2>&1"); };
  EXPECT_EQ(run("'~/pic.png' why").exit_code, 0);
  EXPECT_EQ(run("--image='~/pic.png' -p why").exit_code, 0);
  EXPECT_EQ(run("@ why --picture-cache='~/rows'").exit_code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "rows/pictures.sqlite"));
  EXPECT_EQ(RunShell(home + "MCV_CACHE_DIR='~/more' " + Line("@ why") + " 2>&1").exit_code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "more/pictures.sqlite"));
  EXPECT_EQ(RunShell(home + MCV_PROGRAM " plan '~/pic.png' 2>&1").exit_code, 0);
  const Finished model = RunShell(home + MCV_PROGRAM " inspect '~/none.gguf' 2>&1");
  EXPECT_THAT(model.output, HasSubstr((folder_ / "none.gguf").string()));
}

TEST_F(AskProgramTest, OffInAnyCase) {
  const std::string here = "cd '" + folder_.string() + "'; ";
  for (const char* off : {"OFF", "Off", "off"}) {
    const std::string options = std::string(" --picture-cache ") + off + " --tuning " + off;
    EXPECT_EQ(RunShell(here + Line("@ why" + options) + " 2>&1").exit_code, 0);
    EXPECT_EQ(RunShell(here + "MCV_CACHE_DIR=" + off + " " + Line("@ why") + " 2>&1").exit_code, 0);
    EXPECT_FALSE(fs::exists(folder_ / off));
  }
}

TEST_F(AskProgramTest, AnAnswerThatNobodyReadsStops) {
  const Finished run = RunShell("{ " + Line("hi --stats", "200") + " > /dev/full; } 2>&1");
  EXPECT_THAT(run.output, MatchesRegex("(.|\n)*answer +[1-9] tokens(.|\n)*"));
  EXPECT_THAT(run.output, HasSubstr("cannot write"));
}

TEST_F(AskProgramTest, AnAnswerThatIsCutOffSaysSo) {
  EXPECT_THAT(Ask("hi").output, HasSubstr("cut off after 2 tokens"));
}

TEST_F(AskProgramTest, RefusedPicturesComeWithAWayToConvertThem) {
  const auto of = [&](const char* name, const std::string& contents) {
    std::ofstream(folder_ / name, std::ios::binary) << contents;
    return Ask((folder_ / name).string() + " why").output;
  };
  EXPECT_THAT(of("a.gif", "GIF89a\1\0\1\0"), HasSubstr("magick"));
  EXPECT_THAT(of("a.heic", std::string("\0\0\0\x18"
                                       "ftypheic....",
                                       16)),
              HasSubstr("heif-convert"));
  EXPECT_THAT(of("a.bmp", "BM" + std::string(12, '\0') + std::string("\x28\0\0\0", 4)),
              HasSubstr("magick"));
  EXPECT_THAT(of("a.txt", "Dear reader"), Not(HasSubstr("convert")));
}

// In another process: nothing of the first question is encoded or read again.
TEST_F(AskProgramTest, ASessionGoesOnInANewProcess) {
  const std::string file = (folder_ / "talk.session").string();
  const nlohmann::json first = Json("--session " + file + " --picture-cache off @ 'What is it?'");
  ASSERT_TRUE(first.contains("answer")) << first;
  const nlohmann::json second = Json("--session " + file + " --picture-cache off @ 'And now?'");
  ASSERT_TRUE(second.contains("answer")) << second;
  const auto& stats = second["stats"];
  EXPECT_GE(stats["reused_tokens"], first["stats"]["prompt_tokens"]);
  EXPECT_EQ(second["pictures"][0]["encode_seconds"], 0.0) << second["pictures"];
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);

  std::ofstream(file, std::ios::binary | std::ios::in) << "damage";
  const Finished damaged = Ask("--session " + file + " 'Still there?'");
  EXPECT_EQ(damaged.exit_code, 3);
  EXPECT_THAT(damaged.output, HasSubstr("talk.session"));
}

}  // namespace
}  // namespace mcv
