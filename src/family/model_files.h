// A model's files, opened together: an HF folder, or a GGUF pair. Answers what the model is
// (ModelConfig), where every tensor of the table lies, and whether all of them are there.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "family/config.h"
#include "family/tensors.h"
#include "formats/gguf/gguf_file.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {

struct OpenOptions {
  // GGUF only. Empty: a vision file in the LLM file's folder that belongs to it, whatever its name.
  std::string mmproj;
  bool text_only = false;  // do not look for an mmproj file
  // Instead of what the version (or the file's own key) says. kGrid for 2.5 is llama.cpp's rule.
  std::optional<PositionRule> position_rule;
  std::optional<BucketRule> bucket_rule;
  // For pairs from converters that divide the projector and do not say so.
  std::optional<bool> projector_predivided;
  // The caller will read the files into memory anyway: no word about those that cannot be mapped.
  bool reads_files = false;
  // Open although tensors are missing, misshapen or unknown: for the inspector.
  bool allow_incomplete = false;
};

// A GGUF pair that lies in memory, a model built into the program for instance. The bytes must
// outlive whatever is opened from them.
struct GgufPairBytes {
  std::span<const std::byte> text;
  std::span<const std::byte> vision;
  std::string name;         // for messages
  bool in_program = false;  // the bytes are part of the running program, and change only with it
};

// A tensor as it lies in the mapped file. Views the ModelFiles that gave it.
struct TensorData {
  DType type = DType::kF32;
  // As in the table; with `transposed` the bytes hold [cols, rows] instead.
  int64_t rows = 0;
  int64_t cols = 0;
  std::span<const std::byte> bytes;  // not necessarily aligned
  bool transposed = false;
  bool from_hf = false;
  std::string_view stored_name;
  const MappedFile* file = nullptr;  // null when the bytes are not from a file
};

// What the files hold compared with the table.
struct Completeness {
  std::vector<std::string> missing;     // "text.0.attn_q (GGUF blk.0.attn_q.weight, HF ...)"
  std::vector<std::string> wrong;       // full sentences: shape or type
  std::vector<std::string> unexpected;  // stored names, quoted, that no row of the table has
  // Unexpected tensors that would change the numbers (extra biases, norms, rotary factors).
  std::vector<std::string> foreign;
  bool ok() const { return missing.empty() && wrong.empty() && foreign.empty(); }
  // OK, or one message with the first few of each kind.
  Status ToStatus(const std::string& where) const;
};

// Owns the mappings. Immutable after Open: any number of threads may read. Moving keeps views
// valid.
class ModelFiles {
 public:
  // path: an HF folder (config.json) or a folder of the Hugging Face cache, the LLM's .gguf or any
  // part of a split one, or a folder with exactly one LLM .gguf.
  // The configuration is valid and, unless allow_incomplete, every tensor is there and as the table
  // says.
  static Result<ModelFiles> Open(const std::string& path, const OpenOptions& options = {});
  // The same from memory; options.mmproj is not looked at.
  static Result<ModelFiles> OpenBytes(const GgufPairBytes& pair, const OpenOptions& options = {});
  ModelFiles(ModelFiles&&) = default;
  ModelFiles& operator=(ModelFiles&&) = default;
  ModelFiles(const ModelFiles&) = delete;
  ModelFiles& operator=(const ModelFiles&) = delete;

  const ModelConfig& config() const { return config_; }
  const std::vector<TensorSpec>& tensors() const { return table_; }
  const TensorSpec* FindSpec(std::string_view id) const;

  // NotFound or Corrupt with the tensor's names, expected and actual shape.
  Result<TensorData> Find(const TensorSpec& spec) const;
  Result<TensorData> Find(std::string_view id) const;
  Completeness CheckComplete() const;

  // Where the tokenizer is read from: the folder (HF) or the LLM file (GGUF).
  bool is_hf() const { return safetensors_ != nullptr; }
  const std::string& folder() const { return folder_; }  // empty for GGUF
  const GgufFile* text_gguf() const { return text_gguf_.get(); }
  const GgufFile* vision_gguf() const { return vision_gguf_.get(); }
  const SafetensorsFile* safetensors() const { return safetensors_.get(); }
  // "llm.gguf + mmproj.gguf" or the folder: for messages.
  std::string Describe() const;
  // Not fatal, worth telling: an mmproj file beside the LLM that does not belong to it.
  const std::vector<std::string>& notes() const { return notes_; }
  // Where a vision file was looked for, and how to name one; empty if there is one, or none was
  // looked for.
  const std::string& why_no_vision() const { return why_no_vision_; }

  // Others may shorten the files while they are mapped, write to them, or take their disk away:
  // what is gone reads as zeros (base/mapped_file.h). damaged() is a load for each file: for every
  // step.
  bool damaged() const;
  // Also asks the system whether the files are as they were: Corrupt, naming the file. Files that
  // were replaced by others under the same name are still there while they are mapped: OK.
  Status CheckIntact() const;

  // Reads the mapped files into memory of this process's own, where they stay: for whoever wants no
  // page to come from a disk later. Views stay valid; nobody may read meanwhile, and after an error
  // nobody may read at all. Errors as MappedFile::ReadIntoMemory.
  Status ReadIntoMemory();
  // Bytes of the files that are mapped and not in memory.
  uint64_t mapped_bytes() const;

  // Gives the pages of one half of the model back to the system, which may keep them cached.
  void Drop(TensorFile half) const;
  // Where one half lies in its mapped files, in their order; empty for a model in memory.
  // Tensors that lie side by side are one range, so that no page between two of them is left out.
  // kReadWhole: without a table of which only the tokens' rows are looked up.
  enum class RangesOf { kAll, kReadWhole };
  std::vector<std::span<const std::byte>> MappedRanges(TensorFile half,
                                                       RangesOf which = RangesOf::kAll) const;

 private:
  ModelFiles() = default;
  Status OpenHf(const std::string& folder);
  Status OpenGguf(const std::string& path, const OpenOptions& options);
  Status FindMmprojBeside(const std::string& path);
  Status Finish(const OpenOptions& options);
  Status ApplyOptions(const OpenOptions& options);
  void BuildTable();
  std::vector<std::shared_ptr<MappedFile>> Mappings() const;
  const std::string& GgufName(const TensorSpec& spec) const;
  Result<TensorData> FindInGguf(const TensorSpec& spec) const;
  Result<TensorData> FindInHf(const TensorSpec& spec) const;

  ModelConfig config_;
  std::vector<TensorSpec> table_;
  std::unordered_map<std::string_view, size_t> index_;  // id -> row of table_
  std::string folder_;
  std::shared_ptr<const GgufFile> text_gguf_;
  std::shared_ptr<const GgufFile> vision_gguf_;
  std::shared_ptr<const SafetensorsFile> safetensors_;
  bool swapped_ffn_ = true;  // the tower's ffn names are the legacy ones
  std::vector<std::string> notes_;
  std::string why_no_vision_;
};

// The tensor as fp32 in the table's orientation [rows, cols] with q and k rows in HF order,
// whatever file it came from. Costs rows * cols * 4 bytes: for small tensors, converters and tests.
Result<std::vector<float>> ReadTensor(const ModelFiles& files, const TensorSpec& spec);

}  // namespace mcv
