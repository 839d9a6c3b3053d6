// Finds expected values: a folder named by the environment, the full set beside the repository, or
// the subset that is committed.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace mcv {

// The first of $MCV_GOLDENS, MCV_SHARED_GOLDENS and testdata/goldens that has the file `relative`,
// as a path; "" if none has it.
inline std::string GoldenPath(const std::string& relative) {
  const char* environment = std::getenv("MCV_GOLDENS");
  for (const std::string& root :
       {std::string(environment ? environment : ""), std::string(MCV_SHARED_GOLDENS),
        std::string(MCV_TESTDATA "/goldens")}) {
    const std::string path = root + "/" + relative;
    if (!root.empty() && std::ifstream(path).good()) return path;
  }
  return "";
}

inline std::string ReadGolden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Sets `path`, or skips the running test with a line that says what is missing.
#define MCV_GOLDEN_OR_SKIP(path, relative)                                                   \
  const std::string path = ::mcv::GoldenPath(relative);                                      \
  if (path.empty()) {                                                                        \
    GTEST_SKIP() << "the expected values " << (relative)                                     \
                 << " are not on this machine: set MCV_GOLDENS to the folder that has them"; \
  }                                                                                          \
  static_assert(true, "")

}  // namespace mcv
