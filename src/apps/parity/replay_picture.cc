#include "apps/parity/replay_picture.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "apps/parity/compare.h"
#include "base/sha256.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "model/vision/vision_encoder.h"

namespace mcv::parity {

using nlohmann::json;

void Replay::Add(const std::string& stage, double difference, double tolerance,
                 const std::string& detail) const {
  Check check = base;
  check.stage = stage;
  check.difference = difference;
  check.tolerance = tolerance;
  check.detail = detail;
  report->Add(check);
}

void Replay::Broken(const std::string& what) const {
  report->Broken(base.run, base.source, base.where + ": " + what);
}

const json* Replay::Find(const char* key) const {
  const auto found = c->json.find(key);
  return found == c->json.end() || found->is_null() ? nullptr : &*found;
}

namespace {

// [width, height], or 0 x 0 for null.
PixelSize SizeOf(const json& value) {
  if (!value.is_array()) return {};
  return {value.at(0).get<int>(), value.at(1).get<int>()};
}

std::string Text(PixelSize size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

// Sizes and grid; `image` is the picture itself.
void ComparePlan(const Replay& r, const SlicePlan& plan, PixelSize image) {
  int compared = 0;
  int unequal = 0;
  std::string detail;
  const auto compare = [&](const char* key, PixelSize got) {
    const auto found = r.c->json.find(key);
    if (found == r.c->json.end()) return;
    ++compared;
    const PixelSize expected = SizeOf(*found);
    if (got == expected) return;
    ++unequal;
    detail += std::string(key) + " is " + Text(got) + ", expected " + Text(expected) + "; ";
  };
  compare("image_size", image);
  compare("grid", {plan.cols, plan.rows});
  compare("overview_size", plan.overview);
  compare("refine_size", plan.refine);
  compare("slice_size", plan.cell);
  if (compared > 0) r.Add("slicing", unequal, 0, detail);
}

// Bytes of the rows that the goldens keep.
struct PixelDifference {
  int levels = 0;
  std::string detail;
};
PixelDifference CompareRows(const json& rows, const Image& pixels) {
  PixelDifference worst;
  for (const auto& [row_text, values] : rows.items()) {
    const int row = std::atoi(row_text.c_str());
    if (row < 0 || row >= pixels.height) return {256, "has no row " + row_text};
    const uint8_t* bytes = pixels.pixels.data() + size_t(row) * size_t(pixels.width) * 3;
    const std::vector<int> expected = values.get<std::vector<int>>();
    for (size_t i = 0; i < expected.size() && i < size_t(pixels.width) * 3; ++i) {
      const int difference = std::abs(expected[i] - bytes[i]);
      if (difference <= worst.levels) continue;
      worst = {difference, "row " + row_text + " byte " + std::to_string(i) + " is " +
                               std::to_string(bytes[i]) + ", expected " +
                               std::to_string(expected[i])};
    }
  }
  return worst;
}

void CompareViews(const Replay& r, const std::vector<View>& views, double tolerance) {
  const json* slices = r.Find("slices");
  if (slices == nullptr) return;
  if (slices->size() != views.size()) {
    r.Add("pixels", HUGE_VAL, tolerance,
          std::to_string(views.size()) + " views, expected " + std::to_string(slices->size()));
    return;
  }
  for (size_t i = 0; i < views.size(); ++i) {
    const json& slice = slices->at(i);
    const Image& pixels = views[i].pixels;
    const std::string view = "view " + std::to_string(i) + ": ";
    const PixelSize expected{slice.at("width").get<int>(), slice.at("height").get<int>()};
    if (PixelSize{pixels.width, pixels.height} != expected) {
      r.Add("pixels", HUGE_VAL, tolerance,
            view + Text({pixels.width, pixels.height}) + ", expected " + Text(expected));
      continue;
    }
    PixelDifference difference = CompareRows(slice.at("rows"), pixels);
    // A wrong hash is at least one level somewhere, seen or not. With a tolerance (pixels from
    // another decoder) the hash cannot be asked for.
    const bool same_hash = Sha256Hex(pixels.pixels) == slice.at("sha256").get<std::string>();
    if (!same_hash && difference.levels == 0) difference = {1, "sha256 differs"};
    r.Add("pixels", difference.levels, tolerance, view + difference.detail);
  }
}

// [rows, columns] of patches per view.
void ComparePatchGrids(const Replay& r, const std::vector<View>& views) {
  const json* expected = r.Find("tgt_sizes");
  if (expected == nullptr) return;
  std::vector<int> got, wanted;
  for (const View& view : views) got.insert(got.end(), {view.patch_rows, view.patch_cols});
  for (const json& size : *expected) {
    wanted.insert(wanted.end(), {size.at(0).get<int>(), size.at(1).get<int>()});
  }
  r.Add("slicing", double(CountUnequal<int>(got, wanted)), 0,
        "tgt_sizes: " + FirstUnequal<int>(got, wanted));
}

void ComparePositions(const Replay& r, const std::vector<View>& views,
                      const std::vector<ViewPositions>& positions) {
  const json* lists = r.Find("position_ids");
  const json* list_of_slice = r.Find("position_ids_of_slice");
  if (lists == nullptr || list_of_slice == nullptr) return;
  for (size_t i = 0; i < views.size() && i < list_of_slice->size(); ++i) {
    const auto expected = lists->at(list_of_slice->at(i).get<size_t>()).get<std::vector<int32_t>>();
    // The goldens list a view's own patches; ids of padding follow them here.
    const std::span<const int32_t> got(positions[i].ids.data(),
                                       static_cast<size_t>(positions[i].num_patches));
    r.Add("position_ids", CountUnequal<int32_t>(got, expected), 0,
          "view " + std::to_string(i) + ": " + FirstUnequal<int32_t>(got, expected));
  }
}

void ComparePatch0(const Replay& r, const View& overview) {
  const json* expected_json = r.Find("patch0_of_overview");
  if (expected_json == nullptr) return;
  const auto expected = expected_json->get<std::vector<float>>();
  const int patch = r.model->config().vision.patch;
  std::vector<float> patches(static_cast<size_t>(overview.num_patches() * PatchFloats(patch)));
  NormalisePatches(overview, r.model->config(), patches);
  const size_t count = std::min(expected.size(), patches.size());
  r.Add("patch0", LargestDifference({patches.data(), count}, expected), kPatchTolerance,
        "normalised values of patch 0 differ");
}

// One encoder stage of a case: its entry per view, and the sampled values per view.
struct Stage {
  std::string name;
  Tap tap = Tap::kVit;
  int layer = 0;
  const json* entries = nullptr;
  std::vector<float> sampled;
  std::vector<size_t> counts;  // of `sampled`, per view; empty if nothing is sampled
};

// "vit_layer<k>" is what comes out of block k, counted from 1.
bool TapOfStage(const std::string& name, Stage* stage) {
  stage->name = name;
  if (name == "vit_embedding") {
    stage->tap = Tap::kVitEmbedding;
  } else if (name == "vit") {
    stage->tap = Tap::kVit;
  } else if (name == "resampler") {
    stage->tap = Tap::kResampler;
  } else if (name.starts_with("vit_layer") &&
             name.find_first_not_of("0123456789", 9) == std::string::npos && name.size() > 9 &&
             name.size() < 13) {
    stage->tap = Tap::kVitLayer;
    stage->layer = std::atoi(name.c_str() + 9) - 1;
  } else {
    return false;
  }
  return true;
}

std::vector<Stage> FindStages(const Replay& r) {
  std::vector<Stage> stages;
  for (const auto& [key, value] : r.c->json.items()) {
    Stage stage;
    if (!value.is_array() || !TapOfStage(key, &stage)) continue;
    stage.entries = &value;
    if (const json* file = r.Find((key + "_every97").c_str())) {
      const json* counts = r.Find((key + "_every97_counts").c_str());
      size_t total = 0;
      if (counts != nullptr) stage.counts = counts->get<std::vector<size_t>>();
      for (const size_t count : stage.counts) total += count;
      auto values = ReadNpyValues(r.c->folder + "/" + file->get<std::string>(), total);
      if (values.ok()) {
        stage.sampled = *std::move(values);
      } else {
        r.Broken(values.status().message());
        stage.counts.clear();
      }
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

void CompareStage(const Replay& r, const Stage& stage, size_t view, ConstMatView values) {
  const std::string where = "view " + std::to_string(view) + ": ";
  if (view >= stage.entries->size()) {
    r.Add(stage.name, HUGE_VAL, kEncoderTolerance, where + "not expected");
    return;
  }
  std::span<const float> sampled;
  if (view < stage.counts.size()) {
    size_t begin = 0;
    for (size_t i = 0; i < view; ++i) begin += stage.counts[i];
    sampled = std::span<const float>(stage.sampled).subspan(begin, stage.counts[view]);
  }
  const Summary summary = CompareSummary(stage.entries->at(view), sampled, values);
  r.Add(stage.name, summary.difference, kEncoderTolerance, where + summary.detail);
}

void CompareOverviewRows(const Replay& r, ConstMatView rows) {
  const json* file = r.Find("resampler_overview");
  if (file == nullptr) return;
  const size_t count = static_cast<size_t>(rows.rows * rows.cols);
  const auto expected = ReadNpyValues(r.c->folder + "/" + file->get<std::string>(), count);
  if (!expected.ok()) return r.Broken(expected.status().message());
  r.Add("resampler_overview", LargestDifference({rows.data, count}, *expected), kEncoderTolerance,
        "rows of the overview differ");
}

}  // namespace

void ComparePixels(const Replay& replay, const SlicePlan& plan, const Image& image,
                   const SliceConfig& config, double tolerance) {
  ComparePlan(replay, plan, {image.width, image.height});
  CompareViews(replay, MakeViews(image, plan, config.patch, &replay.machine->pool()), tolerance);
}

Result<PictureRows> ReplayPicture(const Replay& r) {
  const ModelConfig& config = r.model->config();
  if (!config.has_vision) {
    return Unsupported(r.model->files().Describe() + " has no vision tower");
  }
  MCV_ASSIGN_OR_RETURN(const Image image,
                       r.goldens->LoadPicture(r.c->json.at("image").get<std::string>()));
  PictureRows out;
  out.plan = PlanSlices(image.width, image.height, config.slicing);
  const std::vector<View> views =
      MakeViews(image, out.plan, config.slicing.patch, &r.machine->pool());
  std::vector<PatchGrid> grids;
  for (const View& view : views) grids.push_back({view.patch_rows, view.patch_cols});
  const std::vector<ViewPositions> positions = PositionIds(grids, config.vision);

  ComparePlan(r, out.plan, {image.width, image.height});
  ComparePatchGrids(r, views);
  CompareViews(r, views, 0);
  ComparePositions(r, views, positions);
  ComparePatch0(r, views[0]);

  const std::vector<Stage> stages = FindStages(r);
  VisionEncoder encoder(config, r.model->weights().vision(), r.model->weights().resampler(),
                        r.machine->context());
  const int64_t rows_per_view = encoder.rows_per_view();
  out.rows.resize(views.size() * static_cast<size_t>(rows_per_view) *
                  static_cast<size_t>(encoder.width()));
  const MatView rows(out.rows.data(), static_cast<int64_t>(views.size()) * rows_per_view,
                     encoder.width());
  for (size_t i = 0; i < views.size(); ++i) {
    const TapSink sink = [&](Tap tap, int layer, ConstMatView values) {
      for (const Stage& stage : stages) {
        if (stage.tap != tap || stage.layer != layer) continue;
        const bool padded = tap != Tap::kResampler;  // padding rows are nobody's result
        CompareStage(r, stage, i, padded ? values.Rows(0, views[i].num_patches()) : values);
      }
    };
    MCV_RETURN_IF_ERROR(
        encoder.Encode(views[i], positions[i], {.taps = &sink},
                       rows.Rows(static_cast<int64_t>(i) * rows_per_view, rows_per_view)));
  }
  CompareOverviewRows(r, rows.Rows(0, rows_per_view));
  return out;
}

}  // namespace mcv::parity
