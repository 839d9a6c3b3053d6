#include "base/trace.h"

namespace mcv {

const char* ZoneName(Zone zone) {
  switch (zone) {
    case Zone::kLoad:
      return "load";
    case Zone::kDecodeImage:
      return "decode_image";
    case Zone::kResize:
      return "resize";
    case Zone::kPatchEmbed:
      return "patch_embed";
    case Zone::kVisionAttention:
      return "vision_attention";
    case Zone::kVisionMlp:
      return "vision_mlp";
    case Zone::kResampler:
      return "resampler";
    case Zone::kTokenize:
      return "tokenize";
    case Zone::kPrefill:
      return "prefill";
    case Zone::kTextAttention:
      return "text_attention";
    case Zone::kTextMlp:
      return "text_mlp";
    case Zone::kHead:
      return "head";
    case Zone::kDecode:
      return "decode";
    case Zone::kSample:
      return "sample";
    case Zone::kNumZones:
      break;
  }
  return "unknown";
}

}  // namespace mcv
