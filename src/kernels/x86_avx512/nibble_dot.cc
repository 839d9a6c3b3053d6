// A few tokens times rows of Q4_0, Q4_1, Q5_0, Q5_1 or IQ4_NL, read once and in place.
//
// Eight blocks, 144 to 192 bytes, are three whole vectors that overlap. Two permutations of 16-bit
// words bring the nibbles of four blocks each into one vector, a third one all that stands before
// them: nothing is loaded for one block alone. Fifth bits become masks. Numbers times int8 tokens
// go through vpdpbusd, four products to a 32-bit lane, so that a lane belongs to one block; lanes
// of eight blocks are added up in pairs, and become floats as one vector. Numbers are unsigned;
// what they are offset by comes in through the sums of the token's quants.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/generic/region.h"
#include "kernels/x86_avx512/leaf.h"

#define MCV_TARGET_NS x86_avx512

MCV_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2")

// clang-format off
#include "kernels/x86_avx512/vec.h"
#include "kernels/generic/int8_token-inl.h"
#include "kernels/generic/nibble_layout-inl.h"
#include "kernels/generic/rows_apart-inl.h"
// clang-format on

namespace mcv::x86_avx512 {
namespace {

constexpr int64_t kBlocks = 8;  // of a group
constexpr int64_t kGroup = kBlocks * kElements;

// Eight blocks of a packed token. The quants are four vectors: elements 0..15 of blocks 0 to 3,
// their elements 16..31, then the same of blocks 4 to 7.
struct alignas(64) TokenGroup {
  int8_t q[kGroup];
  float scales[kBlocks];
  float sums[kBlocks];  // scale * sum of the quants
};

int64_t NibbleTokenBytes(int64_t k) {
  return (k + kGroup - 1) / kGroup * static_cast<int64_t>(sizeof(TokenGroup));
}

// Blocks that the last group lacks are zero.
void PackToken(const float* x, int64_t k, std::byte* packed) {
  constexpr int64_t kHalf = kElements / 2;
  __builtin_memset(packed, 0, static_cast<size_t>(NibbleTokenBytes(k)));
  auto* groups = reinterpret_cast<TokenGroup*>(packed);
  for (int64_t block = 0; block < k / kElements; ++block) {
    TokenGroup& group = groups[block / kBlocks];
    const int64_t b = block % kBlocks;
    alignas(64) int8_t quants[kElements];
    QuantizeBlock32(x + block * kElements, quants, &group.scales[b], &group.sums[b]);
    int8_t* low = group.q + b / 4 * 4 * kElements + b % 4 * kHalf;
    __builtin_memcpy(low, quants, kHalf);
    __builtin_memcpy(low + 4 * kHalf, quants + kHalf, kHalf);
  }
}

// --- Which 16-bit words of eight blocks go where. The three vectors are words 0..31, words 32..63
// and the last 32.

constexpr int64_t kWords = 32;  // of a vector

struct alignas(64) WordIndex {
  int16_t from[kWords];
};

template <DType kType>
constexpr int64_t kBlockWords = LayoutOf<kType>().bytes / 2;
template <DType kType>
constexpr int64_t kThird = kBlocks* kBlockWords<kType> - kWords;  // its first word

// The nibbles of four blocks from `block` on, by way of a pair of vectors: the first two for block
// 0, the last two for block 4.
template <DType kType>
constexpr WordIndex NibbleIndex(int64_t block) {
  const int64_t first = block / 4 * kWords;
  WordIndex index = {};
  for (int64_t i = 0; i < kWords; ++i) {
    int64_t word = (block + i / 8) * kBlockWords<kType> + LayoutOf<kType>().nibbles / 2 + i % 8;
    if (word >= 2 * kWords) word += 2 * kWords - kThird<kType>;
    index.from[i] = static_cast<int16_t>(word - first);
  }
  return index;
}

// What stands before the nibbles: d of the eight blocks, their m (or d again), and 64 fifth bits
// for each of the four vectors of numbers.
template <DType kType>
constexpr int64_t HeadWord(int64_t i) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  if (i < 2 * kBlocks || layout.fifth_bits == 0) {
    return i % kBlocks * kBlockWords<kType> + (layout.minimum && i >= kBlocks ? 1 : 0);
  }
  const int64_t vector = i / 4 % 4;
  const int64_t block = vector / 2 * 4 + i % 4;
  return block * kBlockWords<kType> + layout.fifth_bits / 2 + vector % 2;
}

// By way of the first two vectors and, where the mask says so, of the third.
template <DType kType>
constexpr WordIndex HeadIndex() {
  WordIndex index = {};
  for (int64_t i = 0; i < kWords; ++i) {
    const int64_t word = HeadWord<kType>(i);
    index.from[i] = static_cast<int16_t>(word < 2 * kWords ? word : word - kThird<kType>);
  }
  return index;
}
template <DType kType>
constexpr uint32_t HeadsInThird() {
  uint32_t mask = 0;
  for (int64_t i = 0; i < kWords; ++i) mask |= (HeadWord<kType>(i) < 2 * kWords ? 0u : 1u) << i;
  return mask;
}

template <DType kType>
constexpr WordIndex kHeadIndex = HeadIndex<kType>();
template <DType kType>
constexpr WordIndex kNibbleIndex[2] = {NibbleIndex<kType>(0), NibbleIndex<kType>(4)};

MCV_INLINE __m512i Load(const WordIndex& index) { return _mm512_load_si512(index.from); }

// Loaded once, however often it is used: each time it crosses a line.
MCV_INLINE __m512i LoadOnce(const std::byte* p) {
  __m512i v = _mm512_loadu_si512(p);
  asm("" : "+v"(v));
  return v;
}

// Eight blocks of one row: numbers in the order of the token's quants, and d and m.
struct Group {
  __m512i q[4];
  Vec heads;
};

// What nibbles stand for, unsigned.
template <DType kType>
MCV_INLINE __m512i Numbers(__m512i nibbles) {
  if constexpr (kType != DType::kIQ4_NL) return nibbles;
  const __m128i values =
      _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  const __m512i above = _mm512_broadcast_i32x4(_mm_xor_si128(values, _mm_set1_epi8(-128)));
  return _mm512_shuffle_epi8(above, nibbles);
}

MCV_INLINE __m512i AddFifthBits(__m512i q, uint64_t bits) {
  return _mm512_mask_add_epi8(q, bits, q, _mm512_set1_epi8(16));
}

template <DType kType>
MCV_INLINE Group Unpack(const std::byte* blocks) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  const __m512i first = LoadOnce(blocks);
  const __m512i second = LoadOnce(blocks + 64);
  const __m512i third = LoadOnce(blocks + kBlocks * layout.bytes - 64);
  __m512i heads = _mm512_permutex2var_epi16(first, Load(kHeadIndex<kType>), second);
  if constexpr (HeadsInThird<kType>() != 0) {
    heads =
        _mm512_mask_permutexvar_epi16(heads, HeadsInThird<kType>(), Load(kHeadIndex<kType>), third);
  }
  const __m512i both[2] = {_mm512_permutex2var_epi16(first, Load(kNibbleIndex<kType>[0]), second),
                           _mm512_permutex2var_epi16(second, Load(kNibbleIndex<kType>[1]), third)};
  const __m512i mask = _mm512_set1_epi8(0x0f);
  Group group;
  MCV_UNROLL
  for (int h = 0; h < 2; ++h) {
    group.q[2 * h] = Numbers<kType>(_mm512_and_si512(both[h], mask));
    group.q[2 * h + 1] = Numbers<kType>(_mm512_and_si512(_mm512_srli_epi16(both[h], 4), mask));
  }
  if constexpr (layout.fifth_bits != 0) {
    alignas(32) uint64_t bits[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(bits), _mm512_extracti64x4_epi64(heads, 1));
    MCV_UNROLL
    for (int i = 0; i < 4; ++i) group.q[i] = AddFifthBits(group.q[i], bits[i]);
  }
  group.heads = _mm512_cvtph_ps(_mm512_castsi512_si256(heads));
  return group;
}

