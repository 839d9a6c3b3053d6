#include "family/tokenizer/added_tokens.h"

#include <algorithm>
#include <charconv>

#include "family/json_object.h"
#include "formats/printable.h"

namespace mcv {
namespace {

using nlohmann::json;

// bos_token and its like are a name, or an object with the name as "content".
std::optional<std::string> NameOf(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_object() && found->contains("content") && (*found)["content"].is_string()) {
    return (*found)["content"].get<std::string>();
  }
  return std::nullopt;
}

// One template, or a list of named ones of which "default" counts.
std::string TemplateOf(const json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return {};
  for (const json& entry : *found) {
    if (entry.is_object() && entry.value("name", json()) == "default" &&
        entry.value("template", json()).is_string()) {
      return entry["template"].get<std::string>();
    }
  }
  return {};
}

bool Flag(const json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Result<AddedToken> ReadAddedToken(const json& entry, std::optional<int32_t> id,
                                  const std::string& where) {
  if (!entry.is_object()) {
    return Corrupt(where + ": expected an object, found " + entry.type_name());
  }
  AddedToken token;
  if (id) {
    token.id = *id;
  } else {
    const auto found = entry.find("id");
    if (found == entry.end() || !found->is_number_unsigned() ||
        found->get<uint64_t>() >= kMaxVocabulary) {
      return Corrupt(where + ": expected an \"id\" from 0 to " +
                     std::to_string(kMaxVocabulary - 1));
    }
    token.id = found->get<int32_t>();
  }
  const auto content = entry.find("content");
  if (content == entry.end() || !content->is_string() ||
      content->get_ref<const std::string&>().empty() ||
      content->get_ref<const std::string&>().size() > kMaxTokenBytes) {
    return Corrupt(where + ": expected a \"content\" of 1 to " + std::to_string(kMaxTokenBytes) +
                   " bytes");
  }
  token.text = content->get<std::string>();
  token.control = Flag(entry, "special");
  // These change how the text around the token is read; no model of the family uses them.
  for (const char* key : {"lstrip", "rstrip", "single_word"}) {
    if (Flag(entry, key)) {
      return Unsupported(where + " (" + Printable(token.text) + "): \"" + key +
                         "\" is true; only false is supported");
    }
  }
  return token;
}

Result<TokenizerConfig> ParseTokenizerConfig(std::string_view text, const std::string& name) {
  TokenizerConfig config;
  if (text.empty()) return config;
  MCV_ASSIGN_OR_RETURN(const json root, ParseJsonObject(std::string(text), name));
  config.bos = NameOf(root, "bos_token");
  config.eos = NameOf(root, "eos_token");
  config.unk = NameOf(root, "unk_token");
  config.chat_template = TemplateOf(root);
  const auto decoder = root.find("added_tokens_decoder");
  if (decoder == root.end() || decoder->is_null()) return config;
  if (!decoder->is_object()) {
    return Corrupt(name + ": \"added_tokens_decoder\": expected an object, found " +
                   decoder->type_name());
  }
  for (const auto& [key, entry] : decoder->items()) {
    const std::string where = name + ": added_tokens_decoder entry " + Printable(key);
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= kMaxVocabulary) {
      return Corrupt(where + ": expected a token id from 0 to " +
                     std::to_string(kMaxVocabulary - 1));
    }
    MCV_ASSIGN_OR_RETURN(AddedToken token, ReadAddedToken(entry, id, where));
    config.added.push_back(std::move(token));
  }
  return config;
}

std::vector<AddedToken> MergeAddedTokens(std::vector<AddedToken> first,
                                         const std::vector<AddedToken>& second) {
  first.insert(first.end(), second.begin(), second.end());
  // Later entries win: reversed, they come first among equals and survive the unique.
  std::reverse(first.begin(), first.end());
  const auto by_id = [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; };
  std::stable_sort(first.begin(), first.end(), by_id);
  const auto same_id = [](const AddedToken& a, const AddedToken& b) { return a.id == b.id; };
  first.erase(std::unique(first.begin(), first.end(), same_id), first.end());
  return first;
}

}  // namespace mcv
