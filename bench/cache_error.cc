// How far logits move when keys and values are kept as F16, BF16 or Q8_0 instead of F32:
//
//   bench_cache_error MODEL [POSITIONS [STEPS [fast]]]
//
// Everything else is computed exactly (or fast), on the same ids: a text repeated to POSITIONS, the
// last STEPS of them read one by one. Every row of logits from there on is compared.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/text/decoder.h"

namespace mcv::bench {
namespace {

constexpr char kText[] =
    "The harbour wakes before the town does. A red crane turns above two ships, one with grain and "
    "one with timber, and the first lorry of the day waits at the gate with its lights on. Seven "
    "gulls stand in a row on the roof of the customs house. What does the sign beside the door "
    "say? "
    "It says: closed until nine, deliveries at the back. ";

struct Arguments {
  EngineOptions engine;
  int64_t positions = 400;
  int64_t steps = 200;
};

std::vector<int32_t> Ids(const Engine& engine, int64_t count) {
  const std::vector<int32_t> text = engine.tokenizer().EncodeText(kText);
  std::vector<int32_t> ids;
  while (static_cast<int64_t>(ids.size()) < count) ids.insert(ids.end(), text.begin(), text.end());
  ids.resize(static_cast<size_t>(count));
  return ids;
}

// [steps + 1, vocab]: after the first part, then after each single token.
Result<std::vector<float>> Logits(const Engine& engine, Context& context, DType type,
                                  const std::vector<int32_t>& ids, int64_t steps) {
  const TextConfig& config = engine.config().text;
  DecoderOptions options;
  options.capacity = static_cast<int64_t>(ids.size());
  options.cache_type = type;
  MCV_ASSIGN_OR_RETURN(const auto decoder,
                       Decoder::Create(config, engine.weights().text(), options, context));
  const auto sequence = decoder->NewSequence();
  std::vector<float> logits(static_cast<size_t>((steps + 1) * config.vocab));
  const MatView rows(logits.data(), steps + 1, config.vocab);
  const size_t first = ids.size() - static_cast<size_t>(steps);
  MCV_RETURN_IF_ERROR(Append(*decoder, *sequence, {{ids.data(), first}, {}}, {}, rows.Rows(0, 1)));
  for (int64_t s = 0; s < steps; ++s) {
    MCV_RETURN_IF_ERROR(Append(*decoder, *sequence, {{&ids[first + static_cast<size_t>(s)], 1}, {}},
                               {}, rows.Rows(s + 1, 1)));
  }
  return logits;
}

// KL divergence of q from p, both given as logits.
double Divergence(const float* p, const float* q, int64_t n) {
  const double max_p = *std::max_element(p, p + n), max_q = *std::max_element(q, q + n);
  double sum_p = 0, sum_q = 0, cross = 0;
  for (int64_t i = 0; i < n; ++i) {
    sum_p += std::exp(p[i] - max_p);
    sum_q += std::exp(q[i] - max_q);
  }
  for (int64_t i = 0; i < n; ++i) {
    const double log_p = p[i] - max_p - std::log(sum_p);
    cross += std::exp(log_p) * (log_p - (q[i] - max_q - std::log(sum_q)));
  }
  return cross;
}

void PrintComparison(DType type, int64_t bytes, const std::vector<float>& base,
                     const std::vector<float>& other, int64_t vocab) {
  double largest = 0, sum = 0, divergence = 0;
  int64_t same = 0;
  const auto rows = static_cast<int64_t>(base.size()) / vocab;
  for (int64_t r = 0; r < rows; ++r) {
    const float* p = base.data() + r * vocab;
    const float* q = other.data() + r * vocab;
    for (int64_t i = 0; i < vocab; ++i) {
      const double difference = std::fabs(static_cast<double>(p[i]) - q[i]);
      largest = std::max(largest, difference);
      sum += difference;
    }
    divergence += Divergence(p, q, vocab);
    same += std::max_element(p, p + vocab) - p == std::max_element(q, q + vocab) - q ? 1 : 0;
  }
  std::printf(
      "%-5s %8lld bytes a position  logits: largest %.2e mean %.2e  KL %.2e  greedy %lld of "
      "%lld\n",
      std::string(Traits(type).name).c_str(), static_cast<long long>(bytes), largest,
      sum / static_cast<double>(base.size()), divergence / static_cast<double>(rows),
      static_cast<long long>(same), static_cast<long long>(rows));
}

Status Run(const Arguments& arguments) {
  MCV_ASSIGN_OR_RETURN(const auto engine, Engine::Open(arguments.engine));
  ThreadPool pool(engine->threads());
  Context context;
  context.pool = &pool;
  context.table = &engine->kernels();
  context.numerics = arguments.engine.numerics;
  const TextConfig& config = engine->config().text;
  const int64_t positions = std::min(arguments.positions, engine->context_length());
  const int64_t steps = std::clamp<int64_t>(arguments.steps, 0, positions - 1);
  const std::vector<int32_t> ids = Ids(*engine, positions);
  MCV_ASSIGN_OR_RETURN(const std::vector<float> base,
                       Logits(*engine, context, DType::kF32, ids, steps));
  double spread = 0;
  for (const float logit : base) spread += static_cast<double>(logit) * logit;
  std::printf("%s: %lld positions, the last %lld one by one, root mean square of logits %.2f\n",
              engine->config().name.c_str(), static_cast<long long>(positions),
              static_cast<long long>(steps), std::sqrt(spread / static_cast<double>(base.size())));
  for (const DType type : {DType::kF16, DType::kBF16, DType::kQ8_0}) {
    MCV_RETURN_IF_ERROR(CheckCacheType(config, type));
    MCV_ASSIGN_OR_RETURN(const std::vector<float> other,
                         Logits(*engine, context, type, ids, steps));
    const auto row = RowBytes(type, static_cast<uint64_t>(config.head_dim));
    PrintComparison(type, 2 * int64_t{config.layers} * config.kv_heads * static_cast<int64_t>(*row),
                    base, other, config.vocab);
  }
  return OkStatus();
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_cache_error MODEL [POSITIONS [STEPS [fast]]]\n");
    return 2;
  }
  mcv::bench::Arguments arguments;
  arguments.engine.model = argv[1];
  arguments.engine.text_only = true;
  const bool fast = argc > 4 && std::string(argv[4]) == "fast";
  arguments.engine.numerics = fast ? mcv::Numerics::kFast : mcv::Numerics::kExact;
  if (argc > 2) arguments.positions = std::max(2, std::atoi(argv[2]));
  if (argc > 3) arguments.steps = std::max(0, std::atoi(argv[3]));
  const mcv::Status status = mcv::bench::Run(arguments);
  if (!status.ok()) std::fprintf(stderr, "bench_cache_error: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
