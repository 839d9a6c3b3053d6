// A conversation in a file, to be taken up by another process.
//
//   bytes 0-7     "MCVSESS1"
//   bytes 8-31    lengths of the three parts, unsigned 64-bit little-endian
//   description   JSON: model, turns, ids, pictures and how many positions are held
//   state         what the model has read (TextSequence::SaveState)
//   rows          of the pictures, fp32, one picture after the other
//   32 bytes      SHA-256 of everything before
//
// Everything is checked before anything is taken over: a file comes from anywhere.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "base/checked.h"
#include "base/file_writer.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "engine/session.h"
#include "engine/session_picture.h"
#include "family/tokenizer/utf8.h"
#include "formats/printable.h"

namespace mcv {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "MCVSESS1";
constexpr size_t kPrefixBytes = 32;
constexpr size_t kDigestBytes = 32;
constexpr uint64_t kMostDescriptionBytes = uint64_t{64} << 20;

// Little-endian, as every machine is that this runs on; the checksum would notice another.
using Lengths = std::array<uint64_t, 3>;

class ChecksumWriter {
 public:
  explicit ChecksumWriter(FileWriter& file) : file_(file) {}
  void Put(std::span<const std::byte> bytes) {
    sha_.Update(bytes);
    if (status_.ok()) status_ = file_.Write(bytes);
  }
  Status Finish() {
    MCV_RETURN_IF_ERROR(status_);
    const auto digest = sha_.Finish();
    return file_.Write(std::as_bytes(std::span(digest)));
  }

 private:
  FileWriter& file_;
  Sha256 sha_;
  Status status_;
};

}  // namespace

// The three parts of a file that is whole.
struct SavedParts {
  Json description;
  std::span<const std::byte> state;
  std::span<const std::byte> rows;
};

namespace {

Result<SavedParts> ReadParts(std::span<const std::byte> bytes) {
  if (bytes.size() < kPrefixBytes + kDigestBytes ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size() - 1) != 0) {
    return Corrupt("is no session file");
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return Unsupported("is a session file of another format; expected " + std::string(kMagic));
  }
  Lengths lengths;
  std::memcpy(lengths.data(), bytes.data() + kMagic.size(), sizeof lengths);
  uint64_t left = bytes.size() - kPrefixBytes - kDigestBytes;
  for (const uint64_t length : lengths) {
    if (length > left) return Corrupt("is cut or damaged: a part is longer than the file");
    left -= length;
  }
  if (left != 0 || lengths[0] > kMostDescriptionBytes) {
    return Corrupt("is damaged: its parts are not as long as the file");
  }
  Sha256 sha;
  sha.Update(bytes.first(bytes.size() - kDigestBytes));
  const auto digest = sha.Finish();
  if (std::memcmp(digest.data(), bytes.data() + bytes.size() - kDigestBytes, kDigestBytes) != 0) {
    return Corrupt("is damaged: its checksum is another one");
  }
  SavedParts parts;
  const auto text = bytes.subspan(kPrefixBytes, lengths[0]);
  parts.description = Json::parse(reinterpret_cast<const char*>(text.data()),
                                  reinterpret_cast<const char*>(text.data() + text.size()), nullptr,
                                  /*allow_exceptions=*/false);
  if (!parts.description.is_object()) return Corrupt("has a description that is no JSON object");
  parts.state = bytes.subspan(kPrefixBytes + lengths[0], lengths[1]);
  parts.rows = bytes.subspan(kPrefixBytes + lengths[0] + lengths[1], lengths[2]);
  return parts;
}

Status Wrong(const std::string& what) { return Corrupt("has a description whose " + what); }

Result<int64_t> TakeNumber(const Json& object, const char* name, int64_t most) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer() || found->get<int64_t>() < 0 ||
      found->get<int64_t>() > most) {
    return Wrong(std::string(name) + " is no whole number from 0 to " + std::to_string(most));
  }
  return found->get<int64_t>();
}

Result<std::string> TakeText(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) {
    return Wrong(std::string(name) + " is no text");
  }
  return found->get<std::string>();
}

Result<std::vector<int32_t>> TakeIds(const Json& object, const char* name, int64_t vocab) {
  std::vector<int32_t> ids;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return Wrong(std::string(name) + " is no list");
  for (const Json& value : *found) {
    if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() >= vocab) {
      return Wrong(std::string(name) + " hold something that is none of this model's tokens");
    }
    ids.push_back(value.get<int32_t>());
  }
  return ids;
}

Json PlanJson(const SlicePlan& plan) {
  return {plan.overview.width, plan.overview.height, plan.cols,       plan.rows,
          plan.refine.width,   plan.refine.height,   plan.cell.width, plan.cell.height};
}

