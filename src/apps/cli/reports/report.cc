#include "apps/cli/reports/report.h"

#include <cstdio>

#include "apps/cli/terminal/shown_text.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

std::string Line(const char* stage, const std::string& value) {
  char name[32];
  std::snprintf(name, sizeof name, "%-16s ", stage);
  return name + value + "\n";
}

std::string Number(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}

std::string ThreadsLine(const Engine& engine) {
  std::string text;
  for (const Stage stage : kStages) {
    text += (text.empty() ? "" : "; ") + std::string(StageName(stage)) + " " +
            Describe(engine.thread_settings().of(stage));
  }
  return text + " (" + engine.thread_source() + ")";
}

nlohmann::json ThreadsJson(const Engine& engine) {
  nlohmann::json json = {{"source", engine.thread_source()},
                         {"batch_tokens", engine.thread_settings().batch_tokens}};
  for (const Stage stage : kStages) {
    const StageSettings& s = engine.thread_settings().of(stage);
    json[std::string(StageName(stage))] = {{"threads", s.threads},
                                           {"placement", PlacementName(s.placement)},
                                           {"rows", s.blocking.rows},
                                           {"tokens", s.blocking.tokens}};
  }
  return json;
}

std::string PictureLine(const LoadedPicture& picture, const PictureStats& stats) {
  std::string text = std::to_string(picture.width) + "x" + std::to_string(picture.height) + ", " +
                     std::to_string(stats.views) + (stats.views == 1 ? " view, " : " views, ") +
                     std::to_string(stats.rows) + " rows; decode " +
                     FormatSeconds(picture.decode_seconds);
  if (stats.source != PictureSource::kEncoded) {
    return text + ", from the cache (" + PictureSourceName(stats.source) + ") in " +
           FormatSeconds(stats.lookup_seconds);
  }
  text += ", resize " + FormatSeconds(stats.resize_seconds) + ", encode " +
          FormatSeconds(stats.encode_seconds);
  if (stats.views > 1) {
    text += " (" + FormatSeconds(stats.encode_seconds / stats.views) + " a view)";
  }
  return text;
}

}  // namespace

std::string StatsText(const Engine& engine, const Session& session,
                      const std::vector<LoadedPicture>& pictures, const AnswerStats& stats) {
  std::string text;
  text += Line("model", ShownName(engine.config().name) + " (" +
                            std::string(engine.config().row().name) + "), " +
                            std::string(engine.target_name()) + ", " +
                            std::to_string(engine.threads()) + " threads");
  text += Line("threads", ThreadsLine(engine));
  text += Line("load", FormatSeconds(engine.load_seconds()));
  for (const LoadedPicture& picture : pictures) {
    text += Line("picture", PictureLine(picture, session.picture_stats(picture.number)));
  }
  text += Line("prompt", std::to_string(stats.prompt_tokens) + " tokens (" +
                             std::to_string(stats.reused_tokens) + " kept), " +
                             Number(stats.PrefillTokensPerSecond(), "tokens/s"));
  text += Line("first token", FormatSeconds(stats.first_token_seconds));
  text += Line("answer", std::to_string(stats.generated_tokens) + " tokens, " +
                             Number(stats.DecodeTokensPerSecond(), "tokens/s"));
  text += Line("context", std::to_string(session.context_used()) + " of " +
                              std::to_string(session.context_length()) + " positions");
  const int64_t cache_bytes = engine.cache_bytes_per_position();
  text += Line("cache", std::string(Traits(engine.cache_type()).name) + ", " +
                            std::to_string(cache_bytes) + " bytes a position, " +
                            FormatBytes(session.context_used() * cache_bytes) + " used");
  text += Line("peak memory", FormatBytes(PeakResidentBytes()));
  return text;
}

nlohmann::json AnswerJson(const Engine& engine, const Session& session,
                          const std::vector<LoadedPicture>& pictures, const Answer& answer) {
  nlohmann::json json;
  json["model"] = {
      {"name", engine.config().name},       {"version", engine.config().row().short_name},
      {"files", engine.files().Describe()}, {"target", engine.target_name()},
      {"threads", engine.threads()},        {"load_seconds", engine.load_seconds()}};
  json["model"]["thread_settings"] = ThreadsJson(engine);
  json["pictures"] = nlohmann::json::array();
  for (const LoadedPicture& picture : pictures) {
    const PictureStats& stats = session.picture_stats(picture.number);
    json["pictures"].push_back({{"path", picture.path},
                                {"width", picture.width},
                                {"height", picture.height},
                                {"views", stats.views},
                                {"patches", stats.patches},
                                {"rows", stats.rows},
                                {"source", PictureSourceName(stats.source)},
                                {"decode_seconds", picture.decode_seconds},
                                {"resize_seconds", stats.resize_seconds},
                                {"encode_seconds", stats.encode_seconds},
                                {"lookup_seconds", stats.lookup_seconds},
                                {"store_seconds", stats.store_seconds},
                                {"notes", picture.notes}});
  }
  json["answer"] = answer.text;
  json["ids"] = answer.ids;
  json["finish_reason"] = StopReasonName(answer.reason);
  const AnswerStats& stats = answer.stats;
  json["stats"] = {{"prompt_tokens", stats.prompt_tokens},
                   {"reused_tokens", stats.reused_tokens},
                   {"generated_tokens", stats.generated_tokens},
                   {"prefill_seconds", stats.prefill_seconds},
                   {"prefill_tokens_per_second", stats.PrefillTokensPerSecond()},
                   {"first_token_seconds", stats.first_token_seconds},
                   {"decode_seconds", stats.decode_seconds},
                   {"decode_tokens_per_second", stats.DecodeTokensPerSecond()},
                   {"context_used", session.context_used()},
                   {"context_length", session.context_length()},
                   {"cache_type", Traits(engine.cache_type()).name},
                   {"cache_bytes_per_position", engine.cache_bytes_per_position()},
                   {"peak_resident_bytes", PeakResidentBytes()}};
  return json;
}

}  // namespace mcv::cli
