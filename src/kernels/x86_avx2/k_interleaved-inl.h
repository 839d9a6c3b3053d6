// Several tokens times rows of Q4_K, Q5_K or Q6_K: sixteen rows at a time, a lane each. Include
// inside the AVX2 region, after vec.h, int8_token-inl.h, k_unpack-inl.h and tiles-inl.h.
//
// A super-block of the sixteen rows is interleaved and taken apart in the first-level cache. Then
// vpmaddubsw multiplies a word of every row with a word of a token in all lanes; some of its sums
// of pairs fit 16 bits together before vpmaddwd scales and widens them at once, and nothing is left
// to be added across lanes.
#pragma once

namespace mcv::x86_avx2 {
namespace {

constexpr int kSuperWords = 64;
constexpr int kAtOnce = 2;  // tokens: their sums stay in registers

// Something of sixteen rows.
struct Pair {
  __m256i v[2];
};
struct FloatPair {
  __m256 v[2];
};

// out[i] = word i of the 16 bytes at `at`, of eight rows.
MCV_INLINE void InterleaveQuad(const TileBlock& block, int half, int64_t at, __m256i (&out)[4]) {
  InterleaveEight(block.rows + at + 8 * half * block.stride, block.stride, out);
}

// Bytes a and b of every lane as its 16-bit words.
MCV_INLINE __m256i BytePair(__m256i bytes, int a, int b) {
  const int lane = a | 0x80 << 8 | b << 16 | static_cast<int>(0x80u << 24);
  const int next = 0x00040004;
  const __m128i order = _mm_setr_epi32(lane, lane + next, lane + 2 * next, lane + 3 * next);
  return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order));
}
// The same of signed bytes.
MCV_INLINE __m256i SignedBytePair(__m256i bytes, int a, int b) {
  const int lane = 0x80 | a << 8 | 0x80 << 16 | b << 24;
  const int next = 0x04000400;
  const __m128i order = _mm_setr_epi32(lane, lane + next, lane + 2 * next, lane + 3 * next);
  return _mm256_srai_epi16(_mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order)), 8);
}

MCV_INLINE __m256 HalvesToFloats(__m256i low_halves) {
  const __m256i packed = _mm256_packus_epi32(low_halves, low_halves);
  return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
}

MCV_INLINE __m256i MoveBits(__m256i v, int left) {
  return left > 0 ? _mm256_slli_epi32(v, left) : left < 0 ? _mm256_srli_epi32(v, -left) : v;
}

// A super-block of sixteen rows. A scale, twice in a lane, is for kScaled words, of which kSteps
// make products that fit 16 bits together.
template <DType kType>
struct Interleaved {  // Q4_K and Q5_K
  static constexpr bool kFiveBits = kType == DType::kQ5_K;
  static constexpr int kSteps = kFiveBits ? 4 : 8;  // 31 * 127 * 2 * 4 = 31,496; 15 ... 8 = 30,480
  static constexpr int kScaled = 8;
  static constexpr int kSumPairs = 4;
  static constexpr bool kHasMinima = true;

  Pair words[kSuperWords];
  Pair scales[kSuperWords / kScaled];
  Pair sum_scales[kSumPairs];  // minima of two blocks in a lane
  FloatPair d, dmin;

