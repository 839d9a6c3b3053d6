#include "family/model_files.h"

#include <algorithm>
#include <set>

#include "base/no_throw.h"
#include "family/config_gguf.h"
#include "family/config_hf.h"
#include "family/model_kinds.h"
#include "family/model_location.h"
#include "formats/printable.h"
#include "formats/quant/quant.h"

namespace mcv {
namespace {

constexpr size_t kNamesInMessage = 6;

template <typename T>
std::string ShapeText(const std::vector<T>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string SpecName(const TensorSpec& spec) {
  std::string text = spec.id + " (GGUF " + spec.gguf_name;
  if (!spec.gguf_other_name.empty()) text += " or " + spec.gguf_other_name;
  return text + ", HF " + spec.hf_name + ")";
}

// Shapes are equal up to trailing axes of length 1 (GGUF lists the fastest axis first).
bool SameDims(const std::vector<uint64_t>& found, const std::vector<int64_t>& expected) {
  const size_t rank = std::max(found.size(), expected.size());
  for (size_t i = 0; i < rank; ++i) {
    const uint64_t a = i < found.size() ? found[i] : 1;
    const uint64_t b = i < expected.size() ? static_cast<uint64_t>(expected[i]) : 1;
    if (a != b) return false;
  }
  return true;
}

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

// Vectors are read as floats; matrices and tables may also be quantised. Integers never occur.
Status CheckType(const TensorSpec& spec, DType type, const std::string& where) {
  if (IsFloat(type) || (!spec.is_vector() && Traits(type).quantised)) return OkStatus();
  return Unsupported(where + ": tensor " + SpecName(spec) + " has type " +
                     std::string(Traits(type).name) + ", expected F32, F16 or BF16" +
                     (spec.is_vector() ? "" : " or a quantised type"));
}

Status CheckBytes(const TensorSpec& spec, const TensorData& data, const std::string& where) {
  const auto row_bytes = RowBytes(data.type, static_cast<uint64_t>(spec.cols));
  if (row_bytes && data.bytes.size() == *row_bytes * static_cast<uint64_t>(spec.rows)) {
    return OkStatus();
  }
  return Corrupt(where + ": tensor " + SpecName(spec) + ": " + std::to_string(spec.rows) +
                 " rows of " + std::to_string(spec.cols) + " elements as " +
                 std::string(Traits(data.type).name) + " do not fit its " +
                 std::to_string(data.bytes.size()) + " bytes");
}

// Tensors of the decoder that no row of the table has would have taken part in the computation.
bool IsForeign(const std::string& name, const ModelConfig& config) {
  if (name == "llm.lm_head.weight" && config.text.tied_head) return false;
  return name.starts_with("blk.") || name.starts_with("rope_") || name.starts_with("output") ||
         name.starts_with("token_") || name.starts_with("llm.");
}

std::string FirstFew(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kNamesInMessage; ++i) {
    text += (i ? "; " : "") + names[i];
  }
  if (names.size() > kNamesInMessage) {
    text += "; and " + std::to_string(names.size() - kNamesInMessage) + " more";
  }
  return text;
}

Result<std::shared_ptr<const GgufFile>> OpenGgufFile(const std::string& path) {
  MCV_ASSIGN_OR_RETURN(GgufFile file, GgufFile::Open(path));
  MCV_RETURN_IF_ERROR(CheckIsModel(file));
  return std::make_shared<const GgufFile>(std::move(file));
}

Result<std::shared_ptr<const GgufFile>> ParseGgufBytes(std::span<const std::byte> bytes,
                                                       const std::string& name) {
  MCV_ASSIGN_OR_RETURN(GgufFile file, GgufFile::Parse(bytes, name));
  const auto parts = file.FindKey("split.count") ? file.GetUint("split.count") : uint64_t{1};
  if (parts.ok() && *parts > 1) {
    return Unsupported(name + ": is one of " + std::to_string(*parts) +
                       " parts of a split model; join them into one file first");
  }
  return std::make_shared<const GgufFile>(std::move(file));
}

}  // namespace

Status Completeness::ToStatus(const std::string& where) const {
  std::string text;
  const auto add = [&text](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    if (!text.empty()) text += ". ";
    text += std::string(what) + FirstFew(names);
  };
  add("missing tensors: ", missing);
  add("", wrong);
  add("tensors that this version's decoder does not have: ", foreign);
  if (text.empty()) return OkStatus();
  return Corrupt(where + ": " + text);
}

Result<ModelFiles> ModelFiles::Open(const std::string& path, const OpenOptions& options) {
  return WithoutThrowing(path, [&]() -> Result<ModelFiles> {
    MCV_ASSIGN_OR_RETURN(const ModelLocation located, LocateModel(path));
    ModelFiles files;
    MCV_RETURN_IF_ERROR(located.hf ? files.OpenHf(located.path)
                                   : files.OpenGguf(located.path, options));
    MCV_RETURN_IF_ERROR(files.Finish(options));
    return files;
  });
}

Result<ModelFiles> ModelFiles::OpenBytes(const GgufPairBytes& pair, const OpenOptions& options) {
  ModelFiles files;
  MCV_ASSIGN_OR_RETURN(files.text_gguf_, ParseGgufBytes(pair.text, pair.name));
  if (!options.text_only) {
    MCV_ASSIGN_OR_RETURN(files.vision_gguf_, ParseGgufBytes(pair.vision, pair.name + " (mmproj)"));
  }
  MCV_ASSIGN_OR_RETURN(files.config_, ReadGgufConfig(*files.text_gguf_, files.vision_gguf_.get()));
  MCV_RETURN_IF_ERROR(files.Finish(options));
  return files;
}

Status ModelFiles::Finish(const OpenOptions& options) {
  for (const auto& mapping : Mappings()) {
    if (options.reads_files || mapping->read_because().empty()) continue;
    notes_.push_back(mapping->path() + " " + mapping->read_because() +
                     ": it was read into memory, as --no-mmap does");
  }
  MCV_RETURN_IF_ERROR(ApplyOptions(options));
  BuildTable();
  return options.allow_incomplete ? OkStatus() : CheckComplete().ToStatus(Describe());
}

Status ModelFiles::OpenHf(const std::string& folder) {
  folder_ = folder;
  MCV_ASSIGN_OR_RETURN(config_, ReadHfConfig(folder));
  MCV_RETURN_IF_ERROR(CheckHasSafetensors(folder));
  MCV_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(folder));
  MCV_RETURN_IF_ERROR(CheckIsPlainModel(file, folder));
  safetensors_ = std::make_shared<const SafetensorsFile>(std::move(file));
  return OkStatus();
}

