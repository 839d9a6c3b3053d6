#include "trainer/recipes/curve.h"

#include <cairo.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
#include <vector>

#include "base/mapped_file.h"

namespace mcv::trainer {
namespace {

using Series = std::map<std::string, std::vector<std::pair<double, double>>>;

struct Panel {
  std::string title;
  Series series;
};

// What a log line holds besides losses and shares.
bool IsBookkeeping(const std::string& name) {
  static const char* const kNames[] = {
      "step",      "pictures", "seconds", "lr", "gradient_norm", "skipped", "pictures_per_second",
      "wait_share"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](const char* known) { return name == known; });
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Result<std::vector<Panel>> ReadPanels(const std::string& log_path) {
  MCV_ASSIGN_OR_RETURN(const std::string text, ReadFile(log_path, size_t{1} << 30));
  std::vector<Panel> panels = {{"loss", {}}, {"share right", {}}};
  std::istringstream lines(text);
  std::string line;
  int number = 0;
  while (std::getline(lines, line)) {
    ++number;
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("pictures")) {
      return Corrupt(log_path + ":" + std::to_string(number) + ": not a line of a training log");
    }
    const double x = json["pictures"].get<double>();
    for (const auto& [name, value] : json.items()) {
      if (IsBookkeeping(name) || !value.is_number()) continue;
      panels[EndsWith(name, "_hits") ? 1 : 0].series[name].emplace_back(x, value.get<double>());
    }
  }
  if (number == 0) return NotFound(log_path + ": the log is empty");
  std::erase_if(panels, [](const Panel& panel) { return panel.series.empty(); });
  return panels;
}

struct Box {
  double left, top, right, bottom;
  double x_end, y_end;  // values at the right and upper edges; both axes start at 0
  double X(double x) const { return left + (right - left) * x / x_end; }
  double Y(double y) const { return bottom - (bottom - top) * std::min(y, y_end) / y_end; }
};

// 1, 2 or 5 times a power of ten, so that about six of them cover `range`.
double TickStep(double range) {
  const double raw = range / 6.0;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10.0 * power;
}

std::string TickText(double value) {
  char text[32];
  if (value >= 1e6) {
    std::snprintf(text, sizeof(text), "%gM", value / 1e6);
  } else if (value >= 1e3) {
    std::snprintf(text, sizeof(text), "%gk", value / 1e3);
  } else {
    std::snprintf(text, sizeof(text), "%g", value);
  }
  return text;
}

void DrawAxes(cairo_t* cr, const Box& box, const std::string& title) {
  cairo_set_line_width(cr, 1);
  cairo_set_font_size(cr, 13);
  for (double y = 0; y <= box.y_end * 1.0001; y += TickStep(box.y_end)) {
    cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
    cairo_move_to(cr, box.left, box.Y(y));
    cairo_line_to(cr, box.right, box.Y(y));
    cairo_stroke(cr);
    cairo_set_source_rgb(cr, 0.25, 0.25, 0.25);
    cairo_move_to(cr, box.left - 42, box.Y(y) + 4);
    cairo_show_text(cr, TickText(y).c_str());
  }
  for (double x = 0; x <= box.x_end * 1.0001; x += TickStep(box.x_end)) {
    cairo_move_to(cr, box.X(x) - 10, box.bottom + 18);
    cairo_show_text(cr, TickText(x).c_str());
  }
  cairo_move_to(cr, box.left, box.top - 10);
  cairo_show_text(cr, (title + " over pictures seen").c_str());
}

// Raw values pale, their running mean strong.
void DrawSeries(cairo_t* cr, const Box& box, const std::vector<std::pair<double, double>>& points,
                const double (&rgb)[3]) {
  for (int pass = 0; pass < 2; ++pass) {
    cairo_set_source_rgba(cr, rgb[0], rgb[1], rgb[2], pass == 0 ? 0.25 : 1.0);
    cairo_set_line_width(cr, pass == 0 ? 1.0 : 2.0);
    double mean = points[0].second;
    const double keep = points.size() > 50 ? 0.85 : 0.7;
    for (size_t i = 0; i < points.size(); ++i) {
      mean = keep * mean + (1.0 - keep) * points[i].second;
      const double y = pass == 0 ? points[i].second : mean;
      if (i == 0) {
        cairo_move_to(cr, box.X(points[i].first), box.Y(y));
      } else {
        cairo_line_to(cr, box.X(points[i].first), box.Y(y));
      }
    }
    cairo_stroke(cr);
  }
}

void DrawPanel(cairo_t* cr, Box box, const Panel& panel) {
  constexpr double kColours[][3] = {{0.12, 0.35, 0.75}, {0.80, 0.25, 0.15}, {0.10, 0.55, 0.25},
                                    {0.55, 0.25, 0.65}, {0.75, 0.55, 0.05}, {0.20, 0.60, 0.65},
                                    {0.90, 0.45, 0.65}, {0.35, 0.35, 0.35}};
  // Names stand beside the curves, not on them.
  const double names_left = box.right - 185;
  box.right -= 200;
  box.x_end = 1.0;
  box.y_end = panel.title == "loss" ? 1e-3 : 1.0;
  for (const auto& [name, points] : panel.series) {
    for (const auto& [x, y] : points) {
      box.x_end = std::max(box.x_end, x);
      if (panel.title == "loss" && std::isfinite(y)) box.y_end = std::max(box.y_end, y);
    }
  }
  DrawAxes(cr, box, panel.title);
  size_t index = 0;
  for (const auto& [name, points] : panel.series) {
    const auto& rgb = kColours[index % std::size(kColours)];
    DrawSeries(cr, box, points, rgb);
    cairo_set_source_rgb(cr, rgb[0], rgb[1], rgb[2]);
    cairo_move_to(cr, names_left, box.top + 18 + 18 * static_cast<double>(index));
    cairo_show_text(
        cr, (name + "  " + TickText(std::round(1000 * points.back().second) / 1000)).c_str());
    ++index;
  }
}

}  // namespace

Status DrawCurve(const std::string& log_path, const std::string& png_path,
                 const CurveOptions& options) {
  MCV_ASSIGN_OR_RETURN(const std::vector<Panel> panels, ReadPanels(log_path));
  const int height = options.height * static_cast<int>(std::max<size_t>(1, panels.size()));
  const std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, options.width, height), cairo_surface_destroy);
  const std::unique_ptr<cairo_t, decltype(&cairo_destroy)> cr(cairo_create(surface.get()),
                                                              cairo_destroy);
  cairo_set_source_rgb(cr.get(), 1, 1, 1);
  cairo_paint(cr.get());
  for (size_t i = 0; i < panels.size(); ++i) {
    const double top = static_cast<double>(options.height) * static_cast<double>(i);
    DrawPanel(cr.get(), {60, top + 36, options.width - 20.0, top + options.height - 36.0, 1, 1},
              panels[i]);
  }
  const cairo_status_t written = cairo_surface_write_to_png(surface.get(), png_path.c_str());
  if (written != CAIRO_STATUS_SUCCESS) {
    return IoError(png_path + ": cannot write the picture: " + cairo_status_to_string(written));
  }
  return OkStatus();
}

}  // namespace mcv::trainer
