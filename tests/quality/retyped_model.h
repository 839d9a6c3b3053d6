// A language model with every matrix stored in one type: the model of a GGUF file, written anew by
// the project's own quantisers and opened as any other file.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "family/model_files.h"
#include "formats/dtype.h"
#include "formats/gguf/gguf_file.h"
#include "model/weights.h"

namespace mcv::quality {

// Immutable after Make. The file is deleted as soon as it is mapped.
class RetypedModel {
 public:
  // `source`: the LLM's file, not an encoder's; what its matrices stand for is what is quantised.
  // `path`: where the file lies for a moment. A matrix whose rows are not whole blocks becomes F16.
  static Result<std::unique_ptr<RetypedModel>> Make(const GgufFile& source, DType type,
                                                    const std::string& path);

  DType type() const { return type_; }
  const TextConfig& config() const { return files_.config().text; }
  const TextWeights& weights() const { return weights_.text(); }
  // Of the elements of all matrices, those that really are in the type: 0 to 1.
  double share() const { return share_; }
  // Of the whole file's matrices, the fallbacks included.
  double bits_per_weight() const { return bits_per_weight_; }

 private:
  RetypedModel(DType type, ModelFiles files) : type_(type), files_(std::move(files)) {}

  DType type_;
  ModelFiles files_;
  Weights weights_;
  double share_ = 0.0;
  double bits_per_weight_ = 0.0;
};

}  // namespace mcv::quality
