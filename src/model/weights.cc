#include "model/weights.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "family/model_files.h"
#include "formats/quant/quant.h"

namespace mcv {

// Asks the files for one tensor after the other by its name in the table; the first error sticks.
class WeightBinder {
 public:
  WeightBinder(const ModelFiles& files, bool shapes_only)
      : files_(files), shapes_only_(shapes_only) {}

  Result<Weights> Bind() {
    BindText();
    if (files_.config().has_vision) {
      BindVision();
      BindResampler();
    }
    if (!status_.ok()) return status_;
    return std::move(out_);
  }

 private:
  void BindText();
  void BindVision();
  void BindResampler();

  WeightView Matrix(const std::string& id);
  // fp32, in place where the file has it so.
  const float* Vector(const std::string& id);
  const float* VectorIfThere(const std::string& id) {
    return files_.FindSpec(id) != nullptr ? Vector(id) : nullptr;
  }
  Linear LinearOf(const std::string& id) { return {Matrix(id), VectorIfThere(id + ".bias")}; }
  Norm NormOf(const std::string& id) { return {Vector(id), Vector(id + ".bias")}; }

  const std::byte* Turned(const TensorData& data);
  const float* Converted(const std::string& id, const TensorData& data);
  void Fail(const Status& status) {
    if (status_.ok()) status_ = status;
  }
  Status NoMemory(const std::string& id) {
    return ResourceExhausted(files_.Describe() + ": no memory for tensor " + id);
  }

  const ModelFiles& files_;
  const bool shapes_only_;
  Weights out_;
  Status status_;
};

WeightView WeightBinder::Matrix(const std::string& id) {
  const auto data = files_.Find(id);
  if (!data.ok()) {
    Fail(data.status());
    return {};
  }
  WeightView view;
  view.type = data->type;
  view.rows = data->rows;
  view.cols = data->cols;
  view.data = data->transposed ? Turned(*data) : data->bytes.data();
  if (view.data == nullptr) Fail(NoMemory(id));
  return view;
}

// The stored [inputs, outputs] matrix as [outputs, inputs], element by element in the file's own
// type: HF files hold plain types only.
const std::byte* WeightBinder::Turned(const TensorData& data) {
  out_.owned_bytes_ += data.bytes.size();
  if (shapes_only_) return data.bytes.data();
  const size_t element = Traits(data.type).block_bytes;
  auto turned = std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[data.bytes.size()]);
  if (turned == nullptr) return nullptr;
  for (int64_t row = 0; row < data.rows; ++row) {
    for (int64_t col = 0; col < data.cols; ++col) {
      std::memcpy(turned.get() + static_cast<size_t>(row * data.cols + col) * element,
                  data.bytes.data() + static_cast<size_t>(col * data.rows + row) * element,
                  element);
    }
  }
  out_.matrices_.push_back(std::move(turned));
  return out_.matrices_.back().get();
}

const float* WeightBinder::Vector(const std::string& id) {
  const auto data = files_.Find(id);
  if (!data.ok()) {
    Fail(data.status());
    return nullptr;
  }
  const bool aligned = reinterpret_cast<uintptr_t>(data->bytes.data()) % alignof(float) == 0;
  if (data->type == DType::kF32 && aligned) {
    return reinterpret_cast<const float*>(data->bytes.data());
  }
  out_.owned_bytes_ += static_cast<uint64_t>(data->rows * data->cols) * sizeof(float);
  return shapes_only_ ? nullptr : Converted(id, *data);
}

const float* WeightBinder::Converted(const std::string& id, const TensorData& data) {
  const size_t count = static_cast<size_t>(data.rows * data.cols);
  auto values = std::unique_ptr<float[]>(new (std::nothrow) float[count]);
  if (values == nullptr) {
    Fail(NoMemory(id));
    return nullptr;
  }
  const uint64_t row_bytes = data.bytes.size() / static_cast<uint64_t>(data.rows);
  for (int64_t row = 0; row < data.rows; ++row) {
    DequantizeRow(data.type, data.bytes.data() + static_cast<uint64_t>(row) * row_bytes,
                  {values.get() + row * data.cols, static_cast<size_t>(data.cols)});
  }
  out_.vectors_.push_back(std::move(values));
  return out_.vectors_.back().get();
}

void WeightBinder::BindText() {
  TextWeights& text = out_.text_;
  text.embedding = Matrix("text.embed");
  for (int i = 0; i < files_.config().text.layers; ++i) {
    const std::string id = "text." + std::to_string(i) + ".";
    TextLayerWeights& layer = text.layers.emplace_back();
    layer.attn_norm = Vector(id + "attn_norm");
    layer.q = LinearOf(id + "attn_q");
    layer.k = LinearOf(id + "attn_k");
    layer.v = LinearOf(id + "attn_v");
    layer.out = Matrix(id + "attn_out");
    layer.ffn_norm = Vector(id + "ffn_norm");
    layer.gate = Matrix(id + "ffn_gate");
    layer.up = Matrix(id + "ffn_up");
    layer.down = Matrix(id + "ffn_down");
  }
  text.final_norm = Vector("text.final_norm");
  text.head = files_.config().text.tied_head ? text.embedding : Matrix("text.head");
}

void WeightBinder::BindVision() {
  VisionWeights& vision = out_.vision_;
  vision.patch = LinearOf("vision.patch");
  vision.positions = Matrix("vision.positions");
  for (int i = 0; i < files_.config().vision.layers; ++i) {
    const std::string id = "vision." + std::to_string(i) + ".";
    VisionLayerWeights& layer = vision.layers.emplace_back();
    layer.norm1 = NormOf(id + "ln1");
    layer.q = LinearOf(id + "attn_q");
    layer.k = LinearOf(id + "attn_k");
    layer.v = LinearOf(id + "attn_v");
    layer.out = LinearOf(id + "attn_out");
    layer.norm2 = NormOf(id + "ln2");
    layer.fc1 = LinearOf(id + "fc1");
    layer.fc2 = LinearOf(id + "fc2");
  }
  vision.final_norm = NormOf("vision.post_ln");
}

void WeightBinder::BindResampler() {
  ResamplerWeights& resampler = out_.resampler_;
  resampler.query = Vector("resampler.query");
  resampler.positions = VectorIfThere("resampler.positions");
  resampler.kv = Matrix("resampler.kv");
  resampler.norm_query = NormOf("resampler.ln_q");
  resampler.norm_kv = NormOf("resampler.ln_kv");
  resampler.norm_post = NormOf("resampler.ln_post");
  resampler.q = LinearOf("resampler.attn_q");
  resampler.k = LinearOf("resampler.attn_k");
  resampler.v = LinearOf("resampler.attn_v");
  resampler.out = LinearOf("resampler.attn_out");
  resampler.proj = Matrix("resampler.proj");
}

Result<Weights> Weights::Bind(const ModelFiles& files) {
  return WeightBinder(files, /*shapes_only=*/false).Bind();
}

Result<Weights> Weights::BindShapes(const ModelFiles& files) {
  return WeightBinder(files, /*shapes_only=*/true).Bind();
}

}  // namespace mcv
