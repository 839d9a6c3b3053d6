// What a replay found: one row per run, model files and stage, with the worst case named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mcv::parity {

// One comparison. Exact stages count unequal items and have tolerance 0.
struct Check {
  std::string run;     // "v25_tiny.strip"; a file's name for tables
  std::string source;  // "hf", "llm-f32.gguf"; empty for tables
  std::string stage;   // "vit_layer1"
  std::string where;   // "img_900x300"
  double difference = 0.0;
  double tolerance = 0.0;
  std::string detail;  // what exactly was unequal; shown when the check fails
};

struct ReportRow {
  std::string run, source, stage;
  int64_t checks = 0;
  int64_t failures = 0;
  double worst = 0.0;  // of difference - tolerance, so that a failure is always the worst
  double tolerance = 0.0;
  std::string worst_where;
  std::string detail;  // of the first failure
};

class Report {
 public:
  void Add(const Check& check);
  // Something that had to be there and is not, or cannot be read: a failure of its own.
  void Broken(const std::string& run, const std::string& source, const std::string& what);
  // Something optional that was not there, or not judged. Told once.
  void Note(const std::string& text);

  int64_t checks() const { return checks_; }
  int64_t failures() const { return failures_; }
  // Everything that was compared held, and something was compared.
  bool ok() const { return failures_ == 0 && checks_ > 0; }
  const std::vector<ReportRow>& rows() const { return rows_; }
  const std::vector<std::string>& notes() const { return notes_; }

  std::string Table() const;
  std::string Json() const;

 private:
  ReportRow& FindRow(const Check& check);

  std::vector<ReportRow> rows_;
  std::vector<std::string> notes_;
  int64_t checks_ = 0;
  int64_t failures_ = 0;
};

}  // namespace mcv::parity
