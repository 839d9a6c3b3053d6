// Two passes, columns then rows, each rounding to 8 bits: that intermediate rounding is part of the
// result. The passes are interleaved row by row instead of storing the half-resized picture: a band
// of output rows slides a window over the source rows and keeps only the window's rows, so the
// vertical pass reads what the horizontal pass left in cache.

#include "family/vision/resize.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "family/vision/bicubic.h"

namespace mcv {
namespace {

constexpr int kPrecisionBits = 22;  // 32 bits less 8 for the pixel and 2 for the kernel's overshoot
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

struct FixedTaps {
  int max_taps = 0;
  std::vector<int> first;
  std::vector<int> count;
  std::vector<int32_t> weights;

  const int32_t* WeightsOf(int i) const {
    return &weights[static_cast<size_t>(i) * static_cast<size_t>(max_taps)];
  }
  int FirstOf(int i) const { return first[static_cast<size_t>(i)]; }
  int CountOf(int i) const { return count[static_cast<size_t>(i)]; }
};

FixedTaps MakeFixedTaps(int num_in, int num_out) {
  AxisTaps taps = AntialiasedBicubic(num_in, num_out);
  FixedTaps fixed;
  fixed.max_taps = taps.max_taps;
  fixed.first = std::move(taps.first);
  fixed.count = std::move(taps.count);
  fixed.weights.reserve(taps.weights.size());
  for (double weight : taps.weights) {
    const double scaled = weight * (1 << kPrecisionBits);
    fixed.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
  }
  return fixed;
}

uint8_t ClipToByte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

void ResizeRow(const uint8_t* in, const FixedTaps& taps, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x) {
    const uint8_t* pixel = in + size_t{3} * static_cast<size_t>(taps.FirstOf(x));
    const int32_t* weights = taps.WeightsOf(x);
    int32_t red = kHalf;
    int32_t green = kHalf;
    int32_t blue = kHalf;
    for (int t = 0; t < taps.CountOf(x); ++t, pixel += 3) {
      red += weights[t] * pixel[0];
      green += weights[t] * pixel[1];
      blue += weights[t] * pixel[2];
    }
    *out++ = ClipToByte(red);
    *out++ = ClipToByte(green);
    *out++ = ClipToByte(blue);
  }
}

// The picture being made and what both passes need; read only while bands run.
struct Job {
  const Image& in;
  Image& out;
  FixedTaps columns;  // empty if the width stays
  FixedTaps rows;     // empty if the height stays

  const uint8_t* InRow(int y) const { return in.pixels.data() + RowBytes(in) * size_t(y); }
  uint8_t* OutRow(int y) const { return out.pixels.data() + RowBytes(out) * size_t(y); }
  static size_t RowBytes(const Image& image) { return size_t{3} * size_t(image.width); }
};

// What one worker needs for a band. Made by the caller: an allocation that fails in a worker has
// nobody to tell, and would end the process.
struct Scratch {
  explicit Scratch(const Job& job)
      : ring(job.columns.max_taps == 0
                 ? 0
                 : Job::RowBytes(job.out) * static_cast<size_t>(job.rows.max_taps)),
        sums(Job::RowBytes(job.out)) {}
  std::vector<uint8_t> ring;
  std::vector<int32_t> sums;
};

// Output rows [begin, end) when the height changes.
void ResizeBand(const Job& job, int begin, int end, Scratch* scratch) {
  const size_t row_bytes = Job::RowBytes(job.out);
  const bool same_width = job.columns.max_taps == 0;
  const int window = job.rows.max_taps;
  std::vector<int32_t>& sums = scratch->sums;
  const auto ring_row = [&](int y) {
    return scratch->ring.data() + row_bytes * static_cast<size_t>(y % window);
  };
  int next_row = job.rows.FirstOf(begin);  // the first source row that is not in the ring yet
  for (int y = begin; y < end; ++y) {
    const int first = job.rows.FirstOf(y);
    const int count = job.rows.CountOf(y);
    const int32_t* weights = job.rows.WeightsOf(y);
    if (!same_width) {
      for (next_row = std::max(next_row, first); next_row < first + count; ++next_row) {
        ResizeRow(job.InRow(next_row), job.columns, job.out.width, ring_row(next_row));
      }
    }
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int t = 0; t < count; ++t) {
      const uint8_t* row = same_width ? job.InRow(first + t) : ring_row(first + t);
      const int32_t weight = weights[t];
      for (size_t i = 0; i < row_bytes; ++i) sums[i] += weight * row[i];
    }
    uint8_t* out = job.OutRow(y);
    for (size_t i = 0; i < row_bytes; ++i) out[i] = ClipToByte(sums[i]);
  }
}

}  // namespace

Image ResizeBicubic(const Image& image, int width, int height, ThreadPool* pool) {
  MCV_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0);
  if (image.width == width && image.height == height) return image;
  Image out;
  out.width = width;
  out.height = height;
  out.pixels.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  Job job{image, out, {}, {}};
  if (image.width != width) job.columns = MakeFixedTaps(image.width, width);
  if (image.height != height) job.rows = MakeFixedTaps(image.height, height);
  const int workers = pool == nullptr ? 1 : pool->size();
  std::vector<Scratch> scratch;
  if (job.rows.max_taps > 0) scratch.assign(static_cast<size_t>(workers), Scratch(job));
  const auto make_rows = [&](int64_t begin, int64_t end, int worker) {
    if (job.rows.max_taps > 0) {
      ResizeBand(job, static_cast<int>(begin), static_cast<int>(end),
                 &scratch[static_cast<size_t>(worker)]);
      return;
    }
    for (int y = static_cast<int>(begin); y < end; ++y) {
      ResizeRow(job.InRow(y), job.columns, job.out.width, job.OutRow(y));
    }
  };
  if (workers == 1) {
    make_rows(0, height, 0);
  } else {
    // Neighbouring bands both resample the source rows of their common window: few, tall bands.
    pool->For(height, std::max(height / (2 * workers), 16), make_rows);
  }
  return out;
}

}  // namespace mcv
