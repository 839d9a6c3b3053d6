#include "formats/safetensors/safetensors_parser.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/checked.h"
#include "formats/json_place.h"
#include "formats/lfs_pointer.h"
#include "formats/printable.h"
#include "formats/safetensors/element_types.h"
#include "formats/safetensors/header_reader.h"

namespace mcv {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxIndexBytes = 16 << 20;        // published ones have 30 to 150 KB
constexpr int kMaxIndexDepth = 2;                  // the outer object, weight_map, its names

// The JSON text of a file, once its length is known to lie inside the file.
Result<std::string_view> HeaderText(std::span<const std::byte> bytes) {
  uint64_t length;
  if (bytes.size() < sizeof(length)) {
    return Corrupt("has " + std::to_string(bytes.size()) +
                   " bytes, a safetensors file begins with an 8-byte header length");
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kMaxHeaderBytes) {
    return Corrupt("claims a header of " + std::to_string(length) + " bytes, the limit is " +
                   std::to_string(kMaxHeaderBytes) + "; perhaps not a safetensors file");
  }
  if (length > bytes.size() - sizeof(length)) {
    return Corrupt("claims a header of " + std::to_string(length) + " bytes, but only " +
                   std::to_string(bytes.size() - sizeof(length)) +
                   " follow; the file is damaged or incomplete");
  }
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + sizeof(length), length);
}

// Dtype, shape and offsets agree with each other and with the data area.
Result<SafeTensor> MakeTensor(SafetensorsEntry entry, std::span<const std::byte> data) {
  const std::string where = "tensor " + Printable(entry.name) + ": ";
  const SafetensorsElement* element = FindSafetensorsElement(entry.dtype);
  if (element == nullptr) {
    return Unsupported(where + "has dtype " + Printable(entry.dtype) + ", which is not known");
  }
  uint64_t expected = element->bytes;
  for (const uint64_t dim : entry.shape) {
    if (__builtin_mul_overflow(expected, dim, &expected)) {
      return Corrupt(where + "its shape multiplies to 2^64 bytes or more");
    }
  }
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data.size()) {
    return Corrupt(where + "data_offsets " + std::to_string(begin) + " to " + std::to_string(end) +
                   " do not lie in the " + std::to_string(data.size()) +
                   " bytes of data; the file is damaged or incomplete");
  }
  if (end - begin != expected) {
    return Corrupt(where + "its shape and dtype " + entry.dtype + " need " +
                   std::to_string(expected) + " bytes, its data_offsets span " +
                   std::to_string(end - begin));
  }
  SafeTensor tensor;
  tensor.name = std::move(entry.name);
  tensor.dtype_name = std::move(entry.dtype);
  tensor.known = element->type.has_value();
  tensor.type = element->type.value_or(DType::kF32);
  tensor.shape = std::move(entry.shape);
  tensor.data = data.subspan(begin, end - begin);
  return tensor;
}

// The tensors cover the data area exactly, in some order.
Status CheckCoverage(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes) {
  std::vector<const SafetensorsEntry*> order;
  order.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return a->offsets < b->offsets;
  });
  uint64_t position = 0;
  for (const SafetensorsEntry* entry : order) {
    if (entry->offsets[0] != position) {
      return Corrupt("tensor " + Printable(entry->name) + ": begins at offset " +
                     std::to_string(entry->offsets[0]) + ", expected " + std::to_string(position) +
                     (entry->offsets[0] < position ? " (it overlaps another tensor)"
                                                   : " (bytes before it belong to no tensor)"));
    }
    position = entry->offsets[1];
  }
  if (position != data_bytes) {
    return Corrupt("tensors end at offset " + std::to_string(position) + " of " +
                   std::to_string(data_bytes) + " bytes of data");
  }
  return OkStatus();
}

// A shard lies beside its index: its name must not lead anywhere else.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

