// mcv-data-preview OUT.png [--split train|heldout|harder] [--kind scene|word|line] [--seed N]
//                  [--count N] [--difficulty D] [--labels] [--harder-emoji FOLDER]
//
// A contact sheet of samples with their questions and answers, to be looked at by a person: what a
// person cannot answer, a model should not be asked.
#include <cairo.h>
#include <pango/pangocairo.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "trainer/data/generator.h"
#include "trainer/data/patch_labels.h"

namespace {

using mcv::trainer::DataAssets;
using mcv::trainer::Sample;

constexpr int kCellWidth = 360, kCellHeight = 300, kColumns = 5, kScale = 2;

struct Options {
  std::string out;
  mcv::trainer::Split split = mcv::trainer::Split::kTrain;
  std::string kind;
  mcv::trainer::DataConfig config;
  mcv::trainer::DataPaths paths;
  int count = 25;
  bool labels = false;
};

[[noreturn]] void Usage() {
  std::fprintf(stderr,
               "usage: mcv-data-preview OUT.png [--split train|heldout|harder] "
               "[--kind scene|word|line] [--seed N] [--count N] [--difficulty D] [--labels] "
               "[--harder-emoji FOLDER]\n");
  std::exit(2);
}

Options Parse(int argc, char** argv) {
  Options options;
  options.config.group_size = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag[0] != '-') {
      options.out = flag;
      continue;
    }
    if (flag == "--labels") {
      options.labels = true;
      continue;
    }
    if (++i == argc) Usage();
    const std::string value = argv[i];
    if (flag == "--split") {
      options.split = value == "train"     ? mcv::trainer::Split::kTrain
                      : value == "heldout" ? mcv::trainer::Split::kHeldOut
                                           : mcv::trainer::Split::kHarder;
    } else if (flag == "--kind") {
      options.config.scene_share = value == "scene";
      options.config.word_share = value == "word";
      options.config.line_share = value == "line";
    } else if (flag == "--seed") {
      options.config.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (flag == "--count") {
      options.count = std::atoi(value.c_str());
    } else if (flag == "--difficulty") {
      options.config.scene_difficulty = options.config.word_difficulty = std::atof(value.c_str());
    } else if (flag == "--harder-emoji") {
      options.paths.harder_emoji_dir = value;
    } else {
      Usage();
    }
  }
  if (options.out.empty()) Usage();
  return options;
}

void DrawText(cairo_t* canvas, double x, double y, int width, const std::string& text) {
  PangoLayout* layout = pango_cairo_create_layout(canvas);
  PangoFontDescription* font = pango_font_description_from_string("DejaVu Sans 8");
  pango_layout_set_font_description(layout, font);
  pango_font_description_free(font);
  pango_layout_set_width(layout, width * PANGO_SCALE);
  pango_layout_set_text(layout, text.data(), static_cast<int>(text.size()));
  cairo_move_to(canvas, x, y);
  pango_cairo_show_layout(canvas, layout);
  g_object_unref(layout);
}

// Two screen pixels for one, except where the picture would leave its cell.
double Scale(const mcv::trainer::Picture& picture) {
  return picture.width * kScale > kCellWidth ? 1.35 : kScale;
}

void DrawPicture(cairo_t* canvas, double x, double y, const mcv::trainer::Picture& picture) {
  cairo_surface_t* surface =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture.width, picture.height);
  uint8_t* data = cairo_image_surface_get_data(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  for (int row = 0; row < picture.height; ++row) {
    uint32_t* out = reinterpret_cast<uint32_t*>(data + static_cast<size_t>(row) * stride);
    for (int col = 0; col < picture.width; ++col) {
      const uint8_t* p = &picture.rgb[(static_cast<size_t>(row) * picture.width + col) * 3];
      out[col] = (uint32_t{p[0]} << 16) | (uint32_t{p[1]} << 8) | p[2];
    }
  }
  cairo_surface_mark_dirty(surface);
  cairo_save(canvas);
  cairo_translate(canvas, x, y);
  cairo_scale(canvas, Scale(picture), Scale(picture));
  cairo_set_source_surface(canvas, surface, 0, 0);
  cairo_pattern_set_filter(cairo_get_source(canvas), CAIRO_FILTER_NEAREST);
  cairo_paint(canvas);
  cairo_restore(canvas);
  cairo_surface_destroy(surface);
}

std::string NameOf(int label, mcv::trainer::SampleKind kind, const DataAssets& assets) {
  if (kind == mcv::trainer::SampleKind::kScene) {
    for (int i = 0; i < assets.things().size(); ++i) {
      if (mcv::trainer::ThingLabel(i) == label) return assets.things()[i].name.substr(0, 3);
    }
  }
  std::string text;
  const auto& alphabet = mcv::trainer::Alphabet();
  for (size_t i = 0; i < alphabet.size(); ++i) {
    if (mcv::trainer::CharacterLabel(static_cast<int>(i)) == label) {
      mcv::trainer::AppendUtf8(alphabet[i], text);
    }
  }
  return text;
}

std::string LabelText(const Sample& sample, const DataAssets& assets) {
  std::string text;
  const int cols = sample.picture.width / mcv::trainer::kPatchPixels;
  for (size_t i = 0; i < sample.patches.label.size(); ++i) {
    const int label = sample.patches.label[i];
    if (i > 0 && i % cols == 0) text += '\n';
    if (label < 0) {
      text += ". ";
    } else {
      text += NameOf(label, sample.kind, assets) + " ";
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  auto assets = DataAssets::Load(options.paths);
  if (!assets.ok()) {
    std::fprintf(stderr, "mcv-data-preview: %s\n", assets.status().ToString().c_str());
    return 1;
  }
  mcv::trainer::DataGenerator generator(*assets, options.config);
  const int rows = (options.count + kColumns - 1) / kColumns;
  cairo_surface_t* sheet =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, kColumns * kCellWidth, rows * kCellHeight);
  cairo_t* canvas = cairo_create(sheet);
  cairo_set_source_rgb(canvas, 1, 1, 1);
  cairo_paint(canvas);
  for (int i = 0; i < options.count; ++i) {
    const Sample sample = generator.Make(options.split, static_cast<uint64_t>(i));
    const double x = i % kColumns * kCellWidth + 4, y = i / kColumns * kCellHeight + 4;
    DrawPicture(canvas, x, y, sample.picture);
    std::string text;
    for (const auto& turn : sample.turns) text += turn.question + "  \u2192 " + turn.answer + "\n";
    if (options.labels) text += LabelText(sample, **assets);
    cairo_set_source_rgb(canvas, 0, 0, 0);
    const double below = sample.picture.height * Scale(sample.picture) + 4;
    DrawText(canvas, x, y + below, kCellWidth - 8, text);
  }
  cairo_destroy(canvas);
  const cairo_status_t written = cairo_surface_write_to_png(sheet, options.out.c_str());
  cairo_surface_destroy(sheet);
  if (written != CAIRO_STATUS_SUCCESS) {
    std::fprintf(stderr, "mcv-data-preview: %s: %s\n", options.out.c_str(),
                 cairo_status_to_string(written));
    return 1;
  }
  return 0;
}
