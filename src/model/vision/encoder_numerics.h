// How the encoder multiplies where that differs from the rest of the model.
#pragma once

#include "kernels/kernels.h"

namespace mcv {

// kInt8 is for the tower's layers, which are four fifths of a view's work. The patch embedding and
// the resampler, whose errors nothing averages out, stay as they are with kFast.
constexpr Numerics AroundLayers(Numerics encoder) {
  return encoder == Numerics::kInt8 ? Numerics::kFast : encoder;
}

// Sets the context's numerics for its own lifetime.
class NumericsScope {
 public:
  NumericsScope(Numerics numerics, Context& ctx) : ctx_(ctx), before_(ctx.numerics) {
    ctx_.numerics = numerics;
  }
  ~NumericsScope() { ctx_.numerics = before_; }
  NumericsScope(const NumericsScope&) = delete;
  NumericsScope& operator=(const NumericsScope&) = delete;

 private:
  Context& ctx_;
  Numerics before_;
};

}  // namespace mcv
