// What a picture's rows depend on besides the picture: a name for it, so that rows which another
// encoder computed are never taken for this one's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "family/config.h"
#include "family/model_files.h"
#include "kernels/kernels.h"

namespace mcv {

using EncoderId = std::array<uint8_t, 32>;

// How the encoder is run, besides its configuration.
struct EncoderRun {
  Numerics numerics = Numerics::kFast;  // the encoder's
  std::string_view target;              // the kernels' name
  bool weights_in_program = false;      // GgufPairBytes::in_program
};

// SHA-256 over
//   - the encoder's weights: every tensor's name, type and shape; for a file its length, inode and
//     times, and samples of the data; samples too of bytes that are part of the program; all bytes
//     of weights that lie elsewhere in memory,
//   - the numbers of the configuration that the encoder reads,
//   - how it computes: numerics, kernels, and the build that this code is in (build_id.h), because
//     another one may round otherwise.
// The same for any path to the same file. Reads a few pages of the weights and leaves the rest
// untouched, so it costs about a millisecond for a file of any size.
EncoderId IdentifyEncoder(const ModelFiles& files, const ModelConfig& config,
                          const EncoderRun& run);

}  // namespace mcv
