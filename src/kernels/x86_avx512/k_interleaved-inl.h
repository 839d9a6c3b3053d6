// Several tokens times rows of Q4_K, Q5_K or Q6_K: sixteen rows at a time, a lane each. Include
// inside a region, after vec.h, int8_token-inl.h, k_unpack-inl.h and x86_avx2/tiles-inl.h.
//
// A quarter of the sixteen rows' super-block at a time is interleaved and taken apart into 16
// registers, and every token goes through these: vpdpbusd with a word of the token in all lanes, so
// that a block's dot product ends up in one register, ready for its scale, and nothing is left to
// be added across lanes.
#pragma once

namespace mcv::x86_avx512 {
namespace {

constexpr int kQuarters = 4;
constexpr int kWeights = 16;  // words of a quarter
constexpr int kAtOnce = 2;    // tokens, so that their chains of sums hide each other's latency

// out[i] = word i of the 16 bytes at `at` of each row.
MCV_INLINE void InterleaveQuad(const TileBlock& block, int64_t at, __m512i* out) {
  __m256i low[4], high[4];
  InterleaveEight(block.rows + at, block.stride, low);
  InterleaveEight(block.rows + at + 8 * block.stride, block.stride, high);
  MCV_UNROLL
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low[i]), high[i], 1);
  }
}

MCV_INLINE Vec HalvesToFloats(__m512i low_halves) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(low_halves));
}

// Bytes a and b of every lane as its 16-bit words; -1: zero.
MCV_INLINE __m512i BytePair(__m512i bytes, int a, int b) {
  const int no = 0x80;
  const int lane = a | no << 8 | (b < 0 ? no : b) << 16 | no << 24;
  const int next = 0x00040004;
  const __m128i order = _mm_setr_epi32(lane, lane + next, lane + 2 * next, lane + 3 * next);
  return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order));
}
MCV_INLINE __m512i SignedByte(__m512i bytes, int i) {
  return _mm512_srai_epi32(_mm512_slli_epi32(bytes, 24 - 8 * i), 24);
}

// What a kernel must know of a super-block of sixteen rows: kBytes of a row's; a quarter has
// kBlocks blocks of 16 / kBlocks words, those of the token kApart bytes from each other.
template <DType kType>
struct Interleaved {  // Q4_K and Q5_K
  static constexpr bool kFiveBits = kType == DType::kQ5_K;
  static constexpr int64_t kBytes = NibbleBlock<kFiveBits>::kBytes;
  static constexpr int kBlocks = 2;
  static constexpr int64_t kApart = 64;
  static constexpr bool kHasMinima = true;

  __m512i fifth_bits[kFiveBits ? 8 : 1];
  __m512i scales[8];
  __m512i minima[4];  // two in a lane
  Vec d, dmin;

  MCV_INLINE void Load(const TileBlock& block) {
    __m512i header[4];
    InterleaveQuad(block, 0, header);
    const __m512i six_bits = Bytes(0x3f);
    const __m512i four_bits = Bytes(0x0f);
    const __m512i top = Bytes(0x30);
    const __m512i high = header[3];
    UnpackScales(_mm512_and_si512(header[1], six_bits), 0);
    UnpackScales(_mm512_ternarylogic_epi32(_mm512_and_si512(high, four_bits),
                                           _mm512_srli_epi32(header[1], 2), top, 0xf8),
                 4);
    UnpackMinima(_mm512_and_si512(header[2], six_bits), 0);
    UnpackMinima(_mm512_ternarylogic_epi32(_mm512_and_si512(_mm512_srli_epi32(high, 4), four_bits),
                                           _mm512_srli_epi32(header[2], 2), top, 0xf8),
                 2);
    d = HalvesToFloats(header[0]);
    dmin = HalvesToFloats(_mm512_srli_epi32(header[0], 16));
    if constexpr (kFiveBits) {
      InterleaveQuad(block, 16, fifth_bits);
      InterleaveQuad(block, 32, fifth_bits + 4);
    }
  }
  MCV_INLINE void UnpackScales(__m512i four, int first) {
    MCV_UNROLL
    for (int i = 0; i < 4; ++i) scales[first + i] = BytePair(four, i, -1);
  }
  MCV_INLINE void UnpackMinima(__m512i four, int first) {
    minima[first] = BytePair(four, 0, 1);
    minima[first + 1] = BytePair(four, 2, 3);
  }

