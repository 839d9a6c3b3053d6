#include "apps/bench/chart.h"

#include <algorithm>

#include "apps/bench/report.h"
#include "apps/bench/svg.h"
#include "apps/bench/values.h"

namespace mcv::bench {
namespace {

using svg::Box;
using svg::kCharactersPerLine;
using svg::kLineHeight;
using svg::kMargin;
using svg::kWidth;
using svg::Number;
using svg::Text;
using svg::Wrapped;

// All in the picture's own units.
constexpr double kBarsLeft = 300, kBarsWidth = 366;  // the limit lies at the right end
constexpr double kValuesLeft = 682, kTimesRight = kWidth - kMargin;
constexpr double kBarHeight = 15, kBarGap = 3, kRowGap = 20;

std::string LimitMark(double x, double top, double bottom) {
  return "<line x1=\"" + Number(x) + "\" y1=\"" + Number(top) + "\" x2=\"" + Number(x) +
         "\" y2=\"" + Number(bottom) + "\" class=\"limit\"/>\n";
}

// How long the bars are: shares of the limit, or of the best one where there is no limit.
struct Lengths {
  std::vector<double> sides;  // our own, then the peers
  double limit = 0.0;
};

Lengths LengthsOf(const TableRow& line) {
  Lengths lengths;
  lengths.limit = line.limit ? 1.0 : 0.0;
  const auto add = [&](const TableCell& cell) {
    double length = cell.share.value_or(0.0);
    if (!line.limit && cell.median.value_or(0.0) > 0) {
      length = LargerIsBetter(line.row) ? *cell.median : 1.0 / *cell.median;
    }
    lengths.sides.push_back(length);
  };
  add(line.own);
  for (const PeerCell& peer : line.peers) add(peer);
  const double longest = *std::max_element(lengths.sides.begin(), lengths.sides.end());
  const double most = std::max(longest, lengths.limit);
  if (most <= 0) return lengths;
  for (double& length : lengths.sides) length /= most;
  lengths.limit /= most;
  return lengths;
}

std::string PeerStyle(size_t peer) {
  constexpr const char* kStyles[] = {"peer", "peer1", "peer2"};
  return kStyles[peer % std::size(kStyles)];
}

class Chart {
 public:
  explicit Chart(const Results& results) : results_(results) {}

  std::string Draw() {
    DrawHead();
    for (const TableRow& line : Tabulate(results_)) DrawRow(line);
    DrawFoot();
    return svg::Page(kWidth, y_, HeadLine(results_), body_);
  }

 private:
  void DrawHead() {
    y_ = kMargin + 14;
    std::string title = "minicpmv";
    for (const PeerIdentity& peer : results_.peers) title += ", " + peer.name;
    body_ += Text(kMargin, y_, "title", title + " and the machine's limit");
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
    for (const std::string& options : OptionLines(results_)) line(options);
    y_ += 12;
    DrawLegend();
  }

  std::string MachineText() const {
    const auto found = results_.machine.find("processor");
    return (found == results_.machine.end() ? std::string("processor unknown") : found->second) +
           ", " + std::to_string(results_.model.threads) + " threads, kernels " +
           results_.model.target + BackendsText(results_);
  }

  void DrawLegend() {
    // Several peers need the line for themselves.
    const bool wide = results_.peers.size() > 1;
    double x = wide ? kMargin : kBarsLeft;
    double base = y_ + 12;
    const auto entry = [&](const std::string& style, const std::string& text) {
      constexpr double kCharacter = 8.0;
      body_ += Box(x, base - 11, 13, 13, style.c_str());
      body_ += Text(x + 19, base, "", text);
      x += 40.0 + kCharacter * static_cast<double>(text.size());
    };
    entry("own", "minicpmv");
    for (size_t i = 0; i < results_.peers.size(); ++i) entry(PeerStyle(i), results_.peers[i].name);
    body_ += LimitMark(x + 6, base - 12, base + 3);
    body_ += Text(x + 14, base, "", "machine's limit");
    if (wide) base += kLineHeight;
    body_ += Text(kValuesLeft, base, "small", "median (share of the limit)");
    if (!results_.peers.empty()) {
      body_ += Text(kTimesRight, base, "small", "times better", "end");
    }
    y_ = base + 16;
  }

  void DrawRow(const TableRow& line) {
    const double bars = static_cast<double>(line.peers.size()) + 1.0;
    // One bar alone leaves room for the two lines of text beside it.
    const double height =
        line.peers.empty() ? 2 * kBarHeight : bars * kBarHeight + (bars - 1.0) * kBarGap;
    const double top = y_ + kRowGap / 2;
    const Lengths lengths = LengthsOf(line);
    body_ += Text(kMargin, top + 12, "bold", line.title);
    const std::string limit =
        line.limit
            ? "limit " + ValueText(line.row, line.limit->value) + " (" + line.limit->basis + ")"
            : std::string("no limit known; the best one is full width");
    body_ += Text(kMargin, top + 28, "small", limit);
    // Without a limit the length says less: paler.
    const double opacity = line.limit ? 1.0 : 0.6;
    double bar_top = line.peers.empty() ? top + kBarHeight / 2 : top;
    DrawBar(bar_top, "own", opacity, lengths.sides[0], ValueLabel(line, line.own));
    for (size_t i = 0; i < line.peers.size(); ++i) {
      bar_top += kBarHeight + kBarGap;
      const PeerCell& peer = line.peers[i];
      DrawBar(bar_top, PeerStyle(i), opacity, lengths.sides[i + 1], ValueLabel(line, peer));
      if (!peer.times) continue;
      body_ += Text(kTimesRight, bar_top + 12, "bold", TimesText(*peer.times), "end");
    }
    if (line.limit) {
      body_ += LimitMark(kBarsLeft + kBarsWidth * lengths.limit, top - 4, top + height + 4);
    }
    y_ = top + height + kRowGap / 2;
  }

  void DrawBar(double top, const std::string& style, double opacity, double length,
               const std::string& label) {
    body_ += Box(kBarsLeft, top, kBarsWidth, kBarHeight, "track");
    if (length > 0)
      body_ += Box(kBarsLeft, top, kBarsWidth * length, kBarHeight, style.c_str(), opacity);
    body_ += Text(kValuesLeft, top + 12, "", label);
  }

  static std::string ValueLabel(const TableRow& line, const TableCell& cell) {
    if (!cell.median) return "-";
    return ValueText(line.row, *cell.median) +
           (cell.share ? " (" + PercentText(*cell.share) + ")" : "");
  }

  void DrawFoot() {
    for (const std::string& note : LeftOut(results_)) {
      for (const std::string& part : Wrapped("left out: " + note, kCharactersPerLine)) {
        y_ += kLineHeight;
        body_ += Text(kMargin, y_, "small", part);
      }
    }
    y_ += kMargin;
  }

  const Results& results_;
  std::string body_;
  double y_ = 0.0;
};

}  // namespace

std::string ChartSvg(const Results& results) { return Chart(results).Draw(); }

}  // namespace mcv::bench
