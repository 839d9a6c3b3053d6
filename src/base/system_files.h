// What Linux tells in small files under /proc and /sys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mcv {

// The text of such a file, which claims to be empty, so it is read until it ends (1 MiB at most);
// "" where it cannot be read.
std::string ReadSystemFile(const std::string& path);

// The number that `text` begins with, blanks skipped.
std::optional<uint64_t> NumberAt(std::string_view text);

// "0-3,8,10-11": the numbers in order, each below 4096 and once. What cannot be read ends the list.
std::vector<int> ParseCpuList(std::string_view text);

// This process's control group (version 2) and every one above it, as folders, innermost first.
// `root` stands before /proc and /sys.
std::vector<std::string> ControlGroups(const std::string& root);

// The same of version 1, where each controller ("memory", "cpu") has groups of its own; empty where
// it has none. Inside a container the groups may be mounted as if they were the outermost: the path
// that the process is told is tried first, then the outermost.
std::vector<std::string> OldControlGroups(const std::string& root, std::string_view controller);

}  // namespace mcv