  MCV_INLINE void Load(const TileBlock& block) {
    for (int half = 0; half < 2; ++half) {
      LoadHeaders(block, half);
      LoadWords(block, half);
    }
  }
  MCV_INLINE void LoadHeaders(const TileBlock& block, int half) {
    __m256i header[4];
    InterleaveQuad(block, half, 0, header);
    const __m256i six_bits = Bytes(0x3f);
    const __m256i four_bits = Bytes(0x0f);
    const __m256i top = Bytes(0x30);
    const __m256i scale_top = _mm256_and_si256(_mm256_srli_epi32(header[1], 2), top);
    const __m256i minimum_top = _mm256_and_si256(_mm256_srli_epi32(header[2], 2), top);
    const __m256i high = header[3];
    const __m256i scale_bytes[2] = {_mm256_and_si256(header[1], six_bits),
                                    _mm256_or_si256(_mm256_and_si256(high, four_bits), scale_top)};
    const __m256i minimum_bytes[2] = {
        _mm256_and_si256(header[2], six_bits),
        _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(high, 4), four_bits), minimum_top)};
    MCV_UNROLL
    for (int b = 0; b < 8; ++b) scales[b].v[half] = BytePair(scale_bytes[b / 4], b % 4, b % 4);
    MCV_UNROLL
    for (int i = 0; i < 4; ++i) {
      sum_scales[i].v[half] = BytePair(minimum_bytes[i / 2], i % 2 * 2, i % 2 * 2 + 1);
    }
    d.v[half] = HalvesToFloats(_mm256_and_si256(header[0], _mm256_set1_epi32(0xffff)));
    dmin.v[half] = HalvesToFloats(_mm256_srli_epi32(header[0], 16));
  }
  MCV_INLINE void LoadWords(const TileBlock& block, int half) {
    const __m256i four_bits = Bytes(0x0f);
    const __m256i fifth = Bytes(0x10);
    __m256i bits[2][4];
    if constexpr (kFiveBits) {
      InterleaveQuad(block, half, 16, bits[0]);
      InterleaveQuad(block, half, 32, bits[1]);
    }
    MCV_UNROLL
    for (int i = 0; i < 8; ++i) {  // quads: half of blocks 2 q and 2 q + 1
      const int q = i / 2;
      __m256i both[4];
      InterleaveQuad(block, half, (kFiveBits ? 48 : 16) + 16 * i, both);
      MCV_UNROLL
      for (int w = 0; w < 4; ++w) {
        __m256i low = _mm256_and_si256(both[w], four_bits);
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(both[w], 4), four_bits);
        if constexpr (kFiveBits) {  // bits 2 q and 2 q + 1 come to stand at bit 4
          const __m256i five = bits[i % 2][w];
          low = _mm256_or_si256(low, _mm256_and_si256(MoveBits(five, 4 - 2 * q), fifth));
          high = _mm256_or_si256(high, _mm256_and_si256(MoveBits(five, 3 - 2 * q), fifth));
        }
        words[16 * q + 4 * (i % 2) + w].v[half] = low;
        words[16 * q + 8 + 4 * (i % 2) + w].v[half] = high;
      }
    }
  }
  static const int16_t* SumsOf(const TokenBlock& token) { return token.sums32; }
};

template <>
struct Interleaved<DType::kQ6_K> {
  static constexpr int kSteps = 2;  // 63 * 127 * 2 * 2 = 32,004
  static constexpr int kScaled = 4;
  static constexpr int kSumPairs = 8;
  static constexpr bool kHasMinima = false;

  Pair words[kSuperWords];
  Pair scales[kSuperWords / kScaled];
  Pair sum_scales[kSumPairs];  // scales of two blocks in a lane
  FloatPair d;

