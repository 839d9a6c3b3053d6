#include "trainer/data/emoji_set.h"

#include <cairo.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "trainer/data/alphabet.h"

namespace mcv::trainer {
namespace {

constexpr int kCanvas = 192;       // room for the largest glyph at kEmojiPixels
constexpr int kEmojiPixels = 109;  // the font size at which Noto's 136x128 bitmaps are not scaled
constexpr int kShapePixels = 128;

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Canvas = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

Surface MakeSurface(int width, int height) {
  return Surface(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height),
                 &cairo_surface_destroy);
}

// Cairo's pixels are native-endian 0xAARRGGBB words, already premultiplied.
SpriteLevel ReadSurface(cairo_surface_t* surface) {
  cairo_surface_flush(surface);
  SpriteLevel level;
  level.width = cairo_image_surface_get_width(surface);
  level.height = cairo_image_surface_get_height(surface);
  level.rgba.resize(static_cast<size_t>(level.width) * level.height * 4);
  const uint8_t* data = cairo_image_surface_get_data(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  for (int y = 0; y < level.height; ++y) {
    const uint32_t* row = reinterpret_cast<const uint32_t*>(data + static_cast<size_t>(y) * stride);
    for (int x = 0; x < level.width; ++x) {
      uint8_t* out = &level.rgba[(static_cast<size_t>(y) * level.width + x) * 4];
      out[0] = static_cast<uint8_t>(row[x] >> 16);
      out[1] = static_cast<uint8_t>(row[x] >> 8);
      out[2] = static_cast<uint8_t>(row[x]);
      out[3] = static_cast<uint8_t>(row[x] >> 24);
    }
  }
  return level;
}

// The part that holds ink (alpha above 8), or an empty level.
SpriteLevel CropToInk(const SpriteLevel& level) {
  int left = level.width, right = -1, top = level.height, bottom = -1;
  for (int y = 0; y < level.height; ++y) {
    for (int x = 0; x < level.width; ++x) {
      if (level.rgba[(static_cast<size_t>(y) * level.width + x) * 4 + 3] <= 8) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = y;
    }
  }
  SpriteLevel out;
  if (right < 0) return out;
  out.width = right - left + 1;
  out.height = bottom - top + 1;
  for (int y = top; y <= bottom; ++y) {
    const auto row = level.rgba.begin() + (static_cast<size_t>(y) * level.width + left) * 4;
    out.rgba.insert(out.rgba.end(), row, row + out.width * 4);
  }
  return out;
}

SpriteLevel HalfSize(const SpriteLevel& level) {
  SpriteLevel half;
  half.width = std::max(1, level.width / 2);
  half.height = std::max(1, level.height / 2);
  half.rgba.resize(static_cast<size_t>(half.width) * half.height * 4);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      for (int c = 0; c < 4; ++c) {
        int sum = 2;
        for (int k = 0; k < 4; ++k) {
          const int sx = std::min(level.width - 1, 2 * x + (k & 1));
          const int sy = std::min(level.height - 1, 2 * y + (k >> 1));
          sum += level.rgba[(static_cast<size_t>(sy) * level.width + sx) * 4 + c];
        }
        half.rgba[(static_cast<size_t>(y) * half.width + x) * 4 + c] =
            static_cast<uint8_t>(sum / 4);
      }
    }
  }
  return half;
}

Sprite MakeSprite(SpriteLevel full) {
  Sprite sprite;
  double sum[4] = {};
  for (size_t i = 0; i < full.rgba.size(); ++i) sum[i % 4] += full.rgba[i];
  for (int c = 0; c < 3; ++c) {
    sprite.mean_rgb[c] = static_cast<float>(255.0 * sum[c] / std::max(1.0, sum[3]));
  }
  sprite.levels.push_back(std::move(full));
  while (std::min(sprite.levels.back().width, sprite.levels.back().height) > 12) {
    sprite.levels.push_back(HalfSize(sprite.levels.back()));
  }
  return sprite;
}

// A missing glyph is drawn as an outlined box: one colour, no hue.
bool IsColourful(const SpriteLevel& level) {
  int low = 255, high = 0;
  for (size_t i = 0; i < level.rgba.size(); i += 4) {
    if (level.rgba[i + 3] < 200) continue;
    for (int c = 0; c < 3; ++c) {
      low = std::min<int>(low, level.rgba[i + c]);
      high = std::max<int>(high, level.rgba[i + c]);
    }
  }
  return high - low > 20;
}

SpriteLevel DrawEmoji(char32_t code_point) {
  const Surface surface = MakeSurface(kCanvas, kCanvas);
  const Canvas canvas(cairo_create(surface.get()), &cairo_destroy);
  PangoLayout* layout = pango_cairo_create_layout(canvas.get());
  PangoFontDescription* font = pango_font_description_from_string("Noto Color Emoji");
  pango_font_description_set_absolute_size(font, kEmojiPixels * PANGO_SCALE);
  pango_layout_set_font_description(layout, font);
  std::string text;
  AppendUtf8(code_point, text);
  AppendUtf8(0xFE0F, text);  // "as a picture": decides for the old symbols such as the sun
  pango_layout_set_text(layout, text.data(), static_cast<int>(text.size()));
  cairo_move_to(canvas.get(), 16, 16);
  pango_cairo_show_layout(canvas.get(), layout);
  pango_font_description_free(font);
  g_object_unref(layout);
  return CropToInk(ReadSurface(surface.get()));
}

