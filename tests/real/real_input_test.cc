// Real input from a file to an answer: photographs and wallpapers of Debian's packages, pages
// rendered from PDF, the sizes at the edges of the slicing rule. A picture is answered about, with
// the size and the views that the plan says, or refused with a line that names it.
//
// The model is the tiny one of testdata, whose answers mean nothing. MCV_REAL_MODEL puts any other
// in its place, the full 2.5 shape for instance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "family/model_files.h"
#include "family/vision/resize.h"
#include "family/vision/slicing.h"
#include "formats/image/image.h"
#include "tests/support/run_program.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kPhotographs[] = "/usr/lib/python3/dist-packages/skimage/data";
constexpr char kWallpapers[] = "/usr/share/backgrounds/gnome";

std::string ModelPath() {
  const char* named = std::getenv("MCV_REAL_MODEL");
  return named != nullptr ? named : MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf";
}

// Files with one of these endings, sorted; none if the folder is absent.
std::vector<std::string> FilesWithEndings(const fs::path& folder,
                                          const std::vector<std::string>& endings) {
  std::vector<std::string> paths;
  if (!fs::is_directory(folder)) return paths;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string ending = entry.path().extension().string();
    if (std::find(endings.begin(), endings.end(), ending) != endings.end()) {
      paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool HasProgram(const std::string& name) {
  return RunShell("command -v " + name + " >/dev/null").exit_code == 0;
}

class RealInputTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  static const SliceConfig& Slicing() {
    static const SliceConfig config = [] {
      auto files = ModelFiles::Open(ModelPath());
      EXPECT_TRUE(files.ok()) << files.status().ToString();
      return files.ok() ? files->config().slicing : SliceConfig();
    }();
    return config;
  }

  static Finished Ask(const std::string& path) {
    // Standard error apart: a note about the picture is not part of the JSON.
    return RunShell(MCV_PROGRAM " ask '" + path + "' 'What is in the picture?' --json -n 2 -m '" +
                    ModelPath() + "'");
  }

  // The answer's account of the picture agrees with the file's header and the slicing plan.
  static void ExpectAnswered(const std::string& path, int width, int height) {
    SCOPED_TRACE(path);
    const Finished run = Ask(path);
    ASSERT_EQ(run.exit_code, 0);
    const auto json = nlohmann::json::parse(run.output, nullptr, /*allow_exceptions=*/false);
    ASSERT_FALSE(json.is_discarded()) << run.output;
    const auto& picture = json["pictures"].at(0);
    EXPECT_EQ(picture["width"], width);
    EXPECT_EQ(picture["height"], height);
    EXPECT_EQ(picture["views"], PlanSlices(width, height, Slicing()).num_views());
    EXPECT_GE(json["stats"]["prompt_tokens"], picture["rows"]);
    EXPECT_FALSE(json["ids"].empty());
  }

  static void ExpectAnswered(const std::string& path) {
    const std::string bytes = ReadBytes(path);
    const auto info = ReadImageInfo(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(info.ok()) << path << ": " << info.status().ToString();
    const bool on_its_side = info->orientation >= 5;  // EXIF 5 to 8 swap the sides
    ExpectAnswered(path, on_its_side ? info->height : info->width,
                   on_its_side ? info->width : info->height);
  }

  static void ExpectRefused(const std::string& path, const std::string& reason) {
    SCOPED_TRACE(path);
    const Finished run = RunProgram("ask '" + path + "' 'What?' -n 1 -m '" + ModelPath() + "'");
    EXPECT_EQ(run.exit_code, 3);
    EXPECT_THAT(run.output, HasSubstr(path));
    EXPECT_THAT(run.output, HasSubstr(reason));
  }

  static std::string ReadBytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TestFolder folder_{"real_input_test"};
};

TEST_F(RealInputTest, Photographs) {
  const auto paths = FilesWithEndings(kPhotographs, {".png", ".jpg"});
  if (paths.empty()) GTEST_SKIP() << "no sample photographs here: install python3-skimage";
  for (const std::string& path : paths) {
    // A JPEG of 400 bytes, cut within its header, is among them.
    if (path.ends_with("/truncated.jpg")) {
      ExpectRefused(path, "JPEG");
    } else {
      ExpectAnswered(path);
    }
  }
}

TEST_F(RealInputTest, Wallpapers) {
  const auto paths = FilesWithEndings(kWallpapers, {".webp"});
  if (paths.empty()) GTEST_SKIP() << "no wallpapers here: install gnome-backgrounds";
  for (const std::string& path : paths) ExpectAnswered(path);
}

TEST_F(RealInputTest, OtherFormatsAreRefusedByName) {
  const auto tiffs = FilesWithEndings(kPhotographs, {".tif"});
  const auto gifs = FilesWithEndings(kPhotographs, {".gif"});
  const auto drawings = FilesWithEndings(kWallpapers, {".svg"});
  if (tiffs.empty() || drawings.empty()) {
    GTEST_SKIP() << "no such files here: install python3-skimage and gnome-backgrounds";
  }
  for (const std::string& path : tiffs) ExpectRefused(path, "TIFF");
  for (const std::string& path : gifs) ExpectRefused(path, "GIF");
  for (const std::string& path : drawings) ExpectRefused(path, "SVG");
}

// A page with a heading, columns of small print and a table's lines.
std::string PageAsSvg() {
  std::string svg =
      "<svg xmlns='http://www.w3.org/2000/svg' width='595' height='842'>"
      "<rect width='595' height='842' fill='white'/>"
      "<text x='50' y='80' font-family='serif' font-size='28'>Report of the harbour</text>";
  for (int line = 0; line < 40; ++line) {
    const std::string y = std::to_string(120 + 15 * line);
    svg += "<text x='50' y='" + y + "' font-family='sans-serif' font-size='10'>Ship " +
           std::to_string(line + 1) + " left at " + std::to_string(100 + 7 * line) +
           " and came back with salt, rope and letters.</text>";
    svg += "<line x1='50' x2='545' y1='" + y + "' y2='" + y + "' stroke='silver'/>";
  }
  return svg + "</svg>";
}

TEST_F(RealInputTest, PagesFromPdf) {
  if (!HasProgram("rsvg-convert")) GTEST_SKIP() << "no rsvg-convert here: install librsvg2-bin";
  if (!HasProgram("pdftoppm")) GTEST_SKIP() << "no pdftoppm here: install poppler-utils";
  std::ofstream(Path("page.svg")) << PageAsSvg();
  const auto run = [](const std::string& command) { ASSERT_EQ(RunShell(command).exit_code, 0); };
  run("rsvg-convert -f pdf -o " + Path("page.pdf") + " " + Path("page.svg"));
  const std::string page = " -singlefile " + Path("page.pdf") + " ";
  run("pdftoppm -r 150 -png" + page + Path("colour"));
  run("pdftoppm -r 300 -gray -png" + page + Path("gray"));
  run("pdftoppm -r 96 -mono -png" + page + Path("mono"));
  run("pdftoppm -r 150 -jpeg" + page + Path("photo"));
  for (const char* name : {"colour.png", "gray.png", "mono.png", "photo.jpg"}) {
    ExpectAnswered(Path(name));
  }
  ExpectRefused(Path("page.pdf"), "PDF");
}

TEST_F(RealInputTest, SizesAtTheEdges) {
  const std::string source = std::string(kPhotographs) + "/astronaut.png";
  if (!fs::exists(source)) GTEST_SKIP() << "no sample photographs here: install python3-skimage";
  const auto photograph = LoadImage(source);
  ASSERT_TRUE(photograph.ok()) << photograph.status().ToString();
  // The most pixels that the paper reports, a banner and a column, the sides of one view and of one
  // patch, a thread.
  for (const auto& [width, height] : {std::pair{1344, 1344},
                                      {100, 1600},
                                      {1600, 100},
                                      {448, 448},
                                      {449, 448},
                                      {14, 14},
                                      {1, 1},
                                      {2000, 1}}) {
    const std::string path = Path(std::to_string(width) + "x" + std::to_string(height) + ".png");
    ASSERT_TRUE(WritePng(path, ResizeBicubic(photograph->image, width, height)).ok());
    ExpectAnswered(path, width, height);
  }
  EXPECT_EQ(PlanSlices(1344, 1344, Slicing()).num_views(), 10);
}

}  // namespace
}  // namespace mcv