Status ModelFiles::OpenGguf(const std::string& path, const OpenOptions& options) {
  MCV_ASSIGN_OR_RETURN(text_gguf_, OpenGgufFile(path));
  if (!options.mmproj.empty()) {
    MCV_ASSIGN_OR_RETURN(vision_gguf_, OpenGgufFile(options.mmproj));
    MCV_ASSIGN_OR_RETURN(config_, ReadGgufConfig(*text_gguf_, vision_gguf_.get()));
    return OkStatus();
  }
  // The LLM's own faults are told before any mmproj file is looked at.
  MCV_ASSIGN_OR_RETURN(config_, ReadGgufConfig(*text_gguf_, nullptr));
  return options.text_only ? OkStatus() : FindMmprojBeside(path);
}

// Those that belong to the model are known by what they say, not by their names.
Status ModelFiles::FindMmprojBeside(const std::string& path) {
  const std::string folder = FolderOf(path);
  std::vector<std::string> refused;
  std::vector<std::string> others;
  for (const std::string& candidate : GgufsIn(folder, GgufRole::kVision)) {
    auto file = OpenGgufFile(candidate);
    auto config =
        file.ok() ? ReadGgufConfig(*text_gguf_, file->get()) : Result<ModelConfig>(file.status());
    if (!config.ok()) {
      refused.push_back(candidate + " is not used: " + config.status().message());
    } else if (vision_gguf_ == nullptr) {
      vision_gguf_ = *file;
      config_ = *std::move(config);
    } else {
      others.push_back(candidate);
    }
  }
  if (vision_gguf_ != nullptr) {
    if (others.empty()) return OkStatus();
    notes_.push_back("several vision files belong to this model: " + vision_gguf_->name() +
                     " is used, --mmproj chooses another (" + FirstFew(others) + ")");
    return OkStatus();
  }
  notes_ = std::move(refused);
  why_no_vision_ = "no vision file (mmproj) that belongs to " + path + " lies in " + folder +
                   ": put it there or name it with --mmproj";
  return OkStatus();
}

