// Printing a planned text: Pango lays it out at 64 pixels an em, our own resampler maps it into the
// picture.
#include <cairo.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "trainer/data/alphabet.h"
#include "trainer/data/damage.h"
#include "trainer/data/patch_labels.h"
#include "trainer/data/words.h"

namespace mcv::trainer {
namespace {

constexpr int kEmPixels = 64;
constexpr int kMargin = 4;  // of empty pixels around the ink, so that reads never wrap
// Between them these letters reach as high and as low as a font's lower-case letters do.
constexpr char kReference[] = "bdfhklgjpqy";

// One channel of coverage, 0..255, with the position of each character in it.
struct Printed {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> alpha;
  struct Span {
    float left, right;
    int label;  // in Alphabet(), or -1
  };
  std::vector<Span> characters;
  float box_left, box_top, box_width, box_height;  // what has to fit into the picture
};

float ReadAlpha(const Printed& printed, float x, float y) {
  const int ix = static_cast<int>(std::floor(x)), iy = static_cast<int>(std::floor(y));
  if (ix < 0 || iy < 0 || ix + 1 >= printed.width || iy + 1 >= printed.height) return 0;
  const float fx = x - static_cast<float>(ix), fy = y - static_cast<float>(iy);
  const uint8_t* p = &printed.alpha[static_cast<size_t>(iy) * printed.width + ix];
  const float top = p[0] + fx * (p[1] - p[0]);
  const float bottom = p[printed.width] + fx * (p[printed.width + 1] - p[printed.width]);
  return top + fy * (bottom - top);
}

void HalveAlpha(Printed& printed) {
  Printed half;
  half.width = printed.width / 2;
  half.height = printed.height / 2;
  half.alpha.resize(static_cast<size_t>(half.width) * half.height);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      const uint8_t* p = &printed.alpha[static_cast<size_t>(2 * y) * printed.width + 2 * x];
      half.alpha[static_cast<size_t>(y) * half.width + x] =
          static_cast<uint8_t>((p[0] + p[1] + p[printed.width] + p[printed.width + 1] + 2) / 4);
    }
  }
  printed.width = half.width;
  printed.height = half.height;
  printed.alpha = std::move(half.alpha);
  for (auto& span : printed.characters) {
    span.left /= 2;
    span.right /= 2;
  }
  for (float* value :
       {&printed.box_left, &printed.box_top, &printed.box_width, &printed.box_height}) {
    *value /= 2;
  }
}

// The map from picture pixels to printed pixels.
struct TextMap {
  float xx, xy, x0, yx, yy, y0;
  float X(float x, float y) const { return xx * x + xy * y + x0; }
  float Y(float x, float y) const { return yx * x + yy * y + y0; }
};

// Picture pixels per printed pixel such that the turned box fits both ways.
float FitScale(const TextPlan& plan, const Printed& printed) {
  const float c = std::abs(std::cos(plan.turn)), s = std::abs(std::sin(plan.turn));
  const float width = printed.box_width * plan.stretch;
  return std::min(plan.fill * plan.grid.height() / (width * s + printed.box_height * c),
                  0.97f * plan.grid.width() / (width * c + printed.box_height * s));
}

TextMap MapText(const TextPlan& plan, const Printed& printed, float scale) {
  const float c = std::cos(plan.turn), s = std::sin(plan.turn);
  const float width = printed.box_width * plan.stretch * scale, height = printed.box_height * scale;
  const float outer_width = width * std::abs(c) + height * std::abs(s);
  const float outer_height = width * std::abs(s) + height * std::abs(c);
  const float centre_x = outer_width / 2 + plan.slack_x * (plan.grid.width() - outer_width);
  const float centre_y = outer_height / 2 + plan.slack_y * (plan.grid.height() - outer_height);
  TextMap map;
  map.xx = c / (scale * plan.stretch);
  map.xy = s / (scale * plan.stretch);
  map.yx = -s / scale;
  map.yy = c / scale;
  map.x0 = printed.box_left + printed.box_width / 2 - map.xx * centre_x - map.xy * centre_y;
  map.y0 = printed.box_top + printed.box_height / 2 - map.yx * centre_x - map.yy * centre_y;
  return map;
}

