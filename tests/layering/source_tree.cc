#include "tests/layering/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace mcv {
namespace {

namespace fs = std::filesystem;

std::string_view TrimLeft(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

// The path of an #include "..." line, or nothing.
std::string_view IncludedPath(std::string_view line) {
  line = TrimLeft(line);
  if (!line.starts_with('#')) return {};
  line = TrimLeft(line.substr(1));
  if (!line.starts_with("include")) return {};
  line = TrimLeft(line.substr(7));
  if (!line.starts_with('"')) return {};
  const size_t end = line.find('"', 1);
  return end == std::string_view::npos ? std::string_view() : line.substr(1, end - 1);
}

template <typename Visit>
void ForEachLine(std::string_view text, const Visit& visit) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool IsSource(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".h" || extension == ".cc" || extension == ".inc";
}

}  // namespace

std::vector<Include> QuotedIncludes(std::string_view text) {
  std::vector<Include> includes;
  ForEachLine(text, [&](std::string_view line, int number) {
    const std::string_view path = IncludedPath(line);
    if (!path.empty()) includes.push_back({std::string(path), number});
  });
  return includes;
}

SourceFile DescribeSource(const std::string& path, std::string_view text) {
  SourceFile file;
  file.path = path;
  file.includes = QuotedIncludes(text);
  ForEachLine(text, [&](std::string_view line, int number) {
    file.lines = number;
    if (line.starts_with("#pragma once")) file.pragma_once = true;
  });
  return file;
}

std::vector<SourceFile> ReadSourceTree(const std::string& root,
                                       const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(fs::path(root) / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(stream), {}};
      files.push_back(DescribeSource(fs::relative(entry.path(), root).string(), text));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace mcv
