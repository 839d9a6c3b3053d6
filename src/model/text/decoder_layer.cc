#include "model/text/decoder_layer.h"

#include <array>
#include <cmath>
#include <span>

#include "base/trace.h"

namespace mcv {

namespace {

// Of act.normed; keys and values are the last two.
std::array<MatMulTask, 3> QkvTasks(const TextLayerWeights& w, const TextActivations& act) {
  return {MatMulTask{w.q.weight, {.bias = w.q.bias}, act.q},   // [T, H*D]
          MatMulTask{w.k.weight, {.bias = w.k.bias}, act.k},   // [T, G*D]
          MatMulTask{w.v.weight, {.bias = w.v.bias}, act.v}};  // [T, G*D]
}

RopeStyle StyleOf(const TextConfig& config) {
  return config.rope_pairing == RopePairing::kHalves ? RopeStyle::kHalves : RopeStyle::kAdjacent;
}

void RotateQueries(const TextConfig& config, const TextStep& step, TextActivations& act,
                   Context& ctx) {
  Rope(act.q, config.heads, config.head_dim, step.rope, StyleOf(config), ctx);
}
void RotateKeys(const TextConfig& config, const TextStep& step, TextActivations& act,
                Context& ctx) {
  Rope(act.k, config.kv_heads, config.head_dim, step.rope, StyleOf(config), ctx);
}

// [rows, G*D] each, at `position` and those behind it.
void Store(ConstMatView keys, ConstMatView values, int layer, int64_t position, int head_dim,
           KvCache& cache, Context& ctx) {
  StoreKv(keys, head_dim, cache.At(layer, KvPart::kKeys, position), ctx);
  StoreKv(values, head_dim, cache.At(layer, KvPart::kValues, position), ctx);
}

AttentionArgs ArgsFor(const TextConfig& config, int layer, const KvCache& cache) {
  AttentionArgs args;
  args.keys = cache.Keys(layer);
  args.values = cache.Values(layer);
  args.heads = config.heads;
  args.kv_heads = config.kv_heads;
  args.head_dim = config.head_dim;
  args.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  return args;
}

// Rows are consecutive positions of one sequence.
void StoreAndAttend(const TextConfig& config, int layer, const TextStep& step, TextActivations& act,
                    KvCache& cache, Context& ctx) {
  Store(act.k, act.v, layer, step.past, config.head_dim, cache, ctx);
  AttentionArgs args = ArgsFor(config, layer, cache);
  args.q = act.q;
  args.num_keys = step.past + act.q.rows;
  args.causal_offset = step.past;
  args.out = act.mixed;
  Attention(args, ctx);
}

// Every row is a sequence of its own behind the shared prefix.
void StoreAndAttendBeams(const TextConfig& config, int layer, const TextStep& step,
                         TextActivations& act, KvCache& cache, Context& ctx) {
  BeamSuffixes& beams = *step.beams;
  const int64_t position = step.past + beams.rows();
  for (int b = 0; b < beams.beams(); ++b) {
    beams.Load(b, layer, cache);
    Store(act.k.Rows(b, 1), act.v.Rows(b, 1), layer, position, config.head_dim, cache, ctx);
    beams.KeepNewRow(b, layer, cache);
    AttentionArgs args = ArgsFor(config, layer, cache);
    args.q = act.q.Rows(b, 1);
    args.num_keys = position + 1;
    args.out = act.mixed.Rows(b, 1);
    Attention(args, ctx);
  }
}

}  // namespace

// T tokens, E width, H query heads, G kv heads, D head size, F ffn.
void DecoderLayer(const TextLayerWeights& w, const TextConfig& config, int layer,
                  const TextStep& step, TextActivations& act, KvCache& cache, Context& ctx) {
  const Epilogue add_branch = {.scale = config.residual_scale, .accumulate = true};
  {
    TraceScope scope(ctx.trace, Zone::kTextAttention);
    RmsNorm(act.x, w.attn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
    MatMulMany(act.normed, QkvTasks(w, act), ctx);                 // [T, H*D], [T, G*D] x 2
    RotateQueries(config, step, act, ctx);
    RotateKeys(config, step, act, ctx);
    if (step.beams == nullptr) {
      StoreAndAttend(config, layer, step, act, cache, ctx);  // [T, H*D]
    } else {
      StoreAndAttendBeams(config, layer, step, act, cache, ctx);  // [T, H*D]
    }
    MatMul(act.mixed, w.out, add_branch, act.x, ctx);  // x += s * ...
  }
  TraceScope scope(ctx.trace, Zone::kTextMlp);
  RmsNorm(act.x, w.ffn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
  MatMulSwiGlu(act.normed, w.gate, w.up, act.hidden, ctx);      // [T, F]
  MatMul(act.hidden, w.down, add_branch, act.x, ctx);           // x += s * ...
  Note(step.taps, Tap::kTextState, layer + 1, act.x);
}

void StoreKeysAndValues(const TextLayerWeights& w, const TextConfig& config, int layer,
                        const TextStep& step, TextActivations& act, KvCache& cache, Context& ctx) {
  TraceScope scope(ctx.trace, Zone::kTextAttention);
  RmsNorm(act.x, w.attn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
  const auto tasks = QkvTasks(w, act);
  MatMulMany(act.normed, std::span(tasks).last<2>(), ctx);  // [T, G*D] x 2
  RotateKeys(config, step, act, ctx);
  Store(act.k, act.v, layer, step.past, config.head_dim, cache, ctx);
}

}  // namespace mcv