Result<SlicePlan> TakePlan(const Json& picture) {
  constexpr int kMostPixels = 1 << 20;
  constexpr int kMostCells = 1 << 10;
  const auto found = picture.find("plan");
  if (found == picture.end() || !found->is_array() || found->size() != 8) {
    return Wrong("plan of a picture is no list of 8 numbers");
  }
  std::array<int, 8> n{};
  for (size_t i = 0; i < n.size(); ++i) {
    const Json& value = (*found)[i];
    const int most = i == 2 || i == 3 ? kMostCells : kMostPixels;
    if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > most) {
      return Wrong("plan of a picture holds a number out of range");
    }
    n[i] = value.get<int>();
  }
  return SlicePlan{{n[0], n[1]}, n[2], n[3], {n[4], n[5]}, {n[6], n[7]}};
}

}  // namespace

// What a file says, checked.
struct Session::Saved {
  int64_t positions = 0;
  std::vector<int32_t> held, unread;
  std::vector<Turn> turns;
  std::vector<std::unique_ptr<Picture>> pictures;
  std::optional<std::string> system;
  ChatState state;
};

namespace {

Result<std::vector<Turn>> TakeTurns(const Json& description, int64_t num_pictures) {
  std::vector<Turn> turns;
  const auto found = description.find("turns");
  if (found == description.end() || !found->is_array()) return Wrong("turns are no list");
  for (const Json& value : *found) {
    if (!value.is_object()) return Wrong("turns hold something else");
    Turn turn;
    MCV_ASSIGN_OR_RETURN(turn.text, TakeText(value, "text"));
    MCV_ASSIGN_OR_RETURN(const std::string role, TakeText(value, "role"));
    if (role != "user" && role != "assistant") return Wrong("turns have another role");
    if (role == "assistant") turn.role = Turn::Role::kAssistant;
    if (!IsValidUtf8(turn.text)) return Wrong("turns are not valid UTF-8");
    MCV_ASSIGN_OR_RETURN(turn.images, TakeIds(value, "pictures", num_pictures));
    turns.push_back(std::move(turn));
  }
  return turns;
}

Json TurnsJson(const std::vector<Turn>& turns) {
  Json list = Json::array();
  for (const Turn& turn : turns) {
    list.push_back({{"role", turn.role == Turn::Role::kUser ? "user" : "assistant"},
                    {"text", turn.text},
                    {"pictures", turn.images}});
  }
  return list;
}

}  // namespace

Status Session::Save(const std::string& path) const {
  if (!parts_.model_id) return Unsupported("this session's model has no name to save it by");
  Json pictures = Json::array();
  uint64_t row_bytes = 0;
  for (const auto& picture : pictures_) {
    pictures.push_back({{"key", picture->key},
                        {"plan", PlanJson(picture->plan)},
                        {"patches", picture->stats.patches}});
    row_bytes += picture->rows->size() * sizeof(float);
  }
  Json description = {{"model", parts_.model_id()},
                      {"positions", sequence_->length()},
                      {"held", held_},
                      {"unread", unread_},
                      {"started", state_.started ? 1 : 0},
                      {"pictures_shown", state_.num_pictures},
                      {"turns", TurnsJson(turns_)},
                      {"pictures", std::move(pictures)}};
  if (system_) description["system"] = *system_;
  // Tokens may split a character that never completes: what is not UTF-8 is replaced.
  const std::string text = description.dump(-1, ' ', false, Json::error_handler_t::replace);
  const Lengths lengths = {
      text.size(), static_cast<uint64_t>(sequence_->StateBytes(sequence_->length())), row_bytes};
  MCV_ASSIGN_OR_RETURN(FileWriter file, FileWriter::Create(path, FileReaders::kOwner));
  ChecksumWriter writer(file);
  writer.Put(std::as_bytes(std::span(kMagic)));
  writer.Put(std::as_bytes(std::span(lengths)));
  writer.Put(std::as_bytes(std::span(text)));
  sequence_->SaveState([&](std::span<const std::byte> piece) { writer.Put(piece); });
  for (const auto& picture : pictures_) writer.Put(std::as_bytes(std::span(*picture->rows)));
  MCV_RETURN_IF_ERROR(writer.Finish());
  return file.Commit();
}