Status ModelFiles::ApplyOptions(const OpenOptions& options) {
  if (options.position_rule) config_.vision.position_rule = *options.position_rule;
  if (options.bucket_rule) config_.vision.bucket_rule = *options.bucket_rule;
  if (options.projector_predivided) {
    config_.projector_predivided = *options.projector_predivided;
  }
  return Validate(config_);
}

void ModelFiles::BuildTable() {
  table_ = TensorTable(config_);
  for (size_t i = 0; i < table_.size(); ++i) index_.emplace(table_[i].id, i);
  if (!vision_gguf_) return;
  // Legacy names: the input of "ffn_down" is the tower's width (model-spec 3.4.4).
  const GgufTensor* down = vision_gguf_->FindTensor("v.blk.0.ffn_down.weight");
  swapped_ffn_ = down && down->columns() == static_cast<uint64_t>(config_.vision.width);
}

const TensorSpec* ModelFiles::FindSpec(std::string_view id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &table_[found->second];
}

Result<TensorData> ModelFiles::Find(std::string_view id) const {
  const TensorSpec* spec = FindSpec(id);
  if (!spec) return NotFound(Describe() + ": this model has no tensor '" + std::string(id) + "'");
  return Find(*spec);
}

Result<TensorData> ModelFiles::Find(const TensorSpec& spec) const {
  return is_hf() ? FindInHf(spec) : FindInGguf(spec);
}

const std::string& ModelFiles::GgufName(const TensorSpec& spec) const {
  return spec.ffn_swap && !swapped_ffn_ ? spec.gguf_other_name : spec.gguf_name;
}

Result<TensorData> ModelFiles::FindInGguf(const TensorSpec& spec) const {
  const GgufFile* file = spec.file == TensorFile::kText ? text_gguf_.get() : vision_gguf_.get();
  if (!file) return NotFound("tensor " + SpecName(spec) + ": no mmproj file was given");
  const GgufTensor* tensor = file->FindTensor(GgufName(spec));
  if (!tensor) return NotFound(file->name() + ": tensor " + SpecName(spec) + " is missing");
  const bool flat = SameDims(tensor->dims, {spec.cols, spec.rows});
  if (!flat && !SameDims(tensor->dims, spec.gguf_dims)) {
    return Corrupt(file->name() + ": tensor " + SpecName(spec) + " has dims " +
                   ShapeText(tensor->dims) + ", expected " + ShapeText(spec.gguf_dims) +
                   " (fastest first)");
  }
  MCV_RETURN_IF_ERROR(CheckType(spec, tensor->type, file->name()));
  TensorData data;
  data.type = tensor->type;
  data.rows = spec.rows;
  data.cols = spec.cols;
  data.bytes = tensor->data;
  data.stored_name = tensor->name;
  data.file = tensor->file;
  MCV_RETURN_IF_ERROR(CheckBytes(spec, data, file->name()));
  return data;
}