void StarPath(cairo_t* canvas) {
  for (int i = 0; i < 10; ++i) {
    const double angle = (i * 36.0 - 90.0) * M_PI / 180.0;
    const double radius = i % 2 == 0 ? 1.0 : 0.42;
    cairo_line_to(canvas, radius * std::cos(angle), radius * std::sin(angle));
  }
  cairo_close_path(canvas);
}

void HeartPath(cairo_t* canvas) {
  cairo_move_to(canvas, 0, 0.9);
  cairo_curve_to(canvas, -1.6, -0.25, -0.75, -1.35, 0, -0.45);
  cairo_curve_to(canvas, 0.75, -1.35, 1.6, -0.25, 0, 0.9);
  cairo_close_path(canvas);
}

// Paths in the square [-1, 1]; the order is that of kShapeNames.
void ShapePath(cairo_t* canvas, int shape) {
  switch (shape) {
    case 0:
      cairo_arc(canvas, 0, 0, 1, 0, 2 * M_PI);
      break;
    case 1:
      cairo_rectangle(canvas, -0.9, -0.9, 1.8, 1.8);
      break;
    case 2:
      cairo_move_to(canvas, 0, -0.95);
      cairo_line_to(canvas, 1, 0.85);
      cairo_line_to(canvas, -1, 0.85);
      cairo_close_path(canvas);
      break;
    case 3:
      StarPath(canvas);
      break;
    case 4:
      HeartPath(canvas);
      break;
    default:
      cairo_rectangle(canvas, -0.33, -1, 0.66, 2);
      cairo_rectangle(canvas, -1, -0.33, 2, 0.66);
      break;
  }
}

SpriteLevel DrawShape(int shape) {
  const Surface surface = MakeSurface(kShapePixels + 8, kShapePixels + 8);
  const Canvas canvas(cairo_create(surface.get()), &cairo_destroy);
  cairo_translate(canvas.get(), kShapePixels / 2 + 4, kShapePixels / 2 + 4);
  cairo_scale(canvas.get(), kShapePixels / 2, kShapePixels / 2);
  cairo_set_source_rgb(canvas.get(), 1, 1, 1);
  ShapePath(canvas.get(), shape);
  cairo_fill(canvas.get());
  return CropToInk(ReadSurface(surface.get()));
}

std::vector<Sprite> DrawShapes() {
  std::vector<Sprite> shapes;
  for (int shape = 0; shape < kNumShapes; ++shape) shapes.push_back(MakeSprite(DrawShape(shape)));
  return shapes;
}

std::string FindPng(const std::string& folder, char32_t code_point) {
  for (const char* format : {"%04X", "%04x", "%04X-FE0F", "%04x-fe0f"}) {
    char name[32];
    std::snprintf(name, sizeof(name), format, static_cast<unsigned>(code_point));
    const std::string path = folder + "/" + name + ".png";
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

}  // namespace

Result<SpriteSet> SpriteSet::FromFont(const ThingTable& things) {
  SpriteSet set;
  set.emoji_.resize(static_cast<size_t>(things.size()));
  for (int i = 0; i < things.size(); ++i) {
    if (things[i].shape >= 0) continue;
    SpriteLevel level = DrawEmoji(things[i].code_point);
    if (level.width < 40 || !IsColourful(level)) {
      return NotFound("Noto Color Emoji does not draw \"" + things[i].name +
                      "\"; install fonts-noto-color-emoji");
    }
    set.emoji_[i] = MakeSprite(std::move(level));
  }
  set.shapes_ = DrawShapes();
  return set;
}

Result<SpriteSet> SpriteSet::FromFolder(const ThingTable& things, const std::string& folder) {
  SpriteSet set;
  set.emoji_.resize(static_cast<size_t>(things.size()));
  for (int i = 0; i < things.size(); ++i) {
    if (things[i].shape >= 0) continue;
    const std::string path = FindPng(folder, things[i].code_point);
    if (path.empty()) {
      return NotFound(folder + ": no PNG for \"" + things[i].name +
                      "\"; trainer/data/harder_set.sh fills this folder");
    }
    const Surface surface(cairo_image_surface_create_from_png(path.c_str()),
                          &cairo_surface_destroy);
    if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) {
      return Corrupt(path + ": " + cairo_status_to_string(cairo_surface_status(surface.get())));
    }
    // PNG files may decode to RGB24; painting onto an ARGB surface gives one format.
    const Surface argb = MakeSurface(cairo_image_surface_get_width(surface.get()),
                                     cairo_image_surface_get_height(surface.get()));
    {
      const Canvas canvas(cairo_create(argb.get()), &cairo_destroy);
      cairo_set_source_surface(canvas.get(), surface.get(), 0, 0);
      cairo_paint(canvas.get());
    }
    SpriteLevel level = CropToInk(ReadSurface(argb.get()));
    if (level.width < 16) return Corrupt(path + ": the picture is empty");
    set.emoji_[i] = MakeSprite(std::move(level));
  }
  set.shapes_ = DrawShapes();
  return set;
}

}  // namespace mcv::trainer
