#include "trainer/data/damage.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace mcv::trainer {
namespace {

uint8_t ToByte(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

// ITU-T T.81, table K.1: how coarsely each frequency of luminance is stored at quality 50.
constexpr int kLuminance[64] = {16,  11,  10,  16,  24, 40, 51,  61,  12,  12,  14,  19,  26,
                                58,  60,  55,  14,  13, 16, 24,  40,  57,  69,  56,  14,  17,
                                22,  29,  51,  87,  80, 62, 18,  22,  37,  56,  68,  109, 103,
                                77,  24,  35,  55,  64, 81, 104, 113, 92,  49,  64,  78,  87,
                                103, 121, 120, 101, 72, 92, 95,  98,  112, 100, 103, 99};

// cosine[u][x]: the orthonormal 8-point DCT.
const std::array<std::array<float, 8>, 8>& Cosine() {
  static const auto table = [] {
    std::array<std::array<float, 8>, 8> t;
    for (int u = 0; u < 8; ++u) {
      for (int x = 0; x < 8; ++x) {
        t[u][x] = static_cast<float>((u == 0 ? std::sqrt(0.125) : 0.5) *
                                     std::cos((2 * x + 1) * u * M_PI / 16));
      }
    }
    return t;
  }();
  return table;
}

// block := C block C^T (forward) or C^T block C (inverse).
void Transform(float* block, bool forward) {
  const auto& c = Cosine();
  for (int pass = 0; pass < 2; ++pass) {
    float out[64];
    for (int i = 0; i < 8; ++i) {
      for (int u = 0; u < 8; ++u) {
        float sum = 0;
        for (int x = 0; x < 8; ++x) sum += (forward ? c[u][x] : c[x][u]) * block[i * 8 + x];
        out[u * 8 + i] = sum;  // transposed, so that the second pass does the columns
      }
    }
    std::copy(out, out + 64, block);
  }
}

void QuantiseBlock(float* block, float scale) {
  Transform(block, true);
  for (int i = 0; i < 64; ++i) {
    const float step = std::max(1.0f, static_cast<float>(kLuminance[i]) * scale);
    block[i] = std::nearbyint(block[i] / step) * step;
  }
  Transform(block, false);
}

}  // namespace

void Blur(Picture& picture, float sigma) {
  const int reach = std::max(1, static_cast<int>(std::ceil(2.5f * sigma)));
  std::vector<float> weight(reach + 1);
  float total = 0;
  for (int i = 0; i <= reach; ++i) {
    weight[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
    total += i == 0 ? weight[i] : 2 * weight[i];
  }
  std::vector<float> rows(picture.rgb.size());
  const int width = picture.width, height = picture.height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * 3; ++x) {
      float sum = 0;
      for (int k = -reach; k <= reach; ++k) {
        const int sx = std::clamp(x / 3 + k, 0, width - 1);
        sum += weight[std::abs(k)] * picture.rgb[(static_cast<size_t>(y) * width + sx) * 3 + x % 3];
      }
      rows[static_cast<size_t>(y) * width * 3 + x] = sum / total;
    }
  }
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * 3; ++x) {
      float sum = 0;
      for (int k = -reach; k <= reach; ++k) {
        const int sy = std::clamp(y + k, 0, height - 1);
        sum += weight[std::abs(k)] * rows[static_cast<size_t>(sy) * width * 3 + x];
      }
      picture.rgb[static_cast<size_t>(y) * width * 3 + x] = ToByte(sum / total);
    }
  }
}

void AddNoise(Picture& picture, float sigma, uint64_t seed) {
  // The sum of four uniform bytes is close enough to a Gaussian (their deviation is 147.8) and
  // takes half of one draw.
  RandomStream random(seed);
  uint64_t bits = 0;
  const float scale = sigma / 147.8f;
  for (size_t i = 0; i < picture.rgb.size(); ++i, bits >>= 32) {
    if (i % 2 == 0) bits = random.NextBits();
    const int sum = static_cast<int>((bits & 0xFF) + ((bits >> 8) & 0xFF) + ((bits >> 16) & 0xFF) +
                                     ((bits >> 24) & 0xFF));
    picture.rgb[i] = ToByte(picture.rgb[i] + scale * static_cast<float>(sum - 510));
  }
}

void CompressLikeJpeg(Picture& picture, int quality) {
  const float scale = (quality < 50 ? 5000.0f / quality : 200.0f - 2 * quality) / 100.0f;
  for (int by = 0; by < picture.height; by += 8) {
    for (int bx = 0; bx < picture.width; bx += 8) {
      float block[3][64];  // luminance and two colour differences
      for (int i = 0; i < 64; ++i) {
        const int x = std::min(bx + i % 8, picture.width - 1);
        const int y = std::min(by + i / 8, picture.height - 1);
        const uint8_t* p = &picture.rgb[(static_cast<size_t>(y) * picture.width + x) * 3];
        block[0][i] = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2] - 128;
        block[1][i] = 0.564f * (p[2] - block[0][i] - 128);
        block[2][i] = 0.713f * (p[0] - block[0][i] - 128);
      }
      for (auto& channel : block) QuantiseBlock(channel, scale);
      for (int i = 0; i < 64; ++i) {
        const int x = bx + i % 8, y = by + i / 8;
        if (x >= picture.width || y >= picture.height) continue;
        uint8_t* p = &picture.rgb[(static_cast<size_t>(y) * picture.width + x) * 3];
        const float luma = block[0][i] + 128;
        p[0] = ToByte(luma + 1.403f * block[2][i]);
        p[1] = ToByte(luma - 0.344f * block[1][i] - 0.714f * block[2][i]);
        p[2] = ToByte(luma + 1.773f * block[1][i]);
      }
    }
  }
}

}  // namespace mcv::trainer
