// The pictures of a session: what they are known by, and how their rows are had.
#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <utility>

#include "base/clock.h"
#include "base/sha256.h"
#include "engine/memory/memory_limit.h"
#include "engine/session_picture.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"

namespace mcv {

namespace {

// Pictures are the same if their sizes and pixels are. Within a session a hash of 128 bits that
// takes a word at a time is enough: of a picture of 100 million pixels SHA-256 takes seconds.
std::string KeyOf(const Image& image) {
  constexpr uint64_t kOdd[2] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f};
  uint64_t lanes[2] = {kOdd[1], kOdd[0]};
  const auto take = [&](uint64_t word) {
    for (size_t i = 0; i < 2; ++i) {
      lanes[i] = (lanes[i] ^ word) * kOdd[i];
      lanes[i] ^= lanes[i] >> (29 + 3 * i);
    }
  };
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= image.pixels.size(); at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, image.pixels.data() + at, sizeof word);
    take(word);
  }
  for (; at < image.pixels.size(); ++at) take(image.pixels[at]);
  char digits[2 * 16 + 1];
  std::snprintf(digits, sizeof digits, "%016llx%016llx",
                static_cast<unsigned long long>(lanes[0]),   // NOLINT(google-runtime-int)
                static_cast<unsigned long long>(lanes[1]));  // NOLINT(google-runtime-int)
  return std::to_string(image.width) + "x" + std::to_string(image.height) + ":" + digits;
}

Status CheckImage(const Image& image) {
  const bool whole = image.width > 0 && image.height > 0 &&
                     image.pixels.size() ==
                         static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3;
  if (whole) return OkStatus();
  return InvalidArgument("the picture is " + std::to_string(image.width) + "x" +
                         std::to_string(image.height) + " with " +
                         std::to_string(image.pixels.size()) +
                         " bytes: expected 3 bytes per pixel "
                         "and at least one pixel");
}

int64_t CountPatches(const SlicePlan& plan, int patch) {
  const auto count = [patch](PixelSize size) {
    return int64_t{size.width / patch} * (size.height / patch);
  };
  return count(plan.overview) + (plan.num_views() - 1) * count(plan.cell);
}

}  // namespace

const PictureStats& Session::picture_stats(int image) const {
  static const PictureStats kNone;
  return image >= 0 && image < num_images() ? pictures_[static_cast<size_t>(image)]->stats : kNone;
}

Result<int> Session::AddImage(const Image& image, const AddImageOptions& options) {
  if (parts_.scheduler->encoder() == nullptr) {
    return Unsupported("this model sees no pictures: its vision file (mmproj) was not opened" +
                       (parts_.why_no_vision.empty() ? "" : "; " + parts_.why_no_vision));
  }
  MCV_RETURN_IF_ERROR(CheckImage(image));
  auto picture = std::make_unique<Picture>();
  picture->key = KeyOf(image);
  for (size_t i = 0; i < pictures_.size(); ++i) {
    if (pictures_[i]->key == picture->key) return static_cast<int>(i);
  }
  MCV_RETURN_IF_ERROR(
      RoomForPicture(image.width, image.height, static_cast<int64_t>(image.pixels.size())));
  picture->plan = PlanSlices(image.width, image.height, parts_.config->slicing);
  MCV_RETURN_IF_ERROR(EncodeOrFind(image, options, picture.get()));
  pictures_.push_back(std::move(picture));
  return num_images() - 1;
}

int Session::views_held() const {
  int views = 0;
  for (const auto& picture : pictures_) views += picture->stats.views;
  return views;
}

Status Session::RoomForPicture(int width, int height, int64_t decoding_bytes) const {
  if (parts_.guard == nullptr || parts_.scheduler->encoder() == nullptr) return OkStatus();
  PictureShape shape = PictureShapeOf(*parts_.config, width, height);
  shape.decoding_bytes = decoding_bytes;
  return parts_.guard->CheckPicture(shape, views_held());
}

