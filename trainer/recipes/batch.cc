#include "trainer/recipes/batch.h"

#include <algorithm>

#include "base/status.h"

namespace mcv::trainer {
namespace {

constexpr int kPatch = 14;
constexpr int64_t kRowMultiple = 128;
constexpr int64_t kKeptMultiple = 64;

int64_t RoundUp(int64_t n, int64_t to) { return std::max(to, (n + to - 1) / to * to); }

Tensor ToTensor(const std::vector<int64_t>& values) {
  return torch::tensor(at::ArrayRef<int64_t>(values), at::kLong);
}

Tensor JoinTruths(const std::vector<Sample>& samples, std::vector<int32_t> PatchTruth::*list) {
  std::vector<int64_t> all;
  for (const Sample& sample : samples) {
    const std::vector<int32_t>& values = sample.patches.*list;
    all.insert(all.end(), values.begin(), values.end());
  }
  return ToTensor(all);
}

// One patch of `picture` as 3 x 14 x 14 normalised values.
void FlattenPatch(const Picture& picture, int row, int col, float* out) {
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = 0; y < kPatch; ++y) {
      const uint8_t* in = picture.rgb.data() +
                          ((size_t(row) * kPatch + y) * picture.width + size_t(col) * kPatch) * 3 +
                          channel;
      for (int x = 0; x < kPatch; ++x) *out++ = (in[x * 3] / 255.0f - 0.5f) / 0.5f;
    }
  }
}

}  // namespace

void StepBatch::MoveTo(const torch::Device& device) {
  if (device.is_cpu()) return;
  for (Tensor* t :
       {&pictures.patches, &pictures.position_ids, &text.ids, &text.feature_rows, &text.kept_rows,
        &targets, &patches.label, &patches.column, &patches.row, &patches.number, &presence}) {
    if (t->defined()) *t = t->to(device, /*non_blocking=*/true);
  }
}

PictureBatch MakePictureBatch(const std::vector<const Picture*>& pictures, int table_side) {
  PictureBatch batch;
  batch.offsets.push_back(0);
  std::vector<int64_t> ids;
  for (const Picture* picture : pictures) {
    MCV_CHECK(picture->width % kPatch == 0 && picture->height % kPatch == 0);
    const GridSize grid{picture->height / kPatch, picture->width / kPatch};
    batch.grids.push_back(grid);
    batch.offsets.push_back(batch.offsets.back() + grid.rows * grid.cols);
    for (int64_t r = 0; r < grid.rows; ++r) {
      for (int64_t c = 0; c < grid.cols; ++c) {
        ids.push_back(GridPositionId(r, grid.rows, c, grid.cols, table_side));
      }
    }
  }
  constexpr int64_t kValues = 3 * kPatch * kPatch;
  batch.patches = torch::empty({batch.offsets.back(), kValues}, at::kFloat);
  float* data = MutableData<float>(batch.patches);
  at::parallel_for(0, static_cast<int64_t>(pictures.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = data + batch.offsets[i] * kValues;
      for (int r = 0; r < batch.grids[i].rows; ++r) {
        for (int c = 0; c < batch.grids[i].cols; ++c, out += kValues) {
          FlattenPatch(*pictures[i], r, c, out);
        }
      }
    }
  });
  batch.position_ids = ToTensor(ids);
  return batch;
}

TextBatch MakeTextBatch(const std::vector<ChatTokens>& chats, int queries, Tensor& targets) {
  TextBatch batch;
  std::vector<int64_t> ids, feature_rows, kept, wanted;
  batch.offsets.push_back(0);
  for (const ChatTokens& chat : chats) {
    const int64_t first = batch.offsets.back();
    for (int q = 0; q < queries; ++q) feature_rows.push_back(first + chat.image_begin + q);
    for (size_t i = 0; i < chat.ids.size(); ++i) {
      ids.push_back(chat.ids[i]);
      if (chat.target[i] < 0) continue;
      kept.push_back(first + static_cast<int64_t>(i));
      wanted.push_back(chat.target[i]);
    }
    batch.offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  ids.resize(RoundUp(static_cast<int64_t>(ids.size()), kRowMultiple), 0);
  const int64_t kept_count = RoundUp(static_cast<int64_t>(kept.size()), kKeptMultiple);
  kept.resize(kept_count, 0);
  wanted.resize(kept_count, -1);
  batch.ids = ToTensor(ids);
  batch.feature_rows = ToTensor(feature_rows);
  batch.kept_rows = ToTensor(kept);
  targets = ToTensor(wanted);
  return batch;
}

StepBatch MakeStepBatch(const std::vector<Sample>& samples, const ModelConfig& config,
                        const NanoTokenizer* tokenizer, int num_things) {
  StepBatch batch;
  std::vector<const Picture*> pictures;
  batch.scenes = true;
  for (const Sample& sample : samples) {
    pictures.push_back(&sample.picture);
    batch.scenes = batch.scenes && sample.kind == SampleKind::kScene;
  }
  batch.pictures = MakePictureBatch(pictures, config.vision.table_side);
  batch.patches = {JoinTruths(samples, &PatchTruth::label),
                   JoinTruths(samples, &PatchTruth::column), JoinTruths(samples, &PatchTruth::row),
                   JoinTruths(samples, &PatchTruth::number)};
  MCV_CHECK(batch.patches.label.size(0) == batch.pictures.offsets.back());
  batch.presence = torch::zeros({static_cast<int64_t>(samples.size()), num_things});
  float* presence = MutableData<float>(batch.presence);
  for (size_t i = 0; i < samples.size(); ++i) {
    for (const int32_t thing : samples[i].things) {
      presence[static_cast<int64_t>(i) * num_things + thing] = 1.0f;
    }
  }
  if (tokenizer != nullptr) {
    std::vector<ChatTokens> chats;
    chats.reserve(samples.size());
    for (const Sample& sample : samples) {
      chats.push_back(EncodeChat(*tokenizer, sample.turns, config.resampler.queries));
    }
    batch.text = MakeTextBatch(chats, config.resampler.queries, batch.targets);
  }
  return batch;
}

}  // namespace mcv::trainer
