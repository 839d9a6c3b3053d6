#include "trainer/data/things.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "trainer/data/alphabet.h"

namespace mcv::trainer {
namespace {

// Things whose pictures a person tells apart at 24 pixels. Their order fixes the labels: append
// only.
constexpr EmojiRow kEmoji[] = {
    // animals
    {0x1F412},
    {0x1F415},
    {0x1F408},
    {0x1F981},
    {0x1F405},
    {0x1F40E},
    {0x1F993},
    {0x1F404},
    {0x1F416},
    {0x1F40F},
    {0x1F42A},
    {0x1F992},
    {0x1F418},
    {0x1F401, nullptr, "mice"},
    {0x1F407},
    {0x1F994},
    {0x1F987},
    {0x1F43B},
    {0x1F428},
    {0x1F43C},
    {0x1F998},
    {0x1F414},
    {0x1F427},
    {0x1F985},
    {0x1F986},
    {0x1F9A2},
    {0x1F989},
    {0x1F9A9},
    {0x1F99A},
    {0x1F99C},
    {0x1F438},
    {0x1F40A},
    {0x1F422},
    {0x1F40D},
    {0x1F40B},
    {0x1F42C},
    {0x1F41F, nullptr, "fish"},
    {0x1F988},
    {0x1F419},
    {0x1F40C},
    {0x1F98B},
    {0x1F41C},
    {0x1F577},
    {0x1F98A},
    {0x1F980},
    // plants and food
    {0x1F339},
    {0x1F33B},
    {0x1F337},
    {0x1F335},
    {0x1F333, "tree"},
    {0x1F349},
    {0x1F34B},
    {0x1F34C},
    {0x1F34D},
    {0x1F34E, "apple"},
    {0x1F350},
    {0x1F353},
    {0x1F345, nullptr, "tomatoes"},
    {0x1F346},
    {0x1F955},
    {0x1F344},
    {0x1F950},
    {0x1F968},
    {0x1F354},
    {0x1F355},
    {0x1F95A},
    {0x1F36A},
    {0x1F369},
    {0x1F36D},
    {0x1F382, "cake"},
    // on the road, at sea, in the air
    {0x1F3E0},
    {0x1F3F0},
    {0x1F68C},
    {0x1F697, "car"},
    {0x1F69A, "truck"},
    {0x1F69C},
    {0x1F6B2},
    {0x1F6A2},
    {0x26F5},
    {0x1F681},
    {0x2708},
    {0x1F680},
    // household, music, clothes, weather
    {0x2602},
    {0x1F388},
    {0x1F3C6},
    {0x1F3C0},
    {0x1F451},
    {0x1F48D},
    {0x1F514},
    {0x1F3B8},
    {0x1F3BA},
    {0x1F941},
    {0x1F4BB},
    {0x1F4F7},
    {0x1F56F},
    {0x1F511},
    {0x1F528},
    {0x1F9F2},
    {0x1FA9C},
    {0x1F6AA},
    {0x1FA91},
    {0x1F6CF},
    {0x2600},
    {0x2601},
    {0x26C4, "snowman", "snowmen"},
    {0x2693},
    {0x1F4D5, "book"},
    {0x1F457},
    {0x1F45F, "shoe"},
    {0x1F3A9, "hat"},
    {0x1F392},
    {0x23F0, "clock"},
    {0x1F381, "gift"},
    {0x1F47B},
    {0x1F916},
    {0x1F480},
    {0x1F30B},
    {0x1F308},
    {0x1F4FA},
    {0x1F52A, "knife", "knives"},
};
static_assert(std::size(kEmoji) >= kFirstEmoji, "rows may be appended, never removed");

struct Annotation {
  std::string short_name;
  std::set<std::string> keywords;
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view Attribute(std::string_view tag, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  const size_t at = tag.find(key);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + key.size();
  return tag.substr(begin, tag.find('"', begin) - begin);
}

// The file has one annotation element to a line and no nested markup, so a line reader is enough.
Result<std::map<std::string, Annotation>> ReadAnnotations(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return NotFound(path + ": cannot open Unicode's annotations; install unicode-cldr-core");
  }
  std::map<std::string, Annotation> annotations;
  for (std::string line; std::getline(file, line);) {
    const std::string_view view = line;
    const size_t open = view.find("<annotation ");
    const size_t close = view.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) continue;
    const std::string_view tag = view.substr(open, close - open);
    const std::string_view text = view.substr(close + 1, view.find('<', close) - close - 1);
    Annotation& annotation = annotations[std::string(Attribute(tag, "cp"))];
    if (Attribute(tag, "type") == "tts") {
      annotation.short_name = std::string(Trim(text));
      continue;
    }
    std::istringstream words{std::string(text)};
    for (std::string word; std::getline(words, word, '|');) {
      annotation.keywords.emplace(Trim(word));
    }
  }
  return annotations;
}

std::string Plural(const std::string& name) {
  const auto ends = [&](std::string_view tail) { return name.ends_with(tail); };
  if (ends("s") || ends("x") || ends("ch") || ends("sh")) return name + "es";
  const bool vowel = name.size() > 1 && std::string_view("aeiou").find(name[name.size() - 2]) !=
                                            std::string_view::npos;
  if (ends("y") && !vowel) return name.substr(0, name.size() - 1) + "ies";
  return name + "s";
}

}  // namespace

