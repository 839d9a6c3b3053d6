// Numbers as text, the same whatever locale the process has set: a program that uses this library
// may write 2,5.
#pragma once

#include <charconv>
#include <string>
#include <system_error>

namespace mcv {

// Six digits at most, as people write it: 2.5, 1e-06.
inline std::string ShortNumber(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6);
  return {text, end.ptr};
}

// The double nearest to the shortest decimal that reads back as the same float: 1e-05, not
// 9.99999975e-06.
inline double ShortestDouble(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  double number = 0;
  if (std::from_chars(text, end.ptr, number).ec != std::errc()) return double{value};
  return number;
}

}  // namespace mcv
