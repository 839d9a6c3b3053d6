// The report as text for people and as JSON for programs.
#include "apps/cli/reports/model_report.h"
#include "family/versions.h"
#include "formats/printable.h"

namespace mcv::cli {
namespace {

using nlohmann::ordered_json;

// 8537092336 as "8,537,092,336".
std::string Grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string RightAligned(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// Text of several lines from a file, without what could steer a terminal.
std::string Harmless(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) c = '?';
  }
  return text;
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string Line(const std::string& label, const std::string& text) {
  return "  " + Padded(label, 12) + text + "\n";
}

std::string Sizes(int layers, int width, int heads, int head_dim, int ffn) {
  return std::to_string(layers) + (layers == 1 ? " layer, " : " layers, ") + std::to_string(width) +
         " wide, " + std::to_string(heads) + " heads of " + std::to_string(head_dim) +
         ", feed-forward " + std::to_string(ffn);
}

std::string LanguageText(const TextConfig& text) {
  return std::string(Row(text.arch).gguf_name) + ": " +
         Sizes(text.layers, text.width, text.heads, text.head_dim, text.ffn) + ", " +
         std::to_string(text.kv_heads) + " key/value heads, " + Grouped(text.vocab) +
         " tokens, context " + Grouped(text.max_positions) +
         (text.tied_head ? ", head tied to the embeddings" : "");
}

std::string VisionText(const VisionConfig& vision) {
  const std::string side = std::to_string(vision.table_side);
  return "SigLIP: " +
         Sizes(vision.layers, vision.width, vision.heads, vision.head_dim(), vision.ffn) +
         ", patches of " + std::to_string(vision.patch) + ", positions " + side + "x" + side +
         " (" + std::string(PositionRuleName(vision.position_rule)) + ")";
}

std::string PicturesText(const SliceConfig& slicing) {
  const std::string side = std::to_string(slicing.scale_resolution);
  if (slicing.rule == SliceRule::kSquash) return "one view of " + side + "x" + side;
  if (slicing.max_slices == 1) return "one view of about " + side + "x" + side + " pixels";
  return "an overview and up to " + std::to_string(slicing.max_slices) + " slices of about " +
         side + "x" + side + " pixels";
}

std::string ModelText(const ModelReport& report) {
  const ModelConfig& config = *report.config;
  std::string text = std::string(config.row().name) + "  " + Printable(config.name) + "\n";
  text += Line("language", LanguageText(config.text));
  if (config.has_vision) {
    text += Line("vision", VisionText(config.vision));
    text += Line("resampler", std::to_string(config.resampler.queries) + " queries, " +
                                  std::to_string(config.resampler.heads) + " heads of 128" +
                                  (config.projector_predivided ? ", projector pre-divided" : ""));
    text += Line("pictures", PicturesText(config.slicing));
  }
  const TokenizerReport& tokenizer = report.tokenizer;
  if (tokenizer.problem.empty()) {
    std::string stops;
    for (const std::string& stop : tokenizer.stops) stops += " " + stop;
    text += Line("tokenizer", tokenizer.kind + ", " + Grouped(tokenizer.tokens) +
                                  " tokens, stops at" + (stops.empty() ? " nothing" : stops));
  } else {
    text += Line("tokenizer", tokenizer.problem);
  }
  const int64_t sum =
      report.text_parameters + report.tower_parameters + report.resampler_parameters;
  std::string parts = Grouped(sum) + " (language " + Grouped(report.text_parameters);
  if (config.has_vision) {
    parts += ", vision " + Grouped(report.tower_parameters) + ", resampler " +
             Grouped(report.resampler_parameters);
  }
  text += Line("parameters", parts + ")");
  text += Line("template",
               report.chat_template.empty()
                   ? "none in the files; the version's own is used"
                   : std::to_string(report.chat_template.size()) + " bytes; --template shows it");
  return text;
}

std::string FileText(const FileReport& file, const ReportOptions& options) {
  std::string text = file.path + "\n";
  text += Line("format", file.format + ", " + Grouped(static_cast<int64_t>(file.bytes)) +
                             " bytes, " + std::to_string(file.tensors.size()) + " tensors");
  for (const auto& [type, total] : file.types) {
    text += Line(type, RightAligned(std::to_string(total.tensors), 5) + " tensors " +
                           RightAligned(Grouped(total.elements), 16) + " elements " +
                           RightAligned(Grouped(static_cast<int64_t>(total.bytes)), 16) + " bytes");
  }
  if (options.keys) {
    for (const auto& [name, value] : file.keys) text += "  " + name + " = " + value + "\n";
  }
  if (options.tensors) {
    for (const StoredTensorInfo& tensor : file.tensors) {
      text += "  " + Padded(tensor.name, 48) + " " + Padded(tensor.type, 6) + " " +
              ShapeText(tensor.shape) + "\n";
    }
  }
  return text;
}

std::string ListText(const char* title, const std::vector<std::string>& items) {
  std::string text;
  if (!items.empty()) text = std::string(title) + "\n";
  for (const std::string& item : items) text += "  " + item + "\n";
  return text;
}

ordered_json ConfigJson(const ModelConfig& config) {
  const TextConfig& text = config.text;
  ordered_json out;
  out["version"] = config.row().short_name;
  out["family_name"] = config.row().name;
  out["name"] = config.name;
  out["language"] = {{"architecture", Row(text.arch).gguf_name},
                     {"layers", text.layers},
                     {"width", text.width},
                     {"heads", text.heads},
                     {"key_value_heads", text.kv_heads},
                     {"head_width", text.head_dim},
                     {"feed_forward", text.ffn},
                     {"vocabulary", text.vocab},
                     {"context", text.max_positions},
                     {"rope_theta", text.rope_theta},
                     {"rms_epsilon", text.rms_eps},
                     {"tied_head", text.tied_head},
                     {"embedding_scale", text.embedding_scale},
                     {"residual_scale", text.residual_scale},
                     {"logit_divisor", text.logit_divisor}};
  if (!config.has_vision) return out;
  const VisionConfig& vision = config.vision;
  out["vision"] = {{"layers", vision.layers},
                   {"width", vision.width},
                   {"heads", vision.heads},
                   {"feed_forward", vision.ffn},
                   {"patch", vision.patch},
                   {"table_side", vision.table_side},
                   {"position_rule", PositionRuleName(vision.position_rule)}};
  out["resampler"] = {{"queries", config.resampler.queries},
                      {"heads", config.resampler.heads},
                      {"predivided", config.projector_predivided}};
  out["pictures"] = {{"resolution", config.slicing.scale_resolution},
                     {"max_slices", config.slicing.max_slices}};
  return out;
}

ordered_json FileJson(const FileReport& file) {
  ordered_json out = {{"path", file.path}, {"format", file.format}, {"bytes", file.bytes}};
  out["types"] = ordered_json::object();
  for (const auto& [type, total] : file.types) {
    out["types"][type] = {
        {"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}};
  }
  out["keys"] = ordered_json::object();
  for (const auto& [name, value] : file.keys) out["keys"][name] = value;
  out["tensors"] = ordered_json::array();
  for (const StoredTensorInfo& tensor : file.tensors) {
    out["tensors"].push_back({{"name", tensor.name},
                              {"type", tensor.type},
                              {"shape", tensor.shape},
                              {"bytes", tensor.bytes}});
  }
  return out;
}

}  // namespace

std::string ReportText(const ModelReport& report, const ReportOptions& options) {
  std::string text;
  if (report.config) text += ModelText(report) + "\n";
  for (const FileReport& file : report.files) text += FileText(file, options);
  const Completeness& found = report.completeness;
  text += ListText("missing tensors:", found.missing);
  text += ListText("wrong tensors:", found.wrong);
  text += ListText("tensors that this version's decoder does not have:", found.foreign);
  text += ListText("tensors that are not used:", found.unexpected);
  text += ListText("notes:", report.notes);
  if (options.chat_template && !report.chat_template.empty()) {
    text += "template:\n" + Harmless(report.chat_template) + "\n";
  }
  const bool pair = report.config && report.config->has_vision && report.files.size() == 2 &&
                    report.files[0].format.starts_with("GGUF");
  text += report.ok() ? std::string("complete: every tensor of this version is there") +
                            (pair ? ", and the two files belong together\n" : "\n")
                      : "not usable: " + report.problem.ToString() + "\n";
  return text;
}

ordered_json ReportJson(const ModelReport& report) {
  ordered_json out;
  out["ok"] = report.ok();
  if (!report.ok()) out["problem"] = report.problem.ToString();
  if (report.config) {
    out["model"] = ConfigJson(*report.config);
    out["parameters"] = {{"language", report.text_parameters},
                         {"vision", report.tower_parameters},
                         {"resampler", report.resampler_parameters}};
    out["tokenizer"] = {{"kind", report.tokenizer.kind},
                        {"tokens", report.tokenizer.tokens},
                        {"stops", report.tokenizer.stops}};
    if (!report.tokenizer.problem.empty()) {
      out["tokenizer"] = {{"problem", report.tokenizer.problem}};
    }
    out["chat_template"] = report.chat_template;
    out["missing"] = report.completeness.missing;
    out["wrong"] = report.completeness.wrong;
    out["foreign"] = report.completeness.foreign;
    out["unused"] = report.completeness.unexpected;
  }
  out["notes"] = report.notes;
  out["files"] = ordered_json::array();
  for (const FileReport& file : report.files) out["files"].push_back(FileJson(file));
  return out;
}

}  // namespace mcv::cli
