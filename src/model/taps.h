// Named observation points of a pass: what the reference's dumps name, seen from outside while it
// runs.
//
// A pass takes a `const TapSink*`; null costs one branch per point. The values are only valid
// during the call.
#pragma once

#include <functional>

#include "kernels/kernels.h"

namespace mcv {

enum class Tap {
  kVitEmbedding,  // [N, C] patch embedding + position, before the first block
  kVitLayer,      // [N, C] after block `layer`
  kVit,           // [N, C] after the final norm
  kResampler,     // [Q, E] rows for the language model
  kTextState,     // [T, E] before layer 0 (layer = 0) and after layer l (layer = l + 1)
  kLogits,        // [rows asked for, V]
};

using TapSink = std::function<void(Tap tap, int layer, ConstMatView values)>;

inline void Note(const TapSink* taps, Tap tap, int layer, ConstMatView values) {
  if (taps != nullptr) (*taps)(tap, layer, values);
}

}  // namespace mcv