namespace {

// `rows` is cut off as pictures take theirs.
Status TakeRows(int64_t views, const ViewEncoder& encoder, std::span<const std::byte>* rows,
                PictureCache::Rows* out) {
  const auto floats = CheckedProduct<uint64_t>({static_cast<uint64_t>(views),
                                                static_cast<uint64_t>(encoder.rows_per_view()),
                                                static_cast<uint64_t>(encoder.width())});
  if (!floats || *floats > rows->size() / sizeof(float)) {
    return Wrong("pictures need more rows than the file has");
  }
  auto values = std::make_shared<std::vector<float>>(*floats);
  std::memcpy(values->data(), rows->data(), *floats * sizeof(float));
  *rows = rows->subspan(*floats * sizeof(float));
  *out = std::move(values);
  return OkStatus();
}

}  // namespace

Result<Session::Saved> Session::ReadSaved(const SavedParts& parts) const {
  Saved saved;
  const Json& description = parts.description;
  std::span<const std::byte> rows = parts.rows;
  const TextModel& text = parts_.scheduler->text();
  MCV_ASSIGN_OR_RETURN(const std::string model, TakeText(description, "model"));
  const std::string own = parts_.model_id ? parts_.model_id() : "";
  if (model != own) {
    return Unsupported("belongs to another model: it was saved with " + Printable(model) +
                       ", and this is " + own + "; open that model, or begin a new session");
  }
  constexpr int64_t kMost = int64_t{1} << 32;
  MCV_ASSIGN_OR_RETURN(saved.positions, TakeNumber(description, "positions", kMost));
  if (saved.positions > text.capacity()) {
    return ContextFull("holds " + std::to_string(saved.positions) +
                       " positions, and this context only " + std::to_string(text.capacity()) +
                       ": open the model with a larger one");
  }
  MCV_ASSIGN_OR_RETURN(saved.held, TakeIds(description, "held", text.vocab()));
  MCV_ASSIGN_OR_RETURN(saved.unread, TakeIds(description, "unread", text.vocab()));
  if (static_cast<int64_t>(saved.held.size()) != saved.positions) {
    return Wrong("ids are not as many as its positions");
  }
  const auto pictures = description.find("pictures");
  if (pictures == description.end() || !pictures->is_array()) return Wrong("pictures are no list");
  const ViewEncoder* encoder = parts_.scheduler->encoder();
  if (!pictures->empty() && encoder == nullptr) {
    return Unsupported("has pictures, and this model was opened without its encoder");
  }
  for (const Json& value : *pictures) {
    if (!value.is_object()) return Wrong("pictures hold something else");
    auto picture = std::make_unique<Picture>();
    MCV_ASSIGN_OR_RETURN(picture->key, TakeText(value, "key"));
    MCV_ASSIGN_OR_RETURN(picture->plan, TakePlan(value));
    MCV_ASSIGN_OR_RETURN(picture->stats.patches, TakeNumber(value, "patches", kMost));
    picture->stats.views = picture->plan.num_views();
    picture->stats.rows = int64_t{encoder->rows_per_view()} * picture->stats.views;
    picture->stats.source = PictureSource::kDisk;
    MCV_RETURN_IF_ERROR(TakeRows(picture->stats.views, *encoder, &rows, &picture->rows));
    saved.pictures.push_back(std::move(picture));
  }
  if (!rows.empty()) return Wrong("pictures need fewer rows than the file has");
  MCV_ASSIGN_OR_RETURN(saved.turns,
                       TakeTurns(description, static_cast<int64_t>(saved.pictures.size())));
  if (description.contains("system")) {
    MCV_ASSIGN_OR_RETURN(saved.system, TakeText(description, "system"));
  }
  MCV_ASSIGN_OR_RETURN(const int64_t shown, TakeNumber(description, "pictures_shown", kMost));
  MCV_ASSIGN_OR_RETURN(const int64_t started, TakeNumber(description, "started", 1));
  saved.state = {started != 0, static_cast<int>(std::min<int64_t>(shown, INT32_MAX))};
  return saved;
}

Status Session::Load(const std::string& path) {
  if (state_.started || !pictures_.empty()) {
    return InvalidArgument("a saved session can only be taken up before anything was asked");
  }
  MCV_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto parts = ReadParts(file.data());
  if (!parts.ok()) return parts.status().Annotate(path);
  auto saved = ReadSaved(*parts);
  if (!saved.ok()) return saved.status().Annotate(path);
  if (static_cast<int64_t>(parts->state.size()) != sequence_->StateBytes(saved->positions)) {
    return Wrong("positions are not those of its state").Annotate(path);
  }
  MCV_RETURN_IF_ERROR(sequence_->LoadState(saved->positions, parts->state));
  held_ = std::move(saved->held);
  unread_ = std::move(saved->unread);
  turns_ = std::move(saved->turns);
  pictures_ = std::move(saved->pictures);
  places_.clear();
  system_ = std::move(saved->system);
  state_ = saved->state;
  return OkStatus();
}

}  // namespace mcv
