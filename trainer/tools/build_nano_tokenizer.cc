// mcv-build-nano-tokenizer FOLDER: writes the nano model's tokenizer.json and
// tokenizer_config.json.
#include <cstdio>

#include "trainer/data/bpe_builder.h"
#include "trainer/data/generator.h"

int main(int argc, char** argv) {
  using namespace mcv::trainer;
  if (argc != 2) {
    std::fprintf(stderr, "usage: mcv-build-nano-tokenizer FOLDER\n");
    return 2;
  }
  auto assets = DataAssets::Load(DataPaths{});
  const mcv::Status status = assets.ok() ? BuildNanoTokenizer(**assets, argv[1]) : assets.status();
  if (!status.ok()) {
    std::fprintf(stderr, "mcv-build-nano-tokenizer: %s\n", status.ToString().c_str());
    return 1;
  }
  auto tokenizer = NanoTokenizer::Load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "mcv-build-nano-tokenizer: %s\n", tokenizer.status().ToString().c_str());
    return 1;
  }
  std::printf("%s: %d tokens\n", argv[1], tokenizer->vocabulary_size());
  return 0;
}
