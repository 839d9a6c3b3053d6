#include "family/tokenizer/byte_trie.h"

namespace mcv {

ByteTrie::ByteTrie() : nodes_(1), roots_(256, 0) {}

uint32_t ByteTrie::FindChild(uint32_t node, uint8_t byte) const {
  if (node == 0) return roots_[byte];
  uint32_t child = nodes_[node].first_child;
  while (child != 0 && nodes_[child].byte != byte) child = nodes_[child].next_sibling;
  return child;
}

bool ByteTrie::Insert(std::string_view key, int32_t value) {
  if (key.empty()) return false;
  uint32_t node = 0;
  for (const char c : key) {
    const uint8_t byte = static_cast<uint8_t>(c);
    uint32_t child = FindChild(node, byte);
    if (child == 0) {
      child = static_cast<uint32_t>(nodes_.size());
      Node fresh;
      fresh.byte = byte;
      if (node == 0) {
        roots_[byte] = child;
      } else {
        fresh.next_sibling = nodes_[node].first_child;
        nodes_[node].first_child = child;
      }
      nodes_.push_back(fresh);
    }
    node = child;
  }
  if (nodes_[node].value >= 0) return false;
  nodes_[node].value = value;
  return true;
}

ByteTrie::Match ByteTrie::Longest(std::string_view text) const {
  Match best;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = FindChild(node, static_cast<uint8_t>(text[i]));
    if (node == 0) break;
    if (nodes_[node].value >= 0) best = {nodes_[node].value, i + 1};
  }
  return best;
}

}  // namespace mcv