std::string WithArticle(const std::string& name) {
  const bool vowel = std::string_view("aeio").find(name[0]) != std::string_view::npos ||
                     name.starts_with("um");  // "an umbrella", but "a unicorn"
  return (vowel ? "an " : "a ") + name;
}

std::string_view NumberWord(int count) {
  static constexpr std::string_view kWords[] = {"one", "two",   "three", "four", "five",
                                                "six", "seven", "eight", "nine", "ten"};
  MCV_CHECK(count >= 1 && count <= 10);
  return kWords[count - 1];
}

Result<ThingTable> ThingTable::Load(const std::string& annotations_xml,
                                    std::span<const EmojiRow> appended) {
  MCV_ASSIGN_OR_RETURN(auto annotations, ReadAnnotations(annotations_xml));
  std::vector<EmojiRow> rows(std::begin(kEmoji), std::end(kEmoji));
  rows.insert(rows.end(), appended.begin(), appended.end());
  ThingTable table;
  table.num_emoji_ = static_cast<int>(rows.size());
  for (const EmojiRow& row : rows) {
    if (table.size() == kFirstEmoji) table.AddShapes();
    std::string key;
    AppendUtf8(row.code_point, key);
    const Annotation& annotation = annotations[key];
    if (annotation.short_name.empty()) {
      return NotFound(annotations_xml + ": no short name for " + key);
    }
    if (row.keyword != nullptr && !annotation.keywords.contains(row.keyword)) {
      return NotFound(annotations_xml + ": " + key + " has no keyword \"" + row.keyword + "\"");
    }
    Thing thing;
    thing.code_point = row.code_point;
    thing.name = row.keyword != nullptr ? row.keyword : annotation.short_name;
    thing.plural = row.plural != nullptr ? row.plural : Plural(thing.name);
    thing.noun = thing.name;
    thing.noun_plural = thing.plural;
    table.things_.push_back(std::move(thing));
  }
  if (table.size() == kFirstEmoji) table.AddShapes();
  return table;
}

void ThingTable::AddShapes() {
  for (int shape = 0; shape < kNumShapes; ++shape) {
    for (int colour = 0; colour < kNumColours; ++colour) {
      Thing thing;
      thing.noun = kShapeNames[shape];
      thing.noun_plural = Plural(thing.noun);
      thing.name = std::string(kColourNames[colour]) + " " + thing.noun;
      thing.plural = std::string(kColourNames[colour]) + " " + thing.noun_plural;
      thing.shape = shape;
      thing.colour = colour;
      things_.push_back(std::move(thing));
    }
  }
}

int ThingTable::Find(std::string_view name) const {
  for (int i = 0; i < size(); ++i) {
    if (things_[i].name == name) return i;
  }
  return -1;
}

}  // namespace mcv::trainer
