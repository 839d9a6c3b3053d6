// A tokenizer.model; what can be loaded must also encode and decode.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "family/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = mcv::ParseSentencePieceModel(bytes, "", "fuzz");
  if (!tokenizer.ok()) return 0;
  const auto ids = (*tokenizer)->EncodeText("the <image> im\n....\xE4\xB8\xAD<reserved_20>");
  for (const int32_t id : ids) {
    if (id < 0 || id >= (*tokenizer)->vocab_size() || (*tokenizer)->IsControl(id)) std::abort();
  }
  (void)(*tokenizer)->Decode(ids);
  return 0;
}