// Two lanes for each block: 0, 4, 1, 5, 2, 6, 3, 7.
template <DType kType>
MCV_INLINE __m512i Dots(const Group& group, const int8_t* token) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i low =
      _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero, group.q[0], _mm512_load_si512(token)),
                          group.q[1], _mm512_load_si512(token + 64));
  const __m512i high =
      _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero, group.q[2], _mm512_load_si512(token + 128)),
                          group.q[3], _mm512_load_si512(token + 192));
  if constexpr (kType == DType::kIQ4_NL) {  // eight products of up to 241 * 127
    return _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
  }
  // 31 * 127 * 8 fits 16 bits.
  return _mm512_madd_epi16(_mm512_packs_epi32(low, high), _mm512_set1_epi16(1));
}

// What the heads of a group are multiplied with: the scales, and the sums times the offset of types
// that store none.
template <DType kType>
MCV_INLINE Vec TokenHeads(const TokenGroup& token) {
  constexpr NibbleLayout layout = LayoutOf<kType>();
  const Vec heads = Load(token.scales);
  if constexpr (layout.minimum) return heads;
  return _mm512_mask_mul_ps(heads, 0xff00, heads, Set(layout.offset));
}

template <DType kType, int kTokens>
MCV_INLINE void AddGroup(const std::byte* blocks, const TokenGroup* const (&tokens)[kTokens],
                         const Vec (&token_heads)[kTokens], Vec (&sums)[kTokens]) {
  const Group group = Unpack<kType>(blocks);
  const __m512i block_of_lane = _mm512_setr_epi32(0, 0, 4, 4, 1, 1, 5, 5, 2, 2, 6, 6, 3, 3, 7, 7);
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Vec heads = Mul(group.heads, token_heads[t]);
    sums[t] = _mm512_mask_add_ps(sums[t], 0xff00, sums[t], heads);
    const Vec factors = _mm512_permutexvar_ps(block_of_lane, heads);
    sums[t] = Fma(_mm512_cvtepi32_ps(Dots<kType>(group, tokens[t]->q)), factors, sums[t]);
  }
}