  MCV_INLINE void Load(const TileBlock& block) {
    for (int half = 0; half < 2; ++half) {
      LoadScales(block, half);
      LoadWords(block, half);
    }
  }
  MCV_INLINE void LoadScales(const TileBlock& block, int half) {
    __m256i bytes[4];
    InterleaveQuad(block, half, 192, bytes);
    MCV_UNROLL
    for (int b = 0; b < 16; ++b) {
      scales[b].v[half] = SignedBytePair(bytes[b / 4], b % 4, b % 4);
    }
    MCV_UNROLL
    for (int i = 0; i < 8; ++i) {
      sum_scales[i].v[half] = SignedBytePair(bytes[i / 2], i % 2 * 2, i % 2 * 2 + 1);
    }
    alignas(16) uint16_t halves[8];
    for (int r = 0; r < 8; ++r) {
      std::memcpy(&halves[r], block.rows + (8 * half + r) * block.stride + 208, sizeof halves[r]);
    }
    d.v[half] = _mm256_cvtph_ps(LoadHalfBytes(halves));
  }
  MCV_INLINE void LoadWords(const TileBlock& block, int half) {
    const __m256i four_bits = Bytes(0x0f);
    const __m256i top = Bytes(0x30);
    MCV_UNROLL
    for (int i = 0; i < 4; ++i) {  // 16 of each 32 elements that share bit pairs
      const int first = i / 2 * 32 + i % 2 * 4;
      __m256i both[2][4], bits[4];
      InterleaveQuad(block, half, i / 2 * 64 + i % 2 * 16, both[0]);
      InterleaveQuad(block, half, i / 2 * 64 + i % 2 * 16 + 32, both[1]);
      InterleaveQuad(block, half, 128 + 16 * i, bits);
      MCV_UNROLL
      for (int g = 0; g < 4; ++g) {
        MCV_UNROLL
        for (int w = 0; w < 4; ++w) {
          const __m256i nibbles =
              _mm256_and_si256(MoveBits(both[g % 2][w], g < 2 ? 0 : -4), four_bits);
          words[first + 8 * g + w].v[half] =
              _mm256_or_si256(nibbles, _mm256_and_si256(MoveBits(bits[w], 4 - 2 * g), top));
        }
      }
    }
  }
  static const int16_t* SumsOf(const TokenBlock& token) { return token.sums16; }
};

// What the tokens have come to with sixteen rows.
struct TileSums {
  static constexpr int64_t kTokens = 32;
  FloatPair sums[kTokens];
  FloatPair minima[kTokens];
};

MCV_INLINE __m256i Word(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
  return _mm256_set1_epi32(word);
}

// GCC 12 adds up whole numbers in an order of its own, and then lacks registers.
MCV_INLINE void InThisOrder(__m256i& sum) { asm("" : "+x"(sum)); }

// Totals of the super-block for kAtOnce tokens.
template <DType kType>
MCV_INLINE void Products(const Interleaved<kType>& rows, const TokenBlock* const* tokens,
                         Pair (&totals)[kAtOnce]) {
  constexpr int kSteps = Interleaved<kType>::kSteps;
  MCV_UNROLL
  for (Pair& total : totals) total.v[0] = total.v[1] = _mm256_setzero_si256();
  const Pair* words = rows.words;
  const int8_t* q[kAtOnce];
  for (int t = 0; t < kAtOnce; ++t) q[t] = tokens[t]->q;
  for (const Pair& scale : rows.scales) {
    MCV_UNROLL
    for (int run = 0; run < Interleaved<kType>::kScaled / kSteps; ++run) {
      Pair sums[kAtOnce];
      MCV_UNROLL
      for (int w = 0; w < kSteps; ++w) {
        MCV_UNROLL
        for (int t = 0; t < kAtOnce; ++t) {
          const __m256i token = Word(q[t] + 4 * w);
          MCV_UNROLL
          for (int v = 0; v < 2; ++v) {
            const __m256i pairs = _mm256_maddubs_epi16(words[w].v[v], token);
            sums[t].v[v] = w == 0 ? pairs : _mm256_add_epi16(sums[t].v[v], pairs);
            InThisOrder(sums[t].v[v]);
          }
        }
      }
      words += kSteps;
      MCV_UNROLL
      for (int t = 0; t < kAtOnce; ++t) {
        q[t] += 4 * kSteps;
        MCV_UNROLL
        for (int v = 0; v < 2; ++v) {
          totals[t].v[v] =
              _mm256_add_epi32(totals[t].v[v], _mm256_madd_epi16(sums[t].v[v], scale.v[v]));
        }
      }
    }
  }
}

