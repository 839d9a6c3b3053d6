#include "apps/bench/chart.h"

#include <algorithm>

#include "apps/bench/report.h"
#include "apps/bench/svg.h"
#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

using svg::Box;
using svg::Number;
using svg::Text;
using svg::Wrapped;

// All in the picture's own units.
constexpr double kWidth = 980, kMargin = 24;
constexpr double kBarsLeft = 300, kBarsWidth = 366;  // the limit lies at the right end
constexpr double kValuesLeft = 682, kTimesRight = kWidth - kMargin;
constexpr double kBarHeight = 15, kBarGap = 3, kRowGap = 20;
constexpr double kLineHeight = 17;
constexpr size_t kCharactersPerLine = 138;

std::string LimitMark(double x, double top, double bottom) {
  return "<line x1=\"" + Number(x) + "\" y1=\"" + Number(top) + "\" x2=\"" + Number(x) +
         "\" y2=\"" + Number(bottom) + "\" class=\"limit\"/>\n";
}

// How long the two bars are: shares of the limit, or of the better one where there is no limit.
struct Lengths {
  double own = 0.0, peer = 0.0, limit = 0.0;
};

Lengths LengthsOf(const TableRow& line) {
  Lengths lengths;
  if (line.limit) {
    lengths = {line.own_share.value_or(0.0), line.peer_share.value_or(0.0), 1.0};
  } else {
    const bool larger = LargerIsBetter(line.row);
    const auto speed = [&](const std::optional<double>& value) {
      if (!value || *value <= 0) return 0.0;
      return larger ? *value : 1.0 / *value;
    };
    lengths = {speed(line.own_median), speed(line.peer_median), 0.0};
  }
  const double most = std::max({lengths.own, lengths.peer, lengths.limit});
  if (most <= 0) return {};
  return {lengths.own / most, lengths.peer / most, lengths.limit / most};
}

class Chart {
 public:
  explicit Chart(const Results& results) : results_(results), peer_(results.has_peer()) {}

  std::string Draw() {
    DrawHead();
    for (const TableRow& line : Tabulate(results_)) DrawRow(line);
    DrawFoot();
    return svg::Page(kWidth, y_, HeadLine(results_), body_);
  }

 private:
  void DrawHead() {
    y_ = kMargin + 14;
    body_ += Text(
        kMargin, y_, "title",
        peer_ ? "minicpmv, llama.cpp and the machine's limit" : "minicpmv and the machine's limit");
    y_ += 6;
    const auto line = [&](const std::string& text) {
      for (const std::string& part : Wrapped(text, kCharactersPerLine)) {
        y_ += kLineHeight;
        body_ += Text(kMargin, y_, "small", part);
      }
    };
    line(HeadLine(results_));
    line(MachineText());
    line("limits: " + LimitsLine(results_.limits));
    y_ += 12;
    DrawLegend();
  }

  std::string MachineText() const {
    const auto found = results_.machine.find("processor");
    return (found == results_.machine.end() ? std::string("processor unknown") : found->second) +
           ", " + std::to_string(results_.model.threads) + " threads, kernels " +
           results_.model.target +
           (results_.peer_backend.empty() ? "" : "; the peer's back end " + results_.peer_backend);
  }

  void DrawLegend() {
    double x = kBarsLeft;
    const double base = y_ + 12;
    const auto entry = [&](const char* style, const std::string& text, double width) {
      body_ += Box(x, base - 11, 13, 13, style);
      body_ += Text(x + 19, base, "", text);
      x += width;
    };
    entry("own", "minicpmv", 110);
    if (peer_) entry("peer", "llama.cpp", 110);
    body_ += LimitMark(x + 6, base - 12, base + 3);
    body_ += Text(x + 14, base, "", "machine's limit");
    body_ += Text(kValuesLeft, base, "small", "median (share of the limit)");
    if (peer_) body_ += Text(kTimesRight, base, "small", "times better", "end");
    y_ = base + 16;
  }

  void DrawRow(const TableRow& line) {
    const double height = peer_ ? 2 * kBarHeight + kBarGap : 2 * kBarHeight;
    const double top = y_ + kRowGap / 2;
    const Lengths lengths = LengthsOf(line);
    body_ += Text(kMargin, top + 12, "bold", line.title);
    const std::string limit =
        line.limit
            ? "limit " + ValueText(line.row, line.limit->value) + " (" + line.limit->basis + ")"
            : std::string("no limit known; the better one is full width");
    body_ += Text(kMargin, top + 28, "small", limit);
    // Without a limit the length says less: paler.
    const double opacity = line.limit ? 1.0 : 0.6;
    const double own_top = peer_ ? top : top + kBarHeight / 2;
    DrawBar(own_top, "own", opacity, lengths.own,
            ValueLabel(line, line.own_median, line.own_share));
    if (peer_) {
      DrawBar(top + kBarHeight + kBarGap, "peer", opacity, lengths.peer,
              ValueLabel(line, line.peer_median, line.peer_share));
    }
    if (line.limit) {
      body_ += LimitMark(kBarsLeft + kBarsWidth * lengths.limit, top - 4, top + height + 4);
    }
    if (line.times) {
      body_ += Text(kTimesRight, top + height / 2 + 5, "bold", TimesText(*line.times), "end");
    }
    y_ = top + height + kRowGap / 2;
  }

  void DrawBar(double top, const char* style, double opacity, double length,
               const std::string& label) {
    body_ += Box(kBarsLeft, top, kBarsWidth, kBarHeight, "track");
    if (length > 0) body_ += Box(kBarsLeft, top, kBarsWidth * length, kBarHeight, style, opacity);
    body_ += Text(kValuesLeft, top + 12, "", label);
  }

  static std::string ValueLabel(const TableRow& line, const std::optional<double>& value,
                                const std::optional<double>& share) {
    if (!value) return "-";
    return ValueText(line.row, *value) + (share ? " (" + PercentText(*share) + ")" : "");
  }

  void DrawFoot() {
    for (const std::string& note : results_.notes) {
      for (const std::string& part : Wrapped("left out: " + note, kCharactersPerLine)) {
        y_ += kLineHeight;
        body_ += Text(kMargin, y_, "small", part);
      }
    }
    y_ += kMargin;
  }

  const Results& results_;
  bool peer_;
  std::string body_;
  double y_ = 0.0;
};

}  // namespace

std::string ChartSvg(const Results& results) { return Chart(results).Draw(); }

}  // namespace mcv::bench
