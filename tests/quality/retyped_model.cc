#include "tests/quality/retyped_model.h"

#include <filesystem>

#include "formats/gguf/gguf_writer.h"
#include "formats/quant/quant.h"

namespace mcv::quality {
namespace {

struct Tally {
  double elements = 0;
  double in_type = 0;
  double bits = 0;
};

// Keys as they are; general.file_type then is the source's, which nothing reads.
Status WriteRetyped(const GgufFile& source, DType type, const std::string& path, Tally* tally) {
  GgufWriter writer;
  for (const GgufKey& key : source.keys()) writer.AddValue(key.name, key.value);
  for (const GgufTensor& tensor : source.tensors()) {
    if (tensor.dims.size() < 2) {  // norms
      writer.AddTensor(tensor.name, tensor.type, tensor.dims, tensor.data);
      continue;
    }
    const DType stored = RowBytes(type, tensor.columns()) ? type : DType::kF16;
    MCV_ASSIGN_OR_RETURN(const std::vector<float> values,
                         Dequantize(tensor.type, tensor.data, tensor.rows(), tensor.columns()));
    MCV_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                         Quantize(stored, values, tensor.rows(), tensor.columns()));
    writer.AddTensor(tensor.name, stored, tensor.dims, bytes);
    const double elements = static_cast<double>(values.size());
    tally->elements += elements;
    tally->in_type += stored == type ? elements : 0;
    tally->bits += 8.0 * static_cast<double>(bytes.size());
  }
  return writer.Write(path);
}

}  // namespace

Result<std::unique_ptr<RetypedModel>> RetypedModel::Make(const GgufFile& source, DType type,
                                                         const std::string& path) {
  Tally tally;
  MCV_RETURN_IF_ERROR(WriteRetyped(source, type, path, &tally));
  OpenOptions options;
  options.text_only = true;
  Result<ModelFiles> files = ModelFiles::Open(path, options);
  std::filesystem::remove(path);  // the mapping stays
  if (!files.ok()) return files.status();
  std::unique_ptr<RetypedModel> model(new RetypedModel(type, *std::move(files)));
  MCV_ASSIGN_OR_RETURN(model->weights_, Weights::Bind(model->files_));
  model->share_ = tally.in_type / tally.elements;
  model->bits_per_weight_ = tally.bits / tally.elements;
  return model;
}

}  // namespace mcv::quality