// What the sums of the token's quants come to.
template <DType kType>
MCV_INLINE Pair ScaledSums(const Interleaved<kType>& rows, const TokenBlock& token) {
  Pair taken = {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
  const int16_t* sums = Interleaved<kType>::SumsOf(token);
  MCV_UNROLL
  for (int i = 0; i < Interleaved<kType>::kSumPairs; ++i) {
    const __m256i pair = Word(sums + 2 * i);
    MCV_UNROLL
    for (int v = 0; v < 2; ++v) {
      taken.v[v] = _mm256_add_epi32(taken.v[v], _mm256_madd_epi16(rows.sum_scales[i].v[v], pair));
    }
  }
  return taken;
}

template <DType kType>
MCV_INLINE void AddTotals(const Interleaved<kType>& rows, const TokenBlock& token,
                          const Pair& total, FloatPair* sums, FloatPair* minima) {
  const __m256 scale = _mm256_set1_ps(token.scale);
  const Pair taken = ScaledSums(rows, token);
  MCV_UNROLL
  for (int v = 0; v < 2; ++v) {
    const Vec factor = Mul(rows.d.v[v], scale);
    if constexpr (Interleaved<kType>::kHasMinima) {
      sums->v[v] = Fma(_mm256_cvtepi32_ps(total.v[v]), factor, sums->v[v]);
      minima->v[v] = Fma(_mm256_cvtepi32_ps(taken.v[v]), Mul(rows.dmin.v[v], scale), minima->v[v]);
    } else {
      const __m256i centred = _mm256_sub_epi32(total.v[v], _mm256_slli_epi32(taken.v[v], 5));
      sums->v[v] = Fma(_mm256_cvtepi32_ps(centred), factor, sums->v[v]);
    }
  }
}

// Rows [first, end) of the block. Into the second-level cache: see PrefetchAhead.
MCV_INLINE void PrefetchTile(const TileBlock& block, int64_t first, int64_t end, int64_t bytes) {
  for (int64_t r = first; r < end; ++r) {
    const std::byte* row = block.rows + r * block.stride;
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, /*rw=*/0, 2);
  }
}

// Sixteen rows from `row` on times `count` tokens, at most TileSums::kTokens.
template <DType kType>
void MultiplyTile(const DotKernel::Args& args, int64_t row, int64_t first_token, int64_t count) {
  constexpr int64_t kBytes = KBlockBytes(kType);
  constexpr int64_t kAhead = 6 * kBytes;
  const TokenBlock* tokens[TileSums::kTokens];
  TileSums tile;
  const int64_t whole = (count + kAtOnce - 1) / kAtOnce * kAtOnce;
  for (int64_t t = 0; t < whole; ++t) {  // of an odd number the last one again
    const int64_t token = first_token + (t < count ? t : count - 1);
    tokens[t] = reinterpret_cast<const TokenBlock*>(args.tokens + token * args.token_bytes);
    for (int v = 0; v < 2; ++v) tile.sums[t].v[v] = tile.minima[t].v[v] = Zero();
  }
  const std::byte* at = args.weights + row * args.row_bytes;
  const int64_t blocks = args.k / kSuperBlock;
  for (int64_t b = 0; b < blocks; ++b, at += kBytes) {
    Interleaved<kType> rows;
    rows.Load({at, args.row_bytes});
    // Behind the rows' end come the next sixteen rows. (Past the last ones this touches nothing: a
    // prefetch cannot fault.)
    const int64_t skip = (b + 1) * kBytes + kAhead <= args.row_bytes ? 0 : kTileRows - 1;
    const TileBlock ahead = {at + kAhead + skip * args.row_bytes, args.row_bytes};
    for (int64_t t = 0; t < whole; t += kAtOnce) {
      PrefetchTile(ahead, kTileRows * t / whole, kTileRows * (t + kAtOnce) / whole, kBytes);
      Pair totals[kAtOnce];
      Products(rows, tokens + t, totals);
      for (int i = 0; i < kAtOnce; ++i) {
        AddTotals(rows, *tokens[t + i], totals[i], &tile.sums[t + i], &tile.minima[t + i]);
        ++tokens[t + i];
      }
    }
  }
  for (int64_t t = 0; t < count; ++t) {
    float* out = args.out + (first_token + t) * args.out_stride + row;
    for (int v = 0; v < 2; ++v) Store(out + 8 * v, Sub(tile.sums[t].v[v], tile.minima[t].v[v]));
  }
}

template <DType kType>
void RunTiles(const DotKernel::Args& args) {
  RunTilesWith<MultiplyTile<kType>, TileSums::kTokens>(args);
}

}  // namespace
}  // namespace mcv::x86_avx2
