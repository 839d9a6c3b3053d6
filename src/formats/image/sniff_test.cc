#include "formats/image/sniff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace mcv {
namespace {

using std::string_view_literals::operator""sv;

Sniffed Sniff(std::string_view file) {
  return SniffPicture(std::as_bytes(std::span(file.data(), file.size())));
}

TEST(SniffTest, NamesWhatIsAccepted) {
  EXPECT_EQ(Sniff("\xff\xd8\xff\xe0"sv).kind, PictureKind::kJpeg);
  EXPECT_EQ(Sniff("\x89PNG\r\n\x1a\n\0\0\0\x0d"sv).kind, PictureKind::kPng);
  EXPECT_EQ(Sniff("RIFF\x10\0\0\0WEBPVP8L"sv).kind, PictureKind::kWebp);
}

TEST(SniffTest, SaysHowToConvertPictures) {
  EXPECT_NE(HowToConvert("a GIF picture").find("first frame"), std::string_view::npos);
  EXPECT_NE(HowToConvert("a HEIC picture").find("heif-convert"), std::string_view::npos);
  EXPECT_NE(HowToConvert("a BMP picture").find("magick"), std::string_view::npos);
  EXPECT_EQ(HowToConvert("a text file"), "");
  EXPECT_EQ(HowToConvert("an empty file"), "");
}

TEST(SniffTest, NamesWhatIsNot) {
  const struct {
    std::string_view file, name;
  } cases[] = {
      {""sv, "an empty file"},
      {"GIF89a...."sv, "a GIF picture"},
      {"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"sv, "a BMP picture"},
      {"BMW builds cars in Munich."sv, "a text file"},
      {"II*\0\x08\0\0\0"sv, "a TIFF picture"},
      {"MM\0*\0\0\0\x08"sv, "a TIFF picture"},
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0"sv,
       "a HEIC picture"},
      {"\0\0\0\x20"
       "ftypavif\0\0\0\0"sv,
       "an AVIF picture"},
      {"\0\0\0\x20"
       "ftypisom\0\0\0\0"sv,
       "an MP4 or QuickTime video"},
      {"%PDF-1.7\n"sv, "a PDF document"},
      {"<svg xmlns=\"http://www.w3.org/2000/svg\">"sv, "an SVG drawing"},
      {"<?xml version=\"1.0\"?>\n<!-- x -->\n<svg/>"sv, "an SVG drawing"},
      {"<?xml version=\"1.0\"?><note/>"sv, "an XML file"},
      {"\xef\xbb\xbf<!DOCTYPE HTML><title>x</title>"sv, "a web page (HTML)"},
      {"Hello, world\n"sv, "a text file"},
      {"P6\n2 2\n255\n............"sv, "a Netpbm picture"},
      {"RIFF\x10\0\0\0WAVEfmt "sv, "a WAV recording"},
      {"GGUF\x03\0\0\0"sv, "a GGUF model file"},
      {"\0\1\2\3\4\5\6\7\x08"sv,
       "a file of an unknown kind (it begins with the bytes 00 01 02 03 04 05 06 07)"},
  };
  for (const auto& want : cases) {
    EXPECT_EQ(Sniff(want.file).kind, PictureKind::kNotAccepted) << want.name;
    EXPECT_EQ(Sniff(want.file).name, want.name);
  }
}

std::string NameOf(const std::string& file) {
  return SniffPicture(std::as_bytes(std::span(file))).name;
}

TEST(SniffTest, KindsThatAreTakenForOthers) {
  using namespace std::string_literals;
  const auto tga = [](const std::string& head) {
    return NameOf(head + "\0\0\0\0\0\0\0\0\0\x40\0\x28\0\x18\x20pixels"s);
  };
  EXPECT_EQ(tga("\0\0\2"s), "a TGA picture");
  EXPECT_EQ(tga("\0\0\3"s), "a TGA picture");
  EXPECT_EQ(tga("\0\0\x0a"s), "a TGA picture");
  EXPECT_EQ(NameOf("\0\1\1\0\0\0\1\x18\0\0\0\0\x40\0\x28\0\x08\0pixels"s), "a TGA picture");
  EXPECT_EQ(NameOf("\0\0\2\0\1\0\x20\x20\0\0\1\0\1\0\0\0\0\0\0\0"s), "a cursor (CUR)");
  EXPECT_EQ(NameOf("\0\0\1\0\1\0\x20\x20\0\0\1\0\x20\0\0\0\0\0\0\0"s), "an icon (ICO)");
  for (const std::string& head :
       {"\x89PNG\n\x1a\n"s, "\x89PNG\r\r\n\x1a\r\n"s, "\x89PNG\r\n\x1a\r\n"s, "\x09PNG\r\n\x1a\n"s,
        "\xef\xbf\xbdPNG\r\n\x1a\n"s}) {
    EXPECT_THAT(NameOf(head + "\0\0\0\x0dIHDR"s), ::testing::HasSubstr("binary mode"));
  }
  EXPECT_THAT(NameOf("version https://git-lfs.github.com/spec/v1\noid sha256:12ab\nsize 5\n"),
              ::testing::HasSubstr("git lfs pull"));
  EXPECT_EQ(NameOf("version https://git-lfs.github.com/spec/v1 is what I read about"),
            "a text file");
}
}  // namespace
}  // namespace mcv
