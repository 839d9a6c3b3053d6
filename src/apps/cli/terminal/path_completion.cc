#include "apps/cli/terminal/path_completion.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "apps/cli/commands/picture_loading.h"
#include "apps/cli/terminal/dropped_words.h"
#include "family/tokenizer/utf8.h"

namespace mcv::cli {
namespace {

namespace fs = std::filesystem;

// Of names that all begin with `prefix`.
std::string CommonBeginning(const std::vector<std::string>& names) {
  std::string common = names.front();
  for (const std::string& name : names) {
    const auto end = std::mismatch(common.begin(), common.end(), name.begin(), name.end()).first;
    common.erase(end, common.end());
  }
  // Not within a character.
  while (!IsValidUtf8(common)) common.pop_back();
  return common;
}

// Names in the folder that begin with `prefix`; folders with a slash behind them.
std::vector<std::string> NamesIn(const fs::path& folder, const std::string& prefix,
                                 bool pictures_only) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || (prefix.empty() && name.starts_with('.'))) continue;
    if (!IsValidUtf8(name)) continue;  // cannot be typed
    std::error_code ignored;
    const bool is_folder = entry->is_directory(ignored);
    if (pictures_only && !is_folder && !HasPictureEnding(name)) continue;
    names.push_back(is_folder ? name + "/" : name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Completion CompletePath(std::string_view text, bool pictures_only) {
  const std::vector<DroppedWord> words = SplitDropped(text);
  DroppedWord word;
  if (!words.empty() && words.back().end == text.size()) word = words.back();
  const size_t slash = word.text.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : word.text.substr(0, slash + 1);
  const std::string prefix = word.text.substr(folder.size());
  const fs::path where = folder.empty() ? "." : DroppedPath(folder);
  std::vector<std::string> names = NamesIn(where, prefix, pictures_only);
  if (names.empty() && pictures_only) names = NamesIn(where, prefix, /*pictures_only=*/false);
  if (names.empty()) return {};

  Completion completion;
  const std::string common = CommonBeginning(names);
  completion.insert = Escaped(std::string_view(common).substr(prefix.size()), word.quote);
  if (names.size() > 1) {
    completion.choices = std::move(names);
  } else if (word.quote != '\0' && !common.ends_with('/')) {
    completion.insert += word.quote;
  }
  return completion;
}

Completion CompleteName(std::string_view word, const std::vector<std::string>& names) {
  std::vector<std::string> fitting;
  std::copy_if(names.begin(), names.end(), std::back_inserter(fitting),
               [&](const std::string& name) { return name.starts_with(word); });
  if (fitting.empty()) return {};
  Completion completion;
  completion.insert = CommonBeginning(fitting).substr(word.size());
  if (fitting.size() > 1) completion.choices = std::move(fitting);
  return completion;
}

}  // namespace mcv::cli