// Coverage of each picture pixel, 0..1, from four samples a pixel.
std::vector<float> Resample(const TextPlan& plan, const Printed& printed, const TextMap& map) {
  const int width = plan.grid.width(), height = plan.grid.height();
  std::vector<float> coverage(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float sum = 0;
      for (int k = 0; k < 4; ++k) {
        const float px = static_cast<float>(x) + (k & 1 ? 0.75f : 0.25f);
        const float py = static_cast<float>(y) + (k >> 1 ? 0.75f : 0.25f);
        sum += ReadAlpha(printed, map.X(px, py) - 0.5f, map.Y(px, py) - 0.5f);
      }
      coverage[static_cast<size_t>(y) * width + x] = sum / (4 * 255);
    }
  }
  return coverage;
}

// The index of the character that owns most of the patch's width, or -1; letters own their columns
// over the line's height.
int CharacterOf(const PatchGrid& grid, int row, int col, const Printed& printed, const TextMap& map,
                const std::vector<float>& coverage) {
  float ink = 0;
  for (int y = row * kPatchPixels; y < (row + 1) * kPatchPixels; ++y) {
    for (int x = col * kPatchPixels; x < (col + 1) * kPatchPixels; ++x) {
      ink += coverage[static_cast<size_t>(y) * grid.width() + x];
    }
  }
  if (ink < 0.03f * kPatchPixels * kPatchPixels) return -1;
  constexpr int kProbes = 7;
  std::vector<int> hits(printed.characters.size(), 0);
  for (int k = 0; k < kProbes; ++k) {
    const float px = kPatchPixels * (static_cast<float>(col) + (k + 0.5f) / kProbes);
    const float x = map.X(px, kPatchPixels * (static_cast<float>(row) + 0.5f));
    for (size_t i = 0; i < hits.size(); ++i) {
      hits[i] += x >= printed.characters[i].left && x < printed.characters[i].right;
    }
  }
  const auto best = std::max_element(hits.begin(), hits.end());
  if (best == hits.end() || *best * 2 < kProbes) return -1;
  return static_cast<int>(best - hits.begin());
}

}  // namespace

struct TextPainter::Impl {
  PangoFontMap* map = pango_cairo_font_map_new();
  PangoContext* context = pango_font_map_create_context(map);
  PangoLayout* layout = pango_layout_new(context);
  std::map<std::string, PangoRectangle> references;  // ink of kReference by font

  Impl() {
    // Grey edges and no grid fitting: the same shapes at every size, on every machine.
    cairo_font_options_t* options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(context, options);
    cairo_font_options_destroy(options);
  }
  ~Impl() {
    g_object_unref(layout);
    g_object_unref(context);
    g_object_unref(map);
  }

