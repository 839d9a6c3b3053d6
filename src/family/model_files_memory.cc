// Where a model's files lie in memory, and what is asked of the system for them.
#include <algorithm>
#include <functional>

#include "family/model_files.h"

namespace mcv {
namespace {

// Between tensors that lie side by side: their alignment.
constexpr int kMostPadding = 4096;

}  // namespace

std::vector<std::span<const std::byte>> ModelFiles::MappedRanges(TensorFile half,
                                                                 RangesOf which) const {
  std::vector<TensorData> parts;
  for (const TensorSpec& spec : table_) {
    if (spec.file != half) continue;
    const bool looked_up = spec.id == "text.embed" && !config_.text.tied_head;
    if (looked_up && which == RangesOf::kReadWhole) continue;
    auto data = Find(spec);
    if (data.ok() && data->file && !data->file->in_memory()) parts.push_back(*std::move(data));
  }
  std::sort(parts.begin(), parts.end(), [](const TensorData& a, const TensorData& b) {
    return std::less<>()(a.bytes.data(), b.bytes.data());
  });
  std::vector<std::span<const std::byte>> ranges;
  for (size_t i = 0; i < parts.size();) {
    const std::span<const std::byte> first = parts[i].bytes;
    const MappedFile* file = parts[i].file;
    const std::byte* end = first.data() + first.size();
    for (++i; i < parts.size() && parts[i].file == file; ++i) {
      if (parts[i].bytes.data() > end + kMostPadding) break;
      end = std::max(end, parts[i].bytes.data() + parts[i].bytes.size());
    }
    ranges.emplace_back(first.data(), end);
  }
  return ranges;
}

std::vector<std::shared_ptr<MappedFile>> ModelFiles::Mappings() const {
  std::vector<std::shared_ptr<MappedFile>> mappings;
  if (safetensors_) mappings = safetensors_->files();
  for (const GgufFile* file : {text_gguf_.get(), vision_gguf_.get()}) {
    if (file == nullptr) continue;
    mappings.insert(mappings.end(), file->mappings().begin(), file->mappings().end());
  }
  return mappings;
}

Status ModelFiles::ReadIntoMemory() {
  for (const auto& mapping : Mappings()) MCV_RETURN_IF_ERROR(mapping->ReadIntoMemory());
  return OkStatus();
}

bool ModelFiles::damaged() const {
  if (safetensors_) {
    for (const auto& file : safetensors_->files()) {
      if (file->damaged()) return true;
    }
  }
  for (const GgufFile* file : {text_gguf_.get(), vision_gguf_.get()}) {
    if (file == nullptr) continue;
    for (const auto& mapping : file->mappings()) {
      if (mapping->damaged()) return true;
    }
  }
  return false;
}

Status ModelFiles::CheckIntact() const {
  for (const auto& mapping : Mappings()) MCV_RETURN_IF_ERROR(mapping->CheckIntact());
  return OkStatus();
}

uint64_t ModelFiles::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const auto& mapping : Mappings()) bytes += mapping->in_memory() ? 0 : mapping->data().size();
  return bytes;
}

void ModelFiles::Drop(TensorFile half) const {
  for (const auto range : MappedRanges(half)) MappedFile::Drop(range);
}

}  // namespace mcv