// Options of slicing are in the plan: those that do not change this picture's views do not change
// the key.
PictureKey Session::CacheKey(const Image& image, const Picture& picture) const {
  const SlicePlan& plan = picture.plan;
  const std::array<int, 11> numbers = {image.width,
                                       image.height,
                                       plan.cols,
                                       plan.rows,
                                       plan.overview.width,
                                       plan.overview.height,
                                       plan.refine.width,
                                       plan.refine.height,
                                       plan.cell.width,
                                       plan.cell.height,
                                       parts_.config->slicing.patch};
  const EncoderId encoder = parts_.encoder_id();
  Sha256 sha;
  sha.Update(std::as_bytes(std::span(encoder)));
  sha.Update(std::as_bytes(std::span(numbers)));
  sha.Update(std::as_bytes(std::span(image.pixels)));
  return sha.Finish();
}

Status Session::EncodeOrFind(const Image& image, const AddImageOptions& options, Picture* picture) {
  PictureStats& stats = picture->stats;
  stats.views = picture->plan.num_views();
  stats.patches = CountPatches(picture->plan, parts_.config->slicing.patch);
  stats.rows = int64_t{parts_.scheduler->encoder()->rows_per_view()} * stats.views;
  PictureCache* cache = parts_.picture_cache.get();
  if (cache == nullptr) return EncodeViews(image, options, picture);

  const RowsShape shape = {stats.rows, parts_.scheduler->encoder()->width()};
  auto start = Clock::now();
  const PictureKey key = CacheKey(image, *picture);
  PictureCache::Found found = cache->Find(key, shape, options.cancel);
  stats.lookup_seconds = SecondsSince(start);
  stats.source = found.source;
  picture->rows = std::move(found.rows);
  if (picture->rows == nullptr) {
    MCV_RETURN_IF_ERROR(EncodeViews(image, options, picture));
    if (parts_.check_files) MCV_RETURN_IF_ERROR(parts_.check_files());
    start = Clock::now();
    cache->Insert(key, shape, picture->rows);
    stats.store_seconds = SecondsSince(start);
  }
  stats.cache_notes = cache->TakeNotes();
  return OkStatus();
}

Status Session::EncodeViews(const Image& image, const AddImageOptions& options, Picture* picture) {
  PictureStats& stats = picture->stats;
  Scheduler::Picture turn(*parts_.scheduler, &trace_);
  const auto start = Clock::now();
  std::vector<View> views;
  turn.WithPool([&](ThreadPool* pool) {
    TraceScope scope(&trace_, Zone::kResize);
    views = MakeViews(image, picture->plan, parts_.config->slicing.patch, pool);
  });
  stats.resize_seconds = SecondsSince(start);
  std::vector<float> rows(static_cast<size_t>(stats.rows * parts_.scheduler->encoder()->width()));

  const auto encode_start = Clock::now();
  MCV_RETURN_IF_ERROR(RunEncoder(turn, views, options, picture, &rows));
  stats.encode_seconds = SecondsSince(encode_start);
  picture->rows = std::make_shared<const std::vector<float>>(std::move(rows));
  return OkStatus();
}

Status Session::RunEncoder(Scheduler::Picture& turn, const std::vector<View>& views,
                           const AddImageOptions& options, Picture* picture,
                           std::vector<float>* rows) {
  const auto start = Clock::now();
  std::vector<PatchGrid> grids;
  for (const View& view : views) grids.push_back({view.patch_rows, view.patch_cols});
  const std::vector<ViewPositions> positions = PositionIds(grids, parts_.config->vision);
  const int64_t queries = parts_.scheduler->encoder()->rows_per_view();
  const MatView all(rows->data(), picture->stats.rows, parts_.scheduler->encoder()->width());
  int64_t patches_done = 0;
  const auto tell = [&](size_t views_done) {
    if (!options.on_progress) return;
    const double spent = SecondsSince(start);
    const int64_t patches_left = picture->stats.patches - patches_done;
    const double left = patches_done > 0 ? spent * patches_left / patches_done : 0.0;
    options.on_progress({static_cast<int>(views_done), picture->stats.views, spent, left});
  };

  tell(0);
  for (size_t i = 0; i < views.size(); ++i) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped after " + std::to_string(i) + " of " +
                       std::to_string(views.size()) + " views of the picture");
    }
    const MatView out = all.Rows(static_cast<int64_t>(i) * queries, queries);
    MCV_RETURN_IF_ERROR(turn.Encode(views[i], positions[i], options.cancel, out));
    patches_done += views[i].num_patches();
    tell(i + 1);
  }
  return OkStatus();
}

}  // namespace mcv