// Eight blocks of kRows rows, `row_bytes` from each other.
template <DType kType, int kRows, int kTokens>
MCV_INLINE void AddGroups(const std::byte* rows, int64_t row_bytes,
                          const TokenGroup* const (&tokens)[kTokens], Vec (&sums)[kRows][kTokens]) {
  Vec token_heads[kTokens];
  MCV_UNROLL
  for (int t = 0; t < kTokens; ++t) token_heads[t] = TokenHeads<kType>(*tokens[t]);
  MCV_UNROLL
  for (int r = 0; r < kRows; ++r) {
    AddGroup<kType>(rows + r * row_bytes, tokens, token_heads, sums[r]);
  }
}

// kRows rows from `row` on, `apart` rows from each other, with kTokens tokens from `first` on.
template <DType kType, int kRows, int kTokens>
void GroupRows(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t first) {
  constexpr int64_t kBytes = LayoutOf<kType>().bytes;
  constexpr int64_t kGroupBytes = kBlocks * kBytes;
  const std::byte* rows = args.weights + row * args.row_bytes;
  const int64_t row_bytes = apart * args.row_bytes;
  const TokenGroup* tokens[kTokens];
  Vec sums[kRows][kTokens];
  for (int t = 0; t < kTokens; ++t) {
    tokens[t] = reinterpret_cast<const TokenGroup*>(args.tokens + (first + t) * args.token_bytes);
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) sums[r][t] = Zero();
  }
  for (int64_t g = 0; g < args.k / kGroup; ++g, rows += kGroupBytes) {
    MCV_UNROLL
    for (int r = 0; r < kRows; ++r) PrefetchAhead(rows + r * row_bytes, kGroupBytes);
    AddGroups<kType>(rows, row_bytes, tokens, sums);
    MCV_UNROLL
    for (int t = 0; t < kTokens; ++t) ++tokens[t];
  }
  const int64_t rest = args.k % kGroup / kElements * kBytes;
  if (rest != 0) {  // behind it, zeros
    std::byte padded[kRows][kGroupBytes] = {};
    for (int r = 0; r < kRows; ++r) {
      __builtin_memcpy(padded[r], rows + r * row_bytes, static_cast<size_t>(rest));
    }
    AddGroups<kType>(padded[0], kGroupBytes, tokens, sums);
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      args.out[(first + t) * args.out_stride + row + r * apart] = SumLanes(sums[r][t]);
    }
  }
}

template <DType kType>
struct NibbleProduct {
  template <int kRows, int kTokens>
  static void Run(const DotKernel::Args& args, int64_t row, int64_t apart, int64_t token) {
    GroupRows<kType, kRows, kTokens>(args, row, apart, token);
  }
};

template <DType kType>
constexpr DotKernel kKernel = {
    // Six passes over rows in cache cost a little less than one unpacking into a panel.
    .max_tokens = 24,
    .packed_bytes = NibbleTokenBytes,
    .pack_token = PackToken,
    .rows = RunTokenFours<NibbleProduct<kType>>,
};

}  // namespace
}  // namespace mcv::x86_avx512

MCV_REGION_END

namespace mcv::x86_avx512 {

const DotKernel* NibbleDot(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return &kKernel<DType::kQ4_0>;
    case DType::kQ4_1:
      return &kKernel<DType::kQ4_1>;
    case DType::kQ5_0:
      return &kKernel<DType::kQ5_0>;
    case DType::kQ5_1:
      return &kKernel<DType::kQ5_1>;
    case DType::kIQ4_NL:
      return &kKernel<DType::kIQ4_NL>;
    default:
      return nullptr;
  }
}

}  // namespace mcv::x86_avx512
