// What a file is, by its first bytes: the name a person would call it by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace mcv {

enum class PictureKind : uint8_t { kJpeg, kPng, kWebp, kNotAccepted };

struct Sniffed {
  PictureKind kind = PictureKind::kNotAccepted;
  std::string name;  // "a GIF picture", "a PDF document", "a text file", "an empty file", ...
};

Sniffed SniffPicture(std::span<const std::byte> file);

}  // namespace mcv
