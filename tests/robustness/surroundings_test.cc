// The program on a machine that refuses: a full disk, no permission, a folder or a device where a
// file should be. Each is named, the exit status says which kind, nothing half-written stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/run_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string Data(const std::string& path) { return std::string(MCV_TESTDATA "/goldens/") + path; }

class SurroundingsTest : public ::testing::Test {
 protected:
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all, fs::perm_options::add);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& contents) {
    std::ofstream(Path(name), std::ios::binary) << contents;
    return Path(name);
  }
  size_t FilesIn(const fs::path& folder) {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
  }
  static std::string Model() { return " -m " + Data("models/v25_tiny/gguf/llm-f16.gguf"); }
  TestFolder folder_{"surroundings_test"};
};

// --- a full disk ---

TEST_F(SurroundingsTest, AnswersThatCannotBeWrittenFail) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  for (const std::string& arguments :
       {"ask Hi -n 1" + Model(), "ask Hi -n 1 --json" + Model(),
        "inspect " + Data("models/v25_tiny/gguf/llm-f16.gguf"),
        "parity --run v25_tiny.Q4_K_M " + Data(""), std::string("--help")}) {
    SCOPED_TRACE(arguments);
    const Finished run =
        RunShell(MCV_PROGRAM " " + arguments + " 2>" + Path("errors") + " >/dev/full");
    std::ifstream errors(Path("errors"));
    const std::string told{std::istreambuf_iterator<char>(errors), {}};
    EXPECT_EQ(run.exit_code, 4) << told;
    EXPECT_THAT(told, HasSubstr("No space left"));
  }
}

TEST_F(SurroundingsTest, AConversationThatDoesNotFitOnTheDiskLeavesNothing) {
  // A limit on the size of files stands for the disk; without the trap its signal would kill.
  const Finished run = RunShell("trap '' XFSZ; printf 'Hi\\n/save " + Path("talk.md") +
                                "\\n/quit\\n' | (ulimit -f 0; exec " MCV_PROGRAM " chat -n 1" +
                                Model() + " 2>&1) | cat");
  EXPECT_THAT(run.output, HasSubstr(Path("talk.md")));
  EXPECT_THAT(run.output, HasSubstr("nothing was left behind"));
  EXPECT_EQ(FilesIn(folder_), 0u);
}

// --- the wrong kind of file ---

TEST_F(SurroundingsTest, ConversationsAreNotSavedOverFoldersAndDevices) {
  fs::create_directory(Path("talks"));
  fs::create_symlink("/dev/null", Path("device"));
  const auto save = [&](const std::string& name) {
    return RunProgram("chat -n 1" + Model(), "Hi\n/save " + Path(name) + "\n/quit\n");
  };
  const Finished folder = save("talks");
  EXPECT_EQ(folder.exit_code, 1);
  EXPECT_THAT(folder.output, HasSubstr(Path("talks") + ": is a folder"));
  const Finished device = save("device");
  EXPECT_EQ(device.exit_code, 1);
  EXPECT_THAT(device.output, HasSubstr("is not a regular file"));
  EXPECT_EQ(FilesIn(folder_), 2u);
  EXPECT_TRUE(fs::is_symlink(Path("device")));
}

TEST_F(SurroundingsTest, DevicesAreNotRead) {
  for (const char* device : {"/dev/null", "/dev/zero"}) {
    if (!fs::exists(device)) continue;
    const std::string name = device;
    for (const std::string& arguments :
         {"ask " + name + " Hi -n 1" + Model(), "ask Hi -m " + name, "inspect " + name}) {
      const Finished run = RunProgram(arguments);
      EXPECT_EQ(run.exit_code, 3) << arguments;
      EXPECT_THAT(run.output, HasSubstr(name)) << arguments;
    }
  }
}

TEST_F(SurroundingsTest, FoldersAndFilesAreNotMixedUp) {
  const std::string file = Write("file", "text");
  fs::create_directory(Path("empty"));
  for (const std::string& path : {file, Path("empty"), Path("nowhere")}) {
    for (const std::string& arguments :
         {"inspect " + path, "ask Hi -m " + path, "ask Hi" + Model() + " --mmproj " + path}) {
      const Finished run = RunProgram(arguments);
      EXPECT_EQ(run.exit_code, 3) << arguments << "\n" << run.output;
      EXPECT_THAT(run.output, HasSubstr(path)) << arguments;
    }
  }
  EXPECT_EQ(RunProgram("parity " + file).exit_code, 3);
  EXPECT_EQ(RunProgram("parity " + Path("nowhere")).exit_code, 3);
  // A folder with nothing to compare is not a success.
  EXPECT_EQ(RunProgram("parity " + Path("empty")).exit_code, 1);
}