Result<TensorData> ModelFiles::FindInHf(const TensorSpec& spec) const {
  const SafeTensor* tensor = safetensors_->Find(spec.hf_name);
  if (!tensor) return NotFound(folder_ + ": tensor " + SpecName(spec) + " is missing");
  if (!std::equal(tensor->shape.begin(), tensor->shape.end(), spec.hf_shape.begin(),
                  spec.hf_shape.end(),
                  [](uint64_t a, int64_t b) { return a == static_cast<uint64_t>(b); })) {
    return Corrupt(folder_ + ": tensor " + SpecName(spec) + " has shape " +
                   ShapeText(tensor->shape) + ", expected " + ShapeText(spec.hf_shape));
  }
  if (!tensor->known || !IsFloat(tensor->type)) {
    return Unsupported(folder_ + ": tensor " + SpecName(spec) + " has type " + tensor->dtype_name +
                       ", expected F32, F16 or BF16");
  }
  TensorData data;
  data.type = tensor->type;
  data.rows = spec.rows;
  data.cols = spec.cols;
  data.from_hf = true;
  data.transposed = spec.hf_transposed;
  data.stored_name = tensor->name;
  data.file = tensor->file;
  // Plain types only, so a row's bytes always exist; the whole tensor's size was checked by the
  // parser against the shape just compared.
  const uint64_t row_bytes = *RowBytes(data.type, static_cast<uint64_t>(spec.cols));
  data.bytes = tensor->data.subspan(spec.hf_row_begin * row_bytes, spec.rows * row_bytes);
  MCV_RETURN_IF_ERROR(CheckBytes(spec, data, folder_));
  return data;
}

Completeness ModelFiles::CheckComplete() const {
  Completeness out;
  std::set<std::string_view> known;
  for (const TensorSpec& spec : table_) {
    known.insert(is_hf() ? std::string_view(spec.hf_name) : std::string_view(GgufName(spec)));
    const auto data = Find(spec);
    if (data.ok()) continue;
    if (data.status().code() == StatusCode::kNotFound) {
      out.missing.push_back(SpecName(spec));
    } else {
      out.wrong.push_back(data.status().message());
    }
  }
  const auto note = [&](std::string_view name) {
    if (known.count(name) || IsComputedTensor(name)) return;
    auto& list = IsForeign(std::string(name), config_) ? out.foreign : out.unexpected;
    list.push_back(Printable(name));
  };
  if (safetensors_) {
    for (const SafeTensor& tensor : safetensors_->tensors()) note(tensor.name);
  }
  for (const GgufFile* file : {text_gguf_.get(), vision_gguf_.get()}) {
    if (!file) continue;
    for (const GgufTensor& tensor : file->tensors()) note(tensor.name);
  }
  return out;
}

std::string ModelFiles::Describe() const {
  if (is_hf()) return folder_;
  return vision_gguf_ ? text_gguf_->name() + " + " + vision_gguf_->name() : text_gguf_->name();
}

namespace {

// Adjacent pairs back to halves.
std::vector<float> Unpermuted(const std::vector<float>& stored, const TensorSpec& spec,
                              int64_t head_dim) {
  // A bias is one row of many columns; its elements move like a weight's rows.
  const int64_t rows = spec.is_vector() ? spec.cols : spec.rows;
  const int64_t width = spec.elements() / rows;
  std::vector<float> out(stored.size());
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = stored.data() + RopeRowOfHf(row, head_dim) * width;
    std::copy(from, from + width, out.data() + row * width);
  }
  return out;
}

}  // namespace

Result<std::vector<float>> ReadTensor(const ModelFiles& files, const TensorSpec& spec) {
  MCV_ASSIGN_OR_RETURN(const TensorData data, files.Find(spec));
  const int64_t stored_rows = data.transposed ? data.cols : data.rows;
  const int64_t stored_cols = data.transposed ? data.rows : data.cols;
  MCV_ASSIGN_OR_RETURN(std::vector<float> values,
                       Dequantize(data.type, data.bytes, stored_rows, stored_cols));
  if (data.transposed) return Transposed(values, data.cols, data.rows);
  const TextConfig& text = files.config().text;
  if (spec.rope_heads > 0 && text.rope_pairing == RopePairing::kAdjacent) {
    return Unpermuted(values, spec, text.head_dim);
  }
  return values;
}

}  // namespace mcv
