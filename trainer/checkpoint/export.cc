#include "trainer/checkpoint/export.h"

#include <cstring>
#include <filesystem>
#include <map>

#include "family/export_hf.h"
#include "family/tokenizer_data.h"
#include "trainer/checkpoint/weights_tokenizer.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

// Reads rows of a parameter as the table wants them: a slice of a joint projection, a convolution
// as a matrix, or a matrix that is stored the other way round.
Result<std::vector<float>> ReadParameter(const std::map<std::string, Tensor>& parameters,
                                         const TensorSpec& spec) {
  const auto found = parameters.find(spec.hf_name);
  if (found == parameters.end()) {
    return Internal("export: this model has no parameter " + spec.hf_name);
  }
  Tensor t = found->second.detach().cpu().to(at::kFloat);
  if (spec.hf_transposed) {
    t = t.t();
  } else {
    t = t.reshape({-1, spec.cols}).narrow(0, spec.hf_row_begin, spec.rows);
  }
  t = t.contiguous();
  if (t.numel() != spec.elements()) {
    return Internal("export: parameter " + spec.hf_name + " has " + std::to_string(t.numel()) +
                    " values, expected " + std::to_string(spec.elements()));
  }
  std::vector<float> values(static_cast<size_t>(t.numel()));
  std::memcpy(values.data(), t.data_ptr(), values.size() * sizeof(float));
  return values;
}

TensorGetter GetterOf(const ExportSource& source) {
  std::map<std::string, Tensor> parameters(source.parameters.begin(), source.parameters.end());
  return [parameters = std::move(parameters)](const TensorSpec& spec) {
    return ReadParameter(parameters, spec);
  };
}

Status WriteHeads(const ExportSource& source, const std::string& folder) {
  const fs::path path = fs::path(folder) / kHeadsFile;
  if (!source.heads.empty()) return SaveTensors(path.string(), source.heads, DType::kF32);
  std::error_code error;
  fs::remove(path, error);  // of another model that was exported here before
  if (error) return IoError(path.string() + ": cannot remove it: " + error.message());
  return OkStatus();
}

}  // namespace

Status ExportHfFolder(const ExportSource& source, DType type, const std::string& folder) {
  MCV_ASSIGN_OR_RETURN(const TokenizerData tokenizer,
                       ReadTokenizerData(source.tokenizer_dir, source.config));
  HfExport out;
  out.config = source.config;
  out.tensor = GetterOf(source);
  out.type = type;
  if (tokenizer.bos) out.bos_id = static_cast<int>(*tokenizer.bos);
  if (tokenizer.eos) out.eos_id = static_cast<int>(*tokenizer.eos);
  MCV_RETURN_IF_ERROR(WriteHfFolder(out, folder));
  MCV_RETURN_IF_ERROR(CopyTokenizer(source.tokenizer_dir, folder));
  return WriteHeads(source, folder);
}

Status ExportGgufPair(const ExportSource& source, QuantMix mix, const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError(folder + ": cannot make the folder: " + error.message());
  GgufExport out;
  out.config = source.config;
  out.tensor = GetterOf(source);
  MCV_ASSIGN_OR_RETURN(out.tokenizer, ReadTokenizerData(source.tokenizer_dir, source.config));
  out.text_mix = mix;
  out.vision_mix = mix;
  const std::string name(QuantMixName(mix));
  MCV_RETURN_IF_ERROR(WriteTextGguf(out, (fs::path(folder) / ("llm-" + name + ".gguf")).string()));
  MCV_RETURN_IF_ERROR(
      WriteVisionGguf(out, (fs::path(folder) / ("mmproj-" + name + ".gguf")).string()));
  return WriteHeads(source, folder);
}

}  // namespace mcv::trainer
