// What a file is, by its first bytes: the name a person would call it by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mcv {

enum class PictureKind : uint8_t { kJpeg, kPng, kWebp, kNotAccepted };

struct Sniffed {
  PictureKind kind = PictureKind::kNotAccepted;
  std::string name;  // "a GIF picture", "a PDF document", "a text file", "an empty file", ...
};

Sniffed SniffPicture(std::span<const std::byte> file);

// How to make a PNG or JPEG of what bears such a name: "; to convert it: ...", or "" for what is no
// picture.
std::string_view HowToConvert(std::string_view name);

}  // namespace mcv
