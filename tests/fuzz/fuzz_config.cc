// What a model says about itself. A text that begins with '{' is a config.json, followed after a
// zero byte by a preprocessor_config.json; any other input is a language model's GGUF, followed by
// an mmproj file where the magic stands a second time.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "family/config_hf.h"
#include "family/model_files.h"
#include "family/tensors.h"

namespace mcv {
namespace {

// A configuration that passed is one whose table can be built.
void WalkTable(const ModelConfig& config) {
  MCV_CHECK(Validate(config).ok());
  // The largest table that is allowed has some twenty thousand rows; small ones suffice here.
  if (config.text.layers > 8 || config.vision.layers > 8) return;
  for (const TensorSpec& spec : TensorTable(config)) {
    MCV_CHECK(spec.rows > 0 && spec.cols > 0 && spec.elements() > 0);
  }
}

void TryHf(std::string_view input) {
  const size_t end = std::min(input.find('\0'), input.size());
  const std::string preprocessor(input.substr(std::min(end + 1, input.size())));
  const auto config = ParseHfConfig(std::string(input.substr(0, end)), preprocessor, "fuzz");
  if (config.ok()) WalkTable(*config);
}

void TryGguf(std::span<const uint8_t> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const size_t second = std::min(text.find("GGUF", 4), text.size());
  const auto bytes = std::as_bytes(input);
  OpenOptions options;
  options.allow_incomplete = true;
  options.text_only = second == text.size();
  const auto files =
      ModelFiles::OpenBytes({bytes.first(second), bytes.subspan(second), "fuzz"}, options);
  if (!files.ok()) return;
  WalkTable(files->config());
  if (files->tensors().size() > 256) return;
  const bool complete = files->CheckComplete().missing.empty();
  for (const TensorSpec& spec : files->tensors()) {
    const auto tensor = files->Find(spec);
    MCV_CHECK(!complete || tensor.status().code() != StatusCode::kNotFound);
    MCV_CHECK(!tensor.ok() || tensor->bytes.size() > 0);
  }
}

}  // namespace
}  // namespace mcv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == '{') {
    mcv::TryHf({reinterpret_cast<const char*>(data), size});
  } else if (size >= 4) {
    mcv::TryGguf({data, size});
  }
  return 0;
}
