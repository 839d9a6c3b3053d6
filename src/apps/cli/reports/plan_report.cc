#include "apps/cli/reports/plan_report.h"

#include <algorithm>
#include <cstdio>

namespace mcv::cli {
namespace {

constexpr int kBarWidth = 40;

std::string Cell(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%12s", bytes == 0 ? "-" : MemoryText(bytes).c_str());
  return text;
}

std::string Name(std::string_view name) {
  char text[64];
  std::snprintf(text, sizeof text, "%-24.*s", static_cast<int>(name.size()), name.data());
  return text;
}

std::string TitleText(const PlanReport& report) {
  const MemoryRequest& request = report.run.request;
  std::string text = report.run.model.config.name + ": " + report.run.description + "\n";
  text += std::string(report.run.target) + ", " + std::to_string(request.kernels.threads) +
          (request.kernels.threads == 1 ? " thread" : " threads") + ", context of " +
          std::to_string(request.context) + " positions\n";
  for (const PictureShape& picture : request.pictures) {
    text += "picture " + std::to_string(picture.width) + "x" + std::to_string(picture.height) +
            ": " + std::to_string(picture.views) + (picture.views == 1 ? " view, " : " views, ") +
            std::to_string(picture.positions) + " positions\n";
  }
  text += "prompt of " + std::to_string(request.prompt_positions()) +
          " positions, answer of up to " +
          std::to_string(request.all_positions() - request.prompt_positions()) + "\n\n";
  return text;
}

std::string TableText(const MemoryPlan& plan) {
  std::string text = Name("");
  for (int phase = 0; phase < kMemoryPhases; ++phase) {
    char cell[32];
    const std::string_view name = MemoryPhaseName(static_cast<MemoryPhase>(phase));
    std::snprintf(cell, sizeof cell, "%12.*s", static_cast<int>(name.size()), name.data());
    text += cell;
  }
  text += "\n";
  const auto row = [&](std::string_view name, const std::array<int64_t, kMemoryPhases>& bytes) {
    text += Name(name);
    for (const int64_t cell : bytes) text += Cell(cell);
    text += "\n";
  };
  for (const MemoryItem& item : plan.items) {
    if (*std::max_element(item.bytes.begin(), item.bytes.end()) > 0) row(item.name, item.bytes);
  }
  row("in all", plan.totals);
  return text + "\n";
}

std::string BarsText(const MemoryPlan& plan) {
  std::string text;
  for (int phase = 0; phase < kMemoryPhases; ++phase) {
    const int64_t bytes = plan.totals[static_cast<size_t>(phase)];
    const auto filled = static_cast<size_t>(kBarWidth * bytes / std::max<int64_t>(plan.peak(), 1));
    char line[160];
    std::snprintf(line, sizeof line, "%-8s %-40s %9s%s\n",
                  std::string(MemoryPhaseName(static_cast<MemoryPhase>(phase))).c_str(),
                  std::string(filled, '#').c_str(), MemoryText(bytes).c_str(),
                  static_cast<MemoryPhase>(phase) == plan.worst ? "  peak" : "");
    text += line;
  }
  return text + "\n";
}

std::string VerdictText(const PlanReport& report) {
  std::string text = "peak           " + MemoryText(report.plan.peak()) +
                     "; with the whole context " + MemoryText(report.whole.peak()) + " (KV cache " +
                     MemoryText(report.plan.cache_reserved) + ")\n";
  if (report.limit > 0) {
    text += "memory limit   " + MemoryText(report.limit) + ": " +
            (report.fits_limit() ? "kept to, whatever the conversation\n" : "too small\n");
  }
  const auto room = report.machine.Room();
  if (!room) return text + "this machine   does not tell what it has left\n";
  const auto left = static_cast<int64_t>(*room);
  text += "this machine   " + MemoryText(left) + " available: ";
  if (!report.fits_machine()) return text + "does not fit\n";
  return text + (report.whole.peak() <= left
                     ? "fits\n"
                     : "fits, but not a conversation that fills the context\n");
}

// What to change, where something does not fit.
std::vector<MemoryAdvice> AdviceFor(const PlanReport& report) {
  const int64_t bound = report.bound();
  if (bound == 0 || report.whole.peak() <= bound) return {};
  return AdviseMemory(report.run.model, report.run.request, bound);
}

std::string AdviceText(const std::vector<MemoryAdvice>& advice) {
  std::string text =
      advice.empty() ? "" : "\nwhat to change (of the peak with the whole context):\n";
  for (const MemoryAdvice& one : advice) {
    char line[160];
    std::snprintf(line, sizeof line, "  %9s less  %s%s\n", MemoryText(one.saving).c_str(),
                  one.change.c_str(), one.suffices ? "  (suffices)" : "");
    text += line;
  }
  return text;
}

nlohmann::ordered_json PhasesJson(const MemoryPlan& plan) {
  auto phases = nlohmann::ordered_json::array();
  for (size_t phase = 0; phase < kMemoryPhases; ++phase) {
    nlohmann::ordered_json items;
    for (const MemoryItem& item : plan.items) items[std::string(item.name)] = item.bytes[phase];
    phases.push_back({{"name", MemoryPhaseName(static_cast<MemoryPhase>(phase))},
                      {"bytes", plan.totals[phase]},
                      {"items", std::move(items)}});
  }
  return phases;
}

}  // namespace

bool PlanReport::fits_machine() const {
  const auto room = machine.Room();
  return !room || plan.peak() <= static_cast<int64_t>(*room);
}

int64_t PlanReport::bound() const {
  if (limit > 0) return limit;
  return static_cast<int64_t>(machine.Room().value_or(0));
}

std::string PlanText(const PlanReport& report) {
  std::string text = TitleText(report) + TableText(report.plan) + BarsText(report.plan) +
                     VerdictText(report) + AdviceText(AdviceFor(report));
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

nlohmann::ordered_json PlanJson(const PlanReport& report) {
  const MemoryRequest& request = report.run.request;
  nlohmann::ordered_json json;
  json["model"] = report.run.model.config.name;
  json["files"] = report.run.description;
  json["target"] = report.run.target;
  json["threads"] = request.kernels.threads;
  json["context"] = request.context;
  json["batch_tokens"] = request.batch_tokens;
  json["prompt_positions"] = request.prompt_positions();
  json["answer_positions"] = request.all_positions() - request.prompt_positions();
  json["pictures"] = nlohmann::ordered_json::array();
  for (const PictureShape& picture : request.pictures) {
    json["pictures"].push_back({{"width", picture.width},
                                {"height", picture.height},
                                {"views", picture.views},
                                {"positions", picture.positions}});
  }
  json["phases"] = PhasesJson(report.plan);
  json["peak_bytes"] = report.plan.peak();
  json["peak_phase"] = MemoryPhaseName(report.plan.worst);
  json["whole_context_peak_bytes"] = report.whole.peak();
  json["cache_reserved_bytes"] = report.plan.cache_reserved;
  if (report.limit > 0) json["limit_bytes"] = report.limit;
  if (const auto room = report.machine.Room()) json["machine_available_bytes"] = *room;
  json["fits"] = report.fits_limit() && report.fits_machine();
  json["advice"] = nlohmann::ordered_json::array();
  for (const MemoryAdvice& one : AdviceFor(report)) {
    json["advice"].push_back(
        {{"change", one.change}, {"saving_bytes", one.saving}, {"suffices", one.suffices}});
  }
  json["notes"] = report.notes;
  return json;
}

}  // namespace mcv::cli