  // Blocks 2q and 2q + 1: the low and the high halves of the same bytes.
  MCV_INLINE void Quarter(const TileBlock& block, int q, __m512i (&weights)[kWeights]) const {
    const __m512i four_bits = Bytes(0x0f);
    const __m512i fifth = Bytes(0x10);
    const int64_t at = NibbleBlock<kFiveBits>::kNibbles + 32 * q;
    InterleaveQuad(block, at, weights);
    InterleaveQuad(block, at + 16, weights + 4);
    MCV_UNROLL
    for (int i = 0; i < 8; ++i) {
      const __m512i both = weights[i];
      weights[i] = _mm512_and_si512(both, four_bits);
      weights[8 + i] = _mm512_and_si512(_mm512_srli_epi32(both, 4), four_bits);
      if constexpr (kFiveBits) {  // bits 2q and 2q + 1 come to stand at bit 4
        const __m512i low = _mm512_rorv_epi32(fifth_bits[i], _mm512_set1_epi32(2 * q - 4));
        const __m512i high = _mm512_rorv_epi32(fifth_bits[i], _mm512_set1_epi32(2 * q - 3));
        weights[i] = _mm512_ternarylogic_epi32(weights[i], low, fifth, 0xf8);
        weights[8 + i] = _mm512_ternarylogic_epi32(weights[8 + i], high, fifth, 0xf8);
      }
    }
  }
  static int BlockOf(int q, int i) { return 2 * q + i; }
  // Where a token (BlockOrder::kNibblePairs) has the first of them.
  static int64_t TokenOffset(int q) { return 32 * (q < 2 ? q : q + 2); }
};

template <>
struct Interleaved<DType::kQ6_K> {
  static constexpr int64_t kBytes = 210;
  static constexpr int kBlocks = 4;
  static constexpr int64_t kApart = 32;
  static constexpr bool kHasMinima = false;

  __m512i scales[16];
  Vec d;

  MCV_INLINE void Load(const TileBlock& block) {
    __m512i bytes[4];
    InterleaveQuad(block, 192, bytes);
    MCV_UNROLL
    for (int i = 0; i < 16; ++i) scales[i] = SignedByte(bytes[i / 4], i % 4);
    alignas(32) uint16_t halves[kTileRows];
    for (int r = 0; r < kTileRows; ++r) {
      std::memcpy(&halves[r], block.rows + r * block.stride + 208, sizeof halves[r]);
    }
    d = _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(halves)));
  }

  // 16 of each 32 elements that share bit pairs: from elements 128 h + 16 s on of q = 2 h + s.
  MCV_INLINE void Quarter(const TileBlock& block, int q, __m512i (&weights)[kWeights]) const {
    const int64_t low = 64 * (q / 2) + 16 * (q % 2);
    __m512i high[4];
    InterleaveQuad(block, low, weights);
    InterleaveQuad(block, low + 32, weights + 4);
    InterleaveQuad(block, 128 + 16 * q, high);
    const __m512i four_bits = Bytes(0x0f);
    const __m512i top = Bytes(0x30);
    MCV_UNROLL
    for (int i = 0; i < 8; ++i) {
      const __m512i both = weights[i];
      const __m512i bits = high[i % 4];
      weights[i] = _mm512_ternarylogic_epi32(_mm512_and_si512(both, four_bits),
                                             _mm512_slli_epi32(bits, i < 4 ? 4 : 2), top, 0xf8);
      weights[8 + i] =
          _mm512_ternarylogic_epi32(_mm512_and_si512(_mm512_srli_epi32(both, 4), four_bits),
                                    i < 4 ? bits : _mm512_srli_epi32(bits, 2), top, 0xf8);
    }
  }
  static int BlockOf(int q, int i) { return q / 2 * 8 + q % 2 + 2 * i; }
  static int64_t TokenOffset(int q) { return 16 * BlockOf(q, 0); }
};