// --- no permission ---

// Root may read everything: then the program runs as nobody.
class PermissionTest : public SurroundingsTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) return;
    if (RunShell("command -v setpriv >/dev/null").exit_code != 0) {
      GTEST_SKIP() << "root may do everything, and setpriv (util-linux) is not here";
    }
    as_nobody_ = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
    // The build folder may be closed to others; the test's own is open.
    fs::copy_file(MCV_PROGRAM, Path("minicpmv"));
    for (const char* name : {"llm-f16.gguf", "mmproj-f16.gguf"}) {
      fs::copy_file(Data("models/v25_tiny/gguf/" + std::string(name)), Path(name));
      fs::permissions(Path(name), fs::perms{0644});
    }
    fs::permissions(Path("minicpmv"), fs::perms{0755});
    fs::permissions(folder_, fs::perms{0755});
    program_ = Path("minicpmv");
    model_ = " -m " + Path("llm-f16.gguf");
  }
  Finished Run(const std::string& arguments, const std::string& input = "") {
    return RunShell("printf '" + input + "' | " + as_nobody_ + program_ + " " + arguments +
                    " 2>&1");
  }
  std::string as_nobody_;
  std::string program_ = MCV_PROGRAM;
  std::string model_ = Model();
};

TEST_F(PermissionTest, TheProgramRunsForAnyone) {
  const Finished run = Run("ask Hi -n 1" + model_);
  EXPECT_EQ(run.exit_code, 0) << run.output;
}

TEST_F(PermissionTest, ClosedFilesAreNamed) {
  const std::string closed = Write("closed", "secret");
  fs::permissions(closed, fs::perms::none);
  for (const std::string& arguments :
       {"ask " + closed + " Hi -n 1" + model_, "ask Hi -m " + closed, "inspect " + closed}) {
    const Finished run = Run(arguments);
    EXPECT_THAT(run.exit_code, AnyOf(1, 3)) << arguments << "\n" << run.output;
    EXPECT_THAT(run.output, HasSubstr(closed + ":")) << arguments;
    EXPECT_THAT(run.output, HasSubstr("Permission denied")) << arguments;
  }
}

TEST_F(PermissionTest, ClosedFoldersAreNamed) {
  const std::string closed = Path("talks");
  fs::create_directory(closed);
  fs::permissions(closed, fs::perms{0555});
  const Finished save = Run("chat -n 1" + model_, "Hi\\n/save " + closed + "/talk.md\\n/quit\\n");
  EXPECT_EQ(save.exit_code, 1);
  EXPECT_THAT(save.output, HasSubstr(closed + "/talk.md: cannot create the file: Permission"));
  EXPECT_EQ(FilesIn(closed), 0u);
  fs::permissions(closed, fs::perms::none);
  for (const std::string& arguments :
       {"ask Hi -m " + closed, "inspect " + closed, "parity " + closed,
        "ask " + closed + "/a.png Hi" + model_}) {
    const Finished run = Run(arguments);
    EXPECT_THAT(run.exit_code, AnyOf(1, 3)) << arguments << "\n" << run.output;
    EXPECT_THAT(run.output, HasSubstr(closed)) << arguments;
  }
  fs::permissions(closed, fs::perms{0755});
}

TEST_F(PermissionTest, AClosedCacheFolderIsDoneWithout) {
  fs::copy_file(Data("images/img_40x30.png"), Path("picture.png"));
  fs::permissions(Path("picture.png"), fs::perms{0644});
  const std::string command = "ask " + Path("picture.png") + " Hi -n 2" + model_;
  const Finished without = Run(command + " --picture-cache off");
  ASSERT_EQ(without.exit_code, 0) << without.output;
  const std::string closed = Path("cache");
  fs::create_directory(closed);
  for (const fs::perms rights : {fs::perms{0555}, fs::perms::none}) {
    fs::permissions(closed, rights);
    for (const std::string& folder : {closed, closed + "/inside"}) {
      const Finished run = Run(command + " --picture-cache " + folder);
      EXPECT_EQ(run.exit_code, 0) << run.output;
      EXPECT_THAT(run.output, HasSubstr(without.output));
      EXPECT_THAT(run.output, HasSubstr("picture cache: " + folder));
      EXPECT_THAT(run.output, HasSubstr("Permission denied"));
    }
  }
  fs::permissions(closed, fs::perms{0755});
  EXPECT_EQ(FilesIn(closed), 0u);
}

}  // namespace
}  // namespace mcv
