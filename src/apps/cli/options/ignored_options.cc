// Options that were given and do nothing: whoever typed them expects something.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "apps/cli/options/home_path.h"
#include "apps/cli/options/run_options.h"

namespace mcv::cli {
namespace {

class IgnoredList {
 public:
  explicit IgnoredList(const CLI::App& app) : app_(app) {}

  bool Has(const std::string& name) const {
    const CLI::Option* option = app_.get_option_no_throw(name);
    return option != nullptr && option->count() > 0;
  }
  // Those of `names` that were given have no effect because of `why`.
  void Tell(const std::vector<std::string>& names, const std::string& why) {
    for (const std::string& name : names) {
      if (Has(name)) notes_.push_back(name + " has no effect " + why);
    }
  }
  std::vector<std::string> Take() { return std::move(notes_); }

 private:
  const CLI::App& app_;
  std::vector<std::string> notes_;
};

}  // namespace

std::vector<std::string> IgnoredOptions(const CLI::App& app, const RunOptions& options) {
  IgnoredList list(app);
  const bool beams = options.beams > 1;
  const bool sampled = list.Has("--temperature") ? options.temperature > 0.0f : options.sample;
  const std::vector<std::string> of_sampling = {"--top-k", "--top-p", "--min-p", "--seed"};
  if (beams) {
    list.Tell({"--sample", "--temperature"}, "with --beams, which does not sample");
    list.Tell(of_sampling, "with --beams, which does not sample");
  } else if (!sampled) {
    if (options.sample) list.Tell({"--sample"}, "with --temperature 0, which is greedy");
    list.Tell(of_sampling, "without --sample or a --temperature above 0");
  }
  if (options.engine.text_only) {
    list.Tell({"--mmproj", "--max-slices", "--as-stored", "--positions", "--encoder-numerics",
               "--picture-cache", "--picture-cache-size"},
              "with --text-only, which takes no pictures");
  } else if (IsOff(options.picture_cache)) {
    list.Tell({"--picture-cache-size"}, "with --picture-cache off");
  }
  if (list.Has("--threads")) list.Tell({"--tuning"}, "with --threads, which says how many");
  if (options.json) list.Tell({"--stats"}, "with --json, which has all of it");
  const char* named = std::getenv("MCV_MODEL");
  if (options.engine.model.empty() && (named == nullptr || *named == '\0')) {
    list.Tell({"--no-mmap"}, "on the built-in model, which is part of the program");
  }
  return list.Take();
}

}  // namespace mcv::cli