// What the tokens have come to with sixteen rows.
struct TileSums {
  static constexpr int64_t kTokens = 32;
  __m512i totals[kTokens];  // of the super-block
  __m512i starts[kTokens];  // Q6_K: what each block begins at, -32 times the sum of its quants
  Vec sums[kTokens];
  Vec minima[kTokens];
};

// As text: GCC 12 copies accumulators around the intrinsic.
MCV_INLINE void DotInto(__m512i& sums, __m512i weights, const int8_t* word) {
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(sums)
      : "v"(weights), "m"(*reinterpret_cast<const int8_t(*)[4]>(word)));
}
MCV_INLINE __m512i SumPairs(__m512i sums, __m512i pairs, const int16_t* pair) {
  asm("vpdpwssd %2%{1to16%}, %1, %0"
      : "+v"(sums)
      : "v"(pairs), "m"(*reinterpret_cast<const int16_t(*)[2]>(pair)));
  return sums;
}

MCV_INLINE __m512i Start(const TileSums& tile, int64_t t, int block) {
  return _mm512_set1_epi32(reinterpret_cast<const int32_t*>(&tile.starts[t])[block]);
}

// A quarter of the super-block times kAtOnce tokens, whose sums are in `tile` from `first` on.
template <DType kType>
MCV_INLINE void AddQuarter(const Interleaved<kType>& rows, int q,
                           const __m512i (&weights)[kWeights], const TokenBlock* const* tokens,
                           TileSums* tile, int64_t first) {
  using Rows = Interleaved<kType>;
  constexpr int kWords = kWeights / Rows::kBlocks;
  __m512i dots[kAtOnce][Rows::kBlocks];
  const int8_t* at[kAtOnce];
  MCV_UNROLL
  for (int t = 0; t < kAtOnce; ++t) {
    at[t] = tokens[t]->q + Rows::TokenOffset(q);
    asm("" : "+r"(at[t]));  // so that GCC 12 does not keep 16 offsets in registers that it lacks
    MCV_UNROLL
    for (int i = 0; i < Rows::kBlocks; ++i) {
      dots[t][i] =
          Rows::kHasMinima ? _mm512_setzero_si512() : Start(*tile, first + t, Rows::BlockOf(q, i));
    }
  }
  MCV_UNROLL
  for (int w = 0; w < kWords; ++w) {
    MCV_UNROLL
    for (int t = 0; t < kAtOnce; ++t) {
      MCV_UNROLL
      for (int i = 0; i < Rows::kBlocks; ++i) {
        DotInto(dots[t][i], weights[i * kWords + w], at[t] + i * Rows::kApart + 4 * w);
      }
    }
  }
  MCV_UNROLL
  for (int t = 0; t < kAtOnce; ++t) {
    __m512i total = tile->totals[first + t];
    MCV_UNROLL
    for (int i = 0; i < Rows::kBlocks; ++i) {
      const __m512i scale = rows.scales[Rows::BlockOf(q, i)];
      total = _mm512_add_epi32(total, _mm512_mullo_epi32(dots[t][i], scale));
    }
    tile->totals[first + t] = total;
  }
}

template <DType kType>
MCV_INLINE void BeginBlock(const TokenBlock* const* tokens, int64_t count, TileSums* tile) {
  for (int64_t t = 0; t < count; ++t) {
    tile->totals[t] = _mm512_setzero_si512();
    if constexpr (!Interleaved<kType>::kHasMinima) {
      const __m256i sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(tokens[t]->sums16));
      tile->starts[t] = _mm512_sub_epi32(_mm512_setzero_si512(),
                                         _mm512_slli_epi32(_mm512_cvtepi16_epi32(sums), 5));
    }
  }
}

