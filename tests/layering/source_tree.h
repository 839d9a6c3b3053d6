// The repository's own sources as the layering rules see them: paths, lines and quoted includes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mcv {

struct Include {
  std::string path;  // as written between the quotes
  int line = 0;
};

struct SourceFile {
  std::string path;  // from the repository's root: "src/formats/dtype.h"
  int lines = 0;
  bool pragma_once = false;
  std::vector<Include> includes;
};

// What is between the quotes of each #include "..." in a text; comments and <...> are skipped.
std::vector<Include> QuotedIncludes(std::string_view text);

SourceFile DescribeSource(const std::string& path, std::string_view text);

// Every .h, .cc and .inc under the given folders of the repository, sorted by path.
std::vector<SourceFile> ReadSourceTree(const std::string& root,
                                       const std::vector<std::string>& folders);

}  // namespace mcv
