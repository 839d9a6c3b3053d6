#include "model/vision/siglip_layer.h"

#include <array>
#include <cmath>

#include "base/trace.h"

namespace mcv {

namespace {

// q, k, v from one reading of the normed patches.
void ProjectQkv(const VisionLayerWeights& w, VisionActivations& act, Context& ctx) {
  const std::array<MatMulTask, 3> tasks = {
      MatMulTask{w.q.weight, {.bias = w.q.bias}, act.q},   // [N, C]
      MatMulTask{w.k.weight, {.bias = w.k.bias}, act.k},   // [N, C]
      MatMulTask{w.v.weight, {.bias = w.v.bias}, act.v}};  // [N, C]
  MatMulMany(act.normed, tasks, ctx);
}

void Attend(const VisionConfig& config, VisionActivations& act, Context& ctx) {
  AttentionArgs args;
  args.q = act.q;
  args.num_keys = act.k.rows;
  args.heads = args.kv_heads = config.heads;
  args.head_dim = config.head_dim();
  args.keys = AsKv(act.k, args.head_dim);
  args.values = AsKv(act.v, args.head_dim);
  args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
  args.out = act.mixed;
  Attention(args, ctx);
}

}  // namespace

// N patches, C width, F ffn.
void SiglipLayer(const VisionLayerWeights& w, const VisionConfig& config, VisionActivations& act,
                 Context& ctx) {
  const Activation gelu = config.activation == VisionActivation::kGeluErf ? Activation::kGeluErf
                                                                          : Activation::kGeluTanh;
  {
    TraceScope scope(ctx.trace, Zone::kVisionAttention);
    LayerNorm(act.x, w.norm1.weight, w.norm1.bias, config.norm_eps, act.normed, ctx);  // [N, C]
    ProjectQkv(w, act, ctx);                                                           // 3 x [N, C]
    Attend(config, act, ctx);                                                          // [N, C]
    MatMul(act.mixed, w.out.weight, {.bias = w.out.bias, .accumulate = true}, act.x, ctx);
  }
  TraceScope scope(ctx.trace, Zone::kVisionMlp);
  LayerNorm(act.x, w.norm2.weight, w.norm2.bias, config.norm_eps, act.normed, ctx);  // [N, C]
  MatMul(act.normed, w.fc1.weight, {.bias = w.fc1.bias, .activation = gelu}, act.hidden,
         ctx);  // [N, F]
  MatMul(act.hidden, w.fc2.weight, {.bias = w.fc2.bias, .accumulate = true}, act.x, ctx);
}

}  // namespace mcv
