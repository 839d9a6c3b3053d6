// Collecting. How it is shown is model_report_text.cc.
#include "apps/cli/reports/model_report.h"

#include <filesystem>

#include "family/config_gguf.h"
#include "family/prompt/chat.h"
#include "family/tokenizer/tokenizer.h"
#include "formats/gguf/gguf_file.h"
#include "formats/printable.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownElements = 4;

std::string Show(bool value) { return value ? "true" : "false"; }
std::string Show(uint64_t value) { return std::to_string(value); }
std::string Show(int64_t value) { return std::to_string(value); }
std::string Show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", value);
  return text;
}
std::string Show(std::string_view value) { return Printable(value); }

template <typename T>
std::string Show(const std::vector<T>& values) {
  std::string text = std::to_string(values.size()) + " values: ";
  for (size_t i = 0; i < values.size() && i < kShownElements; ++i) {
    text += (i ? ", " : "") + Show(values[i]);
  }
  return text + (values.size() > kShownElements ? ", ..." : "");
}

void AddTensor(FileReport& report, StoredTensorInfo tensor) {
  TypeTotal& total = report.types[tensor.type];
  int64_t elements = 1;
  for (uint64_t axis : tensor.shape) elements *= static_cast<int64_t>(axis);
  ++total.tensors;
  total.elements += elements;
  total.bytes += tensor.bytes;
  report.tensors.push_back(std::move(tensor));
}

FileReport ReportOf(const GgufFile& file) {
  FileReport report;
  report.path = file.name();
  report.format = "GGUF version " + std::to_string(file.version());
  report.bytes = file.file_bytes();
  for (const GgufKey& key : file.keys()) {
    report.keys.emplace_back(
        Printable(key.name),
        std::visit([](const auto& value) { return Show(value); }, key.value.value));
  }
  for (const GgufTensor& tensor : file.tensors()) {
    AddTensor(report, {Printable(tensor.name), std::string(Traits(tensor.type).name), tensor.dims,
                       tensor.data.size()});
  }
  return report;
}

// One report per shard.
std::vector<FileReport> ReportsOf(const SafetensorsFile& file) {
  std::vector<FileReport> reports;
  std::map<const MappedFile*, size_t> by_file;
  for (const auto& shard : file.files()) {
    by_file[shard.get()] = reports.size();
    FileReport report;
    report.path = shard->path();
    report.format = "safetensors";
    report.bytes = shard->data().size();
    reports.push_back(std::move(report));
  }
  for (const SafeTensor& tensor : file.tensors()) {
    AddTensor(reports[by_file.at(tensor.file)],
              {Printable(tensor.name), tensor.dtype_name, tensor.shape, tensor.data.size()});
  }
  return reports;
}

const char* KindName(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kSentencePiece:
      return "SentencePiece BPE with byte fallback";
    case TokenizerKind::kLlama3Bpe:
      return "byte-level BPE, split as Llama 3";
    case TokenizerKind::kQwen2Bpe:
      return "byte-level BPE, split as Qwen2";
  }
  return "?";
}

void AddTokenizer(const ModelFiles& files, ModelReport& report) {
  const auto tokenizer = files.is_hf() ? LoadTokenizerFromFolder(files.folder())
                                       : LoadTokenizerFromGguf(*files.text_gguf());
  if (!tokenizer.ok()) {
    report.tokenizer.problem = tokenizer.status().ToString();
    return;
  }
  const Tokenizer& loaded = **tokenizer;
  report.tokenizer.kind = KindName(loaded.kind());
  report.tokenizer.tokens = loaded.vocab_size();
  for (int32_t id : loaded.stop_ids()) {
    report.tokenizer.stops.push_back(Printable(loaded.TokenBytes(id)));
  }
  report.chat_template = loaded.chat_template();
  if (loaded.vocab_size() > files.config().text.vocab) {
    report.problem = Corrupt(files.Describe() + ": the tokenizer has " +
                             std::to_string(loaded.vocab_size()) + " tokens but the model only " +
                             std::to_string(files.config().text.vocab) + " embeddings");
  }
  if (loaded.kind() != files.config().row().tokenizer) {
    report.notes.push_back(std::string("the tokenizer is ") + KindName(loaded.kind()) + "; " +
                           std::string(files.config().row().name) + " has " +
                           KindName(files.config().row().tokenizer));
  }
  const std::string note = NoteOnTemplate(files.config().row(), report.chat_template);
  if (!note.empty()) report.notes.push_back(note);
}

void AddModel(const ModelFiles& files, ModelReport& report) {
  if (files.is_hf()) {
    report.files = ReportsOf(*files.safetensors());
  } else {
    report.files.push_back(ReportOf(*files.text_gguf()));
    if (files.vision_gguf()) report.files.push_back(ReportOf(*files.vision_gguf()));
  }
  report.config = files.config();
  report.completeness = files.CheckComplete();
  report.problem = report.completeness.ToStatus(files.Describe());
  for (const TensorSpec& spec : files.tensors()) {
    int64_t& part = spec.file == TensorFile::kText      ? report.text_parameters
                    : spec.id.starts_with("resampler.") ? report.resampler_parameters
                                                        : report.tower_parameters;
    part += spec.elements();
  }
  report.notes = files.notes();
  if (!files.config().has_vision) {
    report.notes.push_back("no mmproj file: this model reads text only");
  }
  AddTokenizer(files, report);
}

// A container that is no model by itself, or not one that this program runs.
Result<ModelReport> ReportContainers(const std::string& path, const std::string& mmproj,
                                     const Status& problem) {
  ModelReport report;
  report.problem = problem;
  if (path.ends_with(".safetensors") || path.ends_with(".index.json")) {
    MCV_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    report.files = ReportsOf(file);
    return report;
  }
  std::error_code error;
  if (fs::is_directory(path, error)) return problem;
  for (const std::string& name : {path, mmproj}) {
    if (name.empty()) continue;
    MCV_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(name));
    report.files.push_back(ReportOf(file));
    if (name == path && mmproj.empty() && IsMmprojGguf(file)) {
      report.problem = InvalidArgument(path +
                                       ": is the vision half of a pair; inspect the language "
                                       "model's file, or both with --mmproj");
    }
  }
  return report;
}

}  // namespace

Result<ModelReport> MakeModelReport(const std::string& path, const std::string& mmproj) {
  OpenOptions options;
  options.mmproj = mmproj;
  options.allow_incomplete = true;
  const auto files = ModelFiles::Open(path, options);
  if (!files.ok()) return ReportContainers(path, mmproj, files.status());
  ModelReport report;
  AddModel(*files, report);
  return report;
}

}  // namespace mcv::cli
