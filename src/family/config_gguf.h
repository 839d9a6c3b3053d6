// ModelConfig from a GGUF pair: the LLM file, and the mmproj file with tower and resampler.
//
// Version: the own key `minicpmv.version` ("1.0") in either file wins. Else the mmproj's
// clip.minicpmv_version decides (1 = 2.0, 2 = 2.5, 3 = 2.6; when absent: 1 beside a minicpm LLM,
// else 2, the first files of 2.5). An LLM file alone is taken for the version whose architecture it
// has; a minicpm file alone, whose architecture 1.0 and 2.0 share, for 2.0.
//
// Own optional keys of the mmproj file, ignored by other programs:
//   clip.vision.position_rule      string  "strip" or "grid": how the model was trained
//   clip.minicpmv_max_slice_nums   u32     largest number of slices (default 9)
//   clip.minicpmv_predivided       bool    the projector is already divided by embedding_scale
// Without the last key the projector counts as not divided.
#pragma once

#include "base/status.h"
#include "family/config.h"
#include "formats/gguf/gguf_file.h"

namespace mcv {

// `vision` may be null: then has_vision is false. Validated. Files that do not belong together
// (version, width, number of queries) are refused, naming what differs and both files.
Result<ModelConfig> ReadGgufConfig(const GgufFile& text, const GgufFile* vision);

// The values of general.architecture: an mmproj file says "clip".
bool IsMmprojGguf(const GgufFile& file);

// clip.minicpmv_version of a pair. 1.0 was never published as one: its file carries the number of
// 2.0, whose tower it shares, and kKeyVersion tells them apart.
int32_t ClipVersionNumber(Version version);

// Names of the own keys, shared with the writer.
inline constexpr char kKeyVersion[] = "minicpmv.version";
inline constexpr char kKeyPositionRule[] = "clip.vision.position_rule";
inline constexpr char kKeyMaxSlices[] = "clip.minicpmv_max_slice_nums";
inline constexpr char kKeyPredivided[] = "clip.minicpmv_predivided";

}  // namespace mcv
