#include "engine/pictures/encoder_identity.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/build_id.h"
#include "base/sha256.h"

namespace mcv {
namespace {

// Raise when rows mean something else than before without any of the numbers below changing.
constexpr int kRowsVersion = 1;

// Hashing a gigabyte would take seconds at every start. A file that was replaced or written to has
// another inode, length or time of change, which programs cannot set back; the samples are for file
// systems that make up inodes and times.
constexpr size_t kSamples = 16;
constexpr size_t kSampleBytes = 4096;

class Hasher {
 public:
  template <typename T>
  void Add(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);  // no padding
    sha_.Update(std::as_bytes(std::span(&value, 1)));
  }
  void Add(std::span<const std::byte> bytes) {
    Add(bytes.size());
    sha_.Update(bytes);
  }
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text))); }
  EncoderId Finish() { return sha_.Finish(); }

 private:
  Sha256 sha_;
};

void AddConfig(const ModelConfig& config, Hasher* hasher) {
  const VisionConfig& vision = config.vision;
  hasher->Add(config.version);
  for (const int number :
       {vision.width, vision.layers, vision.heads, vision.ffn, vision.patch, vision.table_side}) {
    hasher->Add(number);
  }
  hasher->Add(vision.norm_eps);
  hasher->Add(vision.activation);
  hasher->Add(vision.position_rule);
  hasher->Add(vision.bucket_rule);
  const ResamplerConfig& resampler = config.resampler;
  for (const int number :
       {resampler.queries, resampler.width, resampler.kv_width, resampler.heads}) {
    hasher->Add(number);
  }
  hasher->Add(resampler.norm_eps);
  hasher->Add(resampler.positions);
  for (const float number : config.image_mean) hasher->Add(number);
  for (const float number : config.image_std) hasher->Add(number);
  hasher->Add(config.projector_predivided);
  hasher->Add(config.text.embedding_scale);
}

void AddFile(const FileIdentity& file, Hasher* hasher) {
  hasher->Add(file.bytes);
  hasher->Add(file.inode);
  hasher->Add(file.modified_ns);
  hasher->Add(file.changed_ns);
}

void AddWeights(const ModelFiles& files, bool in_program, Hasher* hasher) {
  std::vector<TensorData> tensors;
  for (const TensorSpec& spec : files.tensors()) {
    if (spec.file != TensorFile::kVision) continue;
    auto data = files.Find(spec);
    if (data.ok()) tensors.push_back(*std::move(data));
  }
  const size_t stride = std::max<size_t>(1, tensors.size() / kSamples);
  const MappedFile* last = nullptr;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorData& tensor = tensors[i];
    hasher->Add(tensor.stored_name);
    hasher->Add(tensor.type);
    hasher->Add(tensor.rows);
    hasher->Add(tensor.cols);
    if (tensor.file == nullptr && !in_program) {
      hasher->Add(tensor.bytes);
      continue;
    }
    if (tensor.file != nullptr && tensor.file != last) AddFile(tensor.file->identity(), hasher);
    last = tensor.file;
    if (i % stride != 0) continue;
    const size_t middle = tensor.bytes.size() / 2;
    hasher->Add(tensor.bytes.subspan(middle, std::min(kSampleBytes, tensor.bytes.size() - middle)));
  }
}

// A kernel that was changed may round otherwise. The build that holds this code stands for it, be
// it a program or a library in somebody else's.
void AddBuild(Hasher* hasher) {
  static const std::vector<std::byte> build =
      BuildIdOf(reinterpret_cast<const void*>(&IdentifyEncoder));
  hasher->Add(std::span(build));
}

}  // namespace

EncoderId IdentifyEncoder(const ModelFiles& files, const ModelConfig& config,
                          const EncoderRun& run) {
  Hasher hasher;
  hasher.Add(kRowsVersion);
  AddBuild(&hasher);
  hasher.Add(run.numerics);
  hasher.Add(run.target);
  AddConfig(config, &hasher);
  AddWeights(files, run.weights_in_program, &hasher);
  return hasher.Finish();
}

}  // namespace mcv
