#include "model/vision/resampler.h"

#include <cmath>

#include "base/trace.h"

namespace mcv {

namespace {

// The same for every view of a model; a thousandth of a view's work, so it is not kept.
void MakeQueries(const ResamplerWeights& w, const ResamplerConfig& config, VisionActivations& act,
                 Context& ctx) {
  const ConstMatView learned(w.query, config.queries, config.width);
  LayerNorm(learned, w.norm_query.weight, w.norm_query.bias, config.norm_eps, act.resampled, ctx);
  if (w.positions != nullptr) {  // 1.0 and 2.0
    AddScaled({w.positions, config.queries, config.width}, 1.0f, act.resampled, ctx);
  }
  MatMul(act.resampled, w.q.weight, {.bias = w.q.bias}, act.queries, ctx);  // [Q, E]
}

}  // namespace

// N patches (without padding), C vision width, E LLM width, Q queries.
void Resample(const ResamplerWeights& w, const ResamplerConfig& config,
              const GridPositions& key_positions, VisionActivations& act, MatView out,
              Context& ctx) {
  TraceScope scope(ctx.trace, Zone::kResampler);
  const int64_t num_patches = key_positions.grid.num_patches();
  const MatView kv = act.kv.Rows(0, num_patches);
  const MatView keys = act.keys.Rows(0, num_patches);
  const MatView values = act.values.Rows(0, num_patches);

  MakeQueries(w, config, act, ctx);                                           // [Q, E]
  MatMul(act.x.Rows(0, num_patches), w.kv, {}, kv, ctx);                      // [N, E]
  LayerNorm(kv, w.norm_kv.weight, w.norm_kv.bias, config.norm_eps, kv, ctx);  // [N, E]
  MatMul(kv, w.v.weight, {.bias = w.v.bias}, values, ctx);                    // [N, E]
  AddPositions(key_positions, kv, ctx);                   // after the values have been made
  MatMul(kv, w.k.weight, {.bias = w.k.bias}, keys, ctx);  // [N, E]

  AttentionArgs args;
  args.q = act.queries;
  args.num_keys = num_patches;
  args.heads = args.kv_heads = config.heads;
  args.head_dim = config.width / config.heads;
  args.keys = AsKv(keys, args.head_dim);
  args.values = AsKv(values, args.head_dim);
  args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
  args.out = act.resampled;
  Attention(args, ctx);  // [Q, E]

  MatMul(act.resampled, w.out.weight, {.bias = w.out.bias}, act.projected, ctx);  // [Q, E]
  LayerNorm(act.projected, w.norm_post.weight, w.norm_post.bias, config.norm_eps, act.projected,
            ctx);
  MatMul(act.projected, w.proj, {}, out, ctx);  // [Q, E]
}

}  // namespace mcv
