// Finds the longest of a fixed set of strings at a place in a text, in time linear in its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mcv {

// Built once by Insert, then only read: any number of threads may match.
class ByteTrie {
 public:
  ByteTrie();

  // A key that is there already keeps its first value; false then. Empty keys are ignored.
  bool Insert(std::string_view key, int32_t value);

  struct Match {
    int32_t value = -1;  // -1: nothing matches
    size_t length = 0;
  };
  // The longest key that `text` starts with.
  Match Longest(std::string_view text) const;
  bool empty() const { return nodes_.size() == 1; }

 private:
  // Children form a list in the order of insertion; the sets here are small and the first byte,
  // where nearly every search ends, is looked up in a table.
  struct Node {
    int32_t value = -1;
    uint32_t first_child = 0;
    uint32_t next_sibling = 0;
    uint8_t byte = 0;
  };
  uint32_t FindChild(uint32_t node, uint8_t byte) const;

  std::vector<Node> nodes_;
  std::vector<uint32_t> roots_;  // child of the root by byte, 0 = none
};

}  // namespace mcv
