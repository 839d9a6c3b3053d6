#include "apps/bench/work.h"

namespace mcv::bench {
namespace {

uint64_t RowBytesOf(const WeightView& weight) {
  return RowBytes(weight.type, static_cast<uint64_t>(weight.cols)).value_or(0);
}

uint64_t BytesOf(const WeightView& weight) {
  return weight.empty() ? 0 : static_cast<uint64_t>(weight.rows) * RowBytesOf(weight);
}

}  // namespace

// N patches, C width, F ffn; E the LLM's width, Q queries.
double ViewOperations(const ModelConfig& config, int64_t patches) {
  const VisionConfig& v = config.vision;
  const double n = static_cast<double>(patches);
  const double c = v.width, f = v.ffn, e = config.resampler.width, q = config.resampler.queries;
  const double embedding = 2.0 * n * c * 3.0 * v.patch * v.patch;
  const double linear = v.layers * 2.0 * n * (4.0 * c * c + 2.0 * c * f);
  const double attention = v.layers * 4.0 * n * n * c;
  const double keys_values = 2.0 * n * (config.resampler.kv_width * e + 2.0 * e * e);
  const double queries = 2.0 * q * 3.0 * e * e;  // query, output, projection
  const double cross_attention = 4.0 * q * n * e;
  return embedding + linear + attention + keys_values + queries + cross_attention;
}

double LayerOperationsPerToken(const TextConfig& config) {
  const double e = config.width, d = config.head_dim;
  const double attention = e * d * (2.0 * config.heads + 2.0 * config.kv_heads);
  return 2.0 * config.layers * (attention + 3.0 * e * config.ffn);
}

double PrefillOperations(const TextConfig& config, int64_t tokens) {
  const double t = static_cast<double>(tokens);
  const double seen = t * (t + 1.0) / 2.0;  // keys, over all tokens
  const double layer = LayerOperationsPerToken(config) / config.layers;
  const double attention = 4.0 * config.heads * config.head_dim;  // a token and a key
  const double keys_values = 4.0 * config.width * config.kv_heads * config.head_dim;
  const double head = 2.0 * config.vocab * config.width;
  const double last_layer = (t - 1.0) * keys_values + layer + attention * t;
  return (config.layers - 1) * (t * layer + attention * seen) + last_layer + head;
}

uint64_t WeightBytesPerToken(const TextWeights& weights) {
  uint64_t bytes = BytesOf(weights.head) + RowBytesOf(weights.embedding);
  for (const TextLayerWeights& layer : weights.layers) {
    for (const WeightView* view : {&layer.q.weight, &layer.k.weight, &layer.v.weight, &layer.out,
                                   &layer.gate, &layer.up, &layer.down}) {
      bytes += BytesOf(*view);
    }
  }
  return bytes;
}

}  // namespace mcv::bench
