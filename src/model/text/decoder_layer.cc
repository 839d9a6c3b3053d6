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

// act.k and act.v [T, G*D], each sequence's rows behind what it holds.
void StoreRows(const TextConfig& config, int layer, const TextStep& step, TextActivations& act,
               Context& ctx) {
  int64_t row = 0;
  for (const SequenceRows& part : step.sequences) {
    for (const KvPart kv : {KvPart::kKeys, KvPart::kValues}) {
      const MatView rows = kv == KvPart::kKeys ? act.k : act.v;
      StoreKv(rows.Rows(row, part.rows), config.head_dim, part.past,
              part.sequence->Mutable(layer, kv), ctx);
    }
    row += part.rows;
  }
}

// Every sequence's rows see its own positions up to themselves.
void AttendRows(const TextConfig& config, int layer, const TextStep& step, TextActivations& act,
                Context& ctx) {
  std::array<AttentionArgs, kMostSequences> args;
  size_t count = 0;
  int64_t row = 0;
  for (const SequenceRows& part : step.sequences) {
    AttentionArgs& a = args[count++];
    a.q = act.q.Rows(row, part.rows);
    a.keys = part.sequence->Keys(layer);
    a.values = part.sequence->Values(layer);
    a.num_keys = part.past + part.rows;
    a.heads = config.heads;
    a.kv_heads = config.kv_heads;
    a.head_dim = config.head_dim;
    a.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
    a.causal_offset = part.past;
    a.out = act.mixed.Rows(row, part.rows);
    row += part.rows;
  }
  Attention(std::span(args).first(count), ctx);
}

}  // namespace

// T tokens, E width, H query heads, G kv heads, D head size, F ffn.
void DecoderLayer(const TextLayerWeights& w, const TextConfig& config, int layer,
                  const TextStep& step, TextActivations& act, Context& ctx) {
  const Epilogue add_branch = {.scale = config.residual_scale, .accumulate = true};
  {
    TraceScope scope(ctx.trace, Zone::kTextAttention);
    RmsNorm(act.x, w.attn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
    MatMulMany(act.normed, QkvTasks(w, act), ctx);                 // [T, H*D], [T, G*D] x 2
    RotateQueries(config, step, act, ctx);
    RotateKeys(config, step, act, ctx);
    StoreRows(config, layer, step, act, ctx);
    AttendRows(config, layer, step, act, ctx);         // [T, H*D]
    MatMul(act.mixed, w.out, add_branch, act.x, ctx);  // x += s * ...
  }
  TraceScope scope(ctx.trace, Zone::kTextMlp);
  RmsNorm(act.x, w.ffn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
  MatMulSwiGlu(act.normed, w.gate, w.up, act.hidden, ctx);      // [T, F]
  MatMul(act.hidden, w.down, add_branch, act.x, ctx);           // x += s * ...
  Note(step.taps, Tap::kTextState, layer + 1, act.x);
}

void StoreKeysAndValues(const TextLayerWeights& w, const TextConfig& config, int layer,
                        const TextStep& step, TextActivations& act, Context& ctx) {
  TraceScope scope(ctx.trace, Zone::kTextAttention);
  RmsNorm(act.x, w.attn_norm, config.rms_eps, act.normed, ctx);  // [T, E]
  const auto tasks = QkvTasks(w, act);
  MatMulMany(act.normed, std::span(tasks).last<2>(), ctx);  // [T, G*D] x 2
  RotateKeys(config, step, act, ctx);
  StoreRows(config, layer, step, act, ctx);
}

}  // namespace mcv