template <DType kType>
MCV_INLINE void EndBlock(const Interleaved<kType>& rows, const TokenBlock* const* tokens,
                         int64_t count, TileSums* tile) {
  for (int64_t t = 0; t < count; ++t) {
    const Vec scale = Set(tokens[t]->scale);
    tile->sums[t] = Fma(_mm512_cvtepi32_ps(tile->totals[t]), Mul(rows.d, scale), tile->sums[t]);
    if constexpr (Interleaved<kType>::kHasMinima) {
      __m512i minima = _mm512_setzero_si512();
      MCV_UNROLL
      for (int i = 0; i < 4; ++i) {
        minima = SumPairs(minima, rows.minima[i], tokens[t]->sums32 + 2 * i);
      }
      tile->minima[t] = Fma(_mm512_cvtepi32_ps(minima), Mul(rows.dmin, scale), tile->minima[t]);
    }
  }
}

// Rows [4 q, 4 q + 4) of the block. Into the second-level cache, and few at a time: see
// PrefetchAhead.
MCV_INLINE void PrefetchQuarter(const TileBlock& block, int q, int64_t bytes) {
  MCV_UNROLL
  for (int r = 0; r < 4; ++r) {
    const std::byte* row = block.rows + (4 * q + r) * block.stride;
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, /*rw=*/0, 2);
  }
}

// `ahead` is a later super-block, asked for meanwhile.
template <DType kType>
MCV_INLINE void AddBlock(const TileBlock& block, const TileBlock& ahead,
                         const TokenBlock* const* tokens, int64_t count, TileSums* tile) {
  Interleaved<kType> rows;
  rows.Load(block);
  BeginBlock<kType>(tokens, count, tile);
  for (int q = 0; q < kQuarters; ++q) {
    __m512i weights[kWeights];
    rows.Quarter(block, q, weights);
    PrefetchQuarter(ahead, q, Interleaved<kType>::kBytes);
    for (int64_t t = 0; t < count; t += kAtOnce) {
      AddQuarter<kType>(rows, q, weights, tokens + t, tile, t);
    }
  }
  EndBlock<kType>(rows, tokens, count, tile);
}

// Sixteen rows from `row` on times `count` tokens, at most TileSums::kTokens.
template <DType kType>
void MultiplyTile(const DotKernel::Args& args, int64_t row, int64_t first_token, int64_t count) {
  constexpr int64_t kBytes = Interleaved<kType>::kBytes;
  constexpr int64_t kAhead = 6 * kBytes;
  const TokenBlock* tokens[TileSums::kTokens];
  TileSums tile;
  const int64_t whole = (count + kAtOnce - 1) / kAtOnce * kAtOnce;
  for (int64_t t = 0; t < whole; ++t) {  // of an odd number the last one again
    const int64_t token = first_token + (t < count ? t : count - 1);
    tokens[t] = reinterpret_cast<const TokenBlock*>(args.tokens + token * args.token_bytes);
    tile.sums[t] = Zero();
    tile.minima[t] = Zero();
  }
  const std::byte* rows = args.weights + row * args.row_bytes;
  const int64_t end = args.k / kSuperBlock * kBytes;
  for (int64_t at = 0; at < end; at += kBytes) {
    // Behind the rows' end come the next sixteen rows. (Past the last ones this touches nothing: a
    // prefetch cannot fault.)
    const int64_t skip = at + kAhead < end ? 0 : (kTileRows - 1) * args.row_bytes;
    AddBlock<kType>({rows + at, args.row_bytes}, {rows + at + kAhead + skip, args.row_bytes},
                    tokens, whole, &tile);
    for (int64_t t = 0; t < whole; ++t) ++tokens[t];
  }
  for (int64_t t = 0; t < count; ++t) {
    const Vec sum =
        Interleaved<kType>::kHasMinima ? Sub(tile.sums[t], tile.minima[t]) : tile.sums[t];
    Store(args.out + (first_token + t) * args.out_stride + row, sum);
  }
}

template <DType kType>
void RunTiles(const DotKernel::Args& args) {
  RunTilesWith<MultiplyTile<kType>, TileSums::kTokens>(args);
}

}  // namespace
}  // namespace mcv::x86_avx512
