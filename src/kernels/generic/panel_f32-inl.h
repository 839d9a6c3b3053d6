// Many tokens by fp32 FMA: panels [k][2 vectors of rows], strips [k][kStrip tokens], a register
// tile of kStrip x 2 vectors. Include inside a region, after rows-inl.h; the target defines kStrip
// and kKBlock.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int64_t kPanelRows = 2 * kLanes;
constexpr int64_t kChunk = 256;  // elements of a row that are unpacked at a time

int64_t PadToLanes(int64_t words) { return (words + kLanes - 1) / kLanes * kLanes; }

int64_t F32PanelBytes(int64_t k) { return PadToLanes(k) * kPanelRows * 4; }
// A transposed column is stored a whole vector wide, hence the room after the last one.
int64_t F32StripBytes(int64_t k) { return PadToLanes(k) * kStrip * 4 + kLanes * 4; }

// rows: kRows rows of `words` 32-bit words, `stride` apart; out[w * width + r]. kRows is a multiple
// of kLanes unless width < kLanes, where the last vector spills over and is overwritten.
MCV_INLINE void Interleave(const uint32_t* rows, int64_t stride, int64_t num_rows, int64_t words,
                           uint32_t* out, int64_t width) {
  for (int64_t w = 0; w < words; w += kLanes) {
    for (int64_t r = 0; r < num_rows; r += kLanes) {
      TransposeTile(rows + r * stride + w, stride, out + w * width + r, width);
    }
  }
}

void F32PackRows(DType type, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
                 std::byte* panel) {
  alignas(64) float buffer[kPanelRows][kChunk];
  const DTypeTraits& traits = Traits(type);
  auto* out = reinterpret_cast<uint32_t*>(panel);
  if (count < kPanelRows) __builtin_memset(buffer, 0, sizeof buffer);
  for (int64_t i = 0; i < k; i += kChunk) {
    const int64_t n = k - i < kChunk ? k - i : kChunk;
    const int64_t padded = PadToLanes(n);
    const int64_t offset = i / traits.block_elements * traits.block_bytes;
    for (int64_t r = 0; r < count; ++r) {
      LoadRow(type, rows + r * row_bytes + offset, n, buffer[r]);
      for (int64_t j = n; j < padded; ++j) buffer[r][j] = 0;
    }
    Interleave(reinterpret_cast<const uint32_t*>(buffer), kChunk, kPanelRows, padded,
               out + i * kPanelRows, kPanelRows);
  }
}

template <class Loader>
void F32PackColumnsAs(const std::byte* rows, int64_t row_bytes, int64_t first, int64_t count,
                      int64_t k, std::byte* panel) {
  auto* out = reinterpret_cast<float*>(panel);
  const int low = Take(count);
  const int high = count > kLanes ? Take(count - kLanes) : 0;
  for (int64_t i = 0; i < k; ++i, out += kPanelRows) {
    const std::byte* row = rows + i * row_bytes;
    Store(out, ElementsAt<Loader>(row, first, low));
    Store(out + kLanes, high > 0 ? ElementsAt<Loader>(row, first + kLanes, high) : Zero());
  }
}

void F32PackColumns(DType type, const std::byte* rows, int64_t row_bytes, int64_t first,
                    int64_t count, int64_t k, std::byte* panel) {
  switch (type) {
    case DType::kF32:
      return F32PackColumnsAs<F32Loader>(rows, row_bytes, first, count, k, panel);
    case DType::kF16:
      return F32PackColumnsAs<F16Loader>(rows, row_bytes, first, count, k, panel);
    case DType::kBF16:
      return F32PackColumnsAs<Bf16Loader>(rows, row_bytes, first, count, k, panel);
    default:
      return F32PackColumnsAs<Q8Loader>(rows, row_bytes, first, count, k, panel);
  }
}

void F32PackTokens(const float* x, int64_t stride, int64_t tokens, int64_t k, std::byte* strip) {
  constexpr int64_t kRows = (kStrip + kLanes - 1) / kLanes * kLanes;
  alignas(64) float buffer[kRows][kChunk];
  __builtin_memset(buffer[tokens], 0, static_cast<size_t>(kRows - tokens) * sizeof buffer[0]);
  auto* out = reinterpret_cast<uint32_t*>(strip);
  for (int64_t i = 0; i < k; i += kChunk) {
    const int64_t n = k - i < kChunk ? k - i : kChunk;
    const int64_t padded = PadToLanes(n);
    for (int64_t t = 0; t < tokens; ++t) {
      __builtin_memcpy(buffer[t], x + t * stride + i, static_cast<size_t>(n) * 4);
      for (int64_t j = n; j < padded; ++j) buffer[t][j] = 0;
    }
    Interleave(reinterpret_cast<const uint32_t*>(buffer), kChunk, kRows, padded, out + i * kStrip,
               kStrip);
  }
}

template <int kTokens, int kVectors>
void F32Tile(const PanelKernel::TileArgs& args) {
  Vec sums[kTokens][kVectors];
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[t][v] = args.accumulate ? Load(args.c + t * args.ldc + v * kLanes) : Zero();
    }
  }
  const auto* panel = reinterpret_cast<const float*>(args.panel);
  const auto* strip = reinterpret_cast<const float*>(args.strip);
  for (int64_t k = 0; k < args.k; ++k, panel += kPanelRows, strip += kStrip) {
    Vec w[kVectors];
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) w[v] = Load(panel + v * kLanes);
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Vec x = Set(strip[t]);
      MCV_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[t][v] = Fma(w[v], x, sums[t][v]);
    }
  }
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MCV_UNROLL
    for (int v = 0; v < kVectors; ++v) Store(args.c + t * args.ldc + v * kLanes, sums[t][v]);
  }
}

// The tile for args.tokens tokens, half as wide if the second vector of rows is empty.
template <template <int, int> class Tile, int kTokens>
MCV_INLINE void RunTile(const PanelKernel::TileArgs& args) {
  if constexpr (kTokens > 1) {
    if (args.tokens < kTokens) return RunTile<Tile, kTokens - 1>(args);
  }
  if (args.rows <= kLanes) return Tile<kTokens, 1>::Run(args);
  Tile<kTokens, 2>::Run(args);
}

template <int kTokens, int kVectors>
struct F32TileOf {
  static void Run(const PanelKernel::TileArgs& args) { F32Tile<kTokens, kVectors>(args); }
};

void F32RunTile(const PanelKernel::TileArgs& args) { RunTile<F32TileOf, kStrip>(args); }

constexpr PanelKernel kF32Panel = {
    .panel_rows = kPanelRows,
    .strip_tokens = kStrip,
    .k_block = kKBlock,
    .panel_bytes = F32PanelBytes,
    .strip_bytes = F32StripBytes,
    .pack_rows = F32PackRows,
    .pack_columns = F32PackColumns,
    .pack_tokens = F32PackTokens,
    .tile = F32RunTile,
};

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