// tensor name -> shard file name, from the text of an index.
Result<std::map<std::string, std::string>> ReadWeightMap(const std::string& text) {
  // Whatever is nested deeper is dropped while reading, so no tree grows out of brackets.
  const auto keep = [](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    return depth <= kMaxIndexDepth;
  };
  const auto json = nlohmann::json::parse(text, keep, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Corrupt("the index (weight_map) " + JsonFault(text));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return Corrupt("expected a JSON object with an object 'weight_map'");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : json["weight_map"].items()) {
    if (!shard.is_string()) {
      return Corrupt("weight_map, tensor " + Printable(name) + ": expected a file name");
    }
    const auto& file = shard.get_ref<const std::string&>();
    if (!IsPlainFileName(file)) {
      return Corrupt("weight_map, tensor " + Printable(name) + ": the shard " + Printable(file) +
                     " is not a plain file name beside the index");
    }
    shards[name] = file;
  }
  return shards;
}

}  // namespace

Status SafetensorsParser::AddShard(std::span<const std::byte> bytes, const std::string& name,
                                   std::shared_ptr<MappedFile> mapped) {
  MCV_RETURN_IF_ERROR(CheckNotLfsPointer(bytes, name, "weights"));
  const auto text = HeaderText(bytes);
  if (!text.ok()) return text.status().Annotate(name);
  auto header = ReadSafetensorsHeader(*text);
  if (!header.ok()) return header.status().Annotate(name);
  const auto data = bytes.subspan(sizeof(uint64_t) + text->size());
  // Before MakeTensor moves the entries; ranges outside the data are its to report.
  const Status coverage = CheckCoverage(header->entries, data.size());
  for (auto& [key, value] : header->metadata) file_->metadata_.emplace(key, value);
  for (SafetensorsEntry& entry : header->entries) {
    auto tensor = MakeTensor(std::move(entry), data);
    if (!tensor.ok()) return tensor.status().Annotate(name);
    tensor->file = mapped.get();
    MCV_RETURN_IF_ERROR(AddTensor(*std::move(tensor), name));
  }
  if (!coverage.ok()) return coverage.Annotate(name);
  if (mapped != nullptr) file_->files_.push_back(std::move(mapped));
  return OkStatus();
}

Status SafetensorsParser::AddTensor(SafeTensor tensor, const std::string& shard_name) {
  if (!file_->index_.emplace(tensor.name, file_->tensors_.size()).second) {
    return Corrupt(shard_name + ": tensor " + Printable(tensor.name) +
                   ": is already in another shard");
  }
  file_->tensors_.push_back(std::move(tensor));
  return OkStatus();
}

Status SafetensorsParser::AddShardFile(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  auto shared = std::make_shared<MappedFile>(std::move(mapped));
  const Status status = AddShard(shared->data(), path, shared);
  // The file may have been cut while it was read: then that is what is wrong.
  return shared->damaged() ? shared->CheckIntact() : status;
}

Status SafetensorsParser::AddIndexed(const std::string& index_path) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path, kMaxIndexBytes));
  MCV_RETURN_IF_ERROR(
      CheckNotLfsPointer(std::as_bytes(std::span(text)), index_path, "index of the weights"));
  const auto shards = ReadWeightMap(text);
  if (!shards.ok()) return shards.status().Annotate(index_path);
  std::set<std::string> files;
  for (const auto& [name, file] : *shards) files.insert(file);
  const std::string folder = index_path.substr(0, index_path.find_last_of('/') + 1);
  for (const std::string& file : files) {
    const Status status = AddShardFile(folder + file);
    if (!status.ok()) return status.Annotate(index_path);
  }
  for (const auto& [name, file] : *shards) {
    const SafeTensor* tensor = file_->Find(name);
    if (tensor != nullptr && tensor->file->path() == folder + file) continue;
    return Corrupt(index_path + ": weight_map, tensor " + Printable(name) +
                   ": is not in the shard " + Printable(file));
  }
  return OkStatus();
}

}  // namespace mcv