  void SetFont(const TextPlan& plan) {
    PangoFontDescription* font = pango_font_description_new();
    pango_font_description_set_family(font, plan.family.c_str());
    pango_font_description_set_absolute_size(font, kEmPixels * PANGO_SCALE);
    pango_font_description_set_weight(font, plan.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_font_description_set_style(font, plan.italic ? PANGO_STYLE_ITALIC : PANGO_STYLE_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
  }

  // Ink of the text that the layout holds, relative to its baseline's start.
  PangoRectangle Ink() {
    PangoRectangle ink;
    pango_layout_get_pixel_extents(layout, &ink, nullptr);
    ink.y -= pango_layout_get_baseline(layout) / PANGO_SCALE;
    return ink;
  }

  const PangoRectangle& Reference(const TextPlan& plan) {
    const std::string key = plan.family + (plan.bold ? " b" : "") + (plan.italic ? " i" : "");
    const auto found = references.find(key);
    if (found != references.end()) return found->second;
    pango_layout_set_text(layout, kReference, -1);
    return references.emplace(key, Ink()).first->second;
  }

  Printed Print(const TextPlan& plan) {
    SetFont(plan);
    const PangoRectangle reference = Reference(plan);
    pango_layout_set_text(layout, plan.text.data(), static_cast<int>(plan.text.size()));
    const PangoRectangle ink = Ink();
    int top = ink.y, bottom = ink.y + ink.height;
    if (!plan.tight) {
      top = std::min(top, reference.y);
      bottom = std::max(bottom, reference.y + reference.height);
    }
    Printed printed;
    printed.width = (ink.width + 2 * kMargin + 3) & ~3;  // Cairo wants rows of whole words
    printed.height = (bottom - top + 2 * kMargin + 3) & ~3;
    printed.alpha.resize(static_cast<size_t>(printed.width) * printed.height);
    printed.box_left = printed.box_top = kMargin;
    printed.box_width = static_cast<float>(std::max(1, ink.width));
    printed.box_height = static_cast<float>(std::max(1, bottom - top));
    const int origin_x = kMargin - ink.x;
    cairo_surface_t* surface = cairo_image_surface_create_for_data(
        printed.alpha.data(), CAIRO_FORMAT_A8, printed.width, printed.height, printed.width);
    cairo_t* canvas = cairo_create(surface);
    cairo_move_to(canvas, origin_x,
                  kMargin - top - pango_layout_get_baseline(layout) / PANGO_SCALE);
    pango_cairo_show_layout(canvas, layout);
    cairo_destroy(canvas);
    cairo_surface_destroy(surface);
    LocateCharacters(plan.text, origin_x, printed);
    return printed;
  }

  void LocateCharacters(const std::string& text, int origin_x, Printed& printed) {
    int byte = 0;
    for (char32_t character : CodePoints(text)) {
      PangoRectangle at;
      pango_layout_index_to_pos(layout, byte, &at);
      const float a = static_cast<float>(at.x) / PANGO_SCALE + static_cast<float>(origin_x);
      const float b = a + static_cast<float>(at.width) / PANGO_SCALE;  // negative right to left
      printed.characters.push_back({std::min(a, b), std::max(a, b), AlphabetIndex(character)});
      std::string utf8;
      AppendUtf8(character, utf8);
      byte += static_cast<int>(utf8.size());
    }
  }
};

TextPainter::TextPainter() : impl_(std::make_unique<Impl>()) {}
TextPainter::~TextPainter() = default;

Picture TextPainter::Paint(const TextPlan& plan, PatchTruth& patches) {
  Printed printed = impl_->Print(plan);
  if (FitScale(plan, printed) < 0.5f) HalveAlpha(printed);
  const TextMap map = MapText(plan, printed, FitScale(plan, printed));
  const std::vector<float> coverage = Resample(plan, printed, map);
  const PatchGrid& grid = plan.grid;
  Picture picture{grid.width(), grid.height(), std::vector<uint8_t>(coverage.size() * 3)};
  for (size_t i = 0; i < coverage.size(); ++i) {
    for (int c = 0; c < 3; ++c) {
      const float value = plan.paper[c] + coverage[i] * (plan.ink[c] - plan.paper[c]);
      picture.rgb[i * 3 + c] = static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
    }
  }
  patches.Assign(grid.count());
  for (int p = 0; p < grid.count(); ++p) {
    const int at = CharacterOf(grid, p / grid.cols, p % grid.cols, printed, map, coverage);
    const int label = at < 0 ? -1 : printed.characters[at].label;
    if (label < 0) continue;
    patches.label[p] = CharacterLabel(label);
    patches.number[p] = kMostThings + std::min(at, kMostCharacters - 1);
  }
  if (plan.blur > 0) Blur(picture, plan.blur);
  if (plan.noise > 0) AddNoise(picture, plan.noise, plan.noise_seed);
  if (plan.jpeg_quality > 0) CompressLikeJpeg(picture, plan.jpeg_quality);
  return picture;
}

}  // namespace mcv::trainer
