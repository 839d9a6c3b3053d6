#include "trainer/checkpoint/weights_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "family/model_files.h"
#include "trainer/checkpoint/checkpoint.h"

namespace mcv::trainer {
namespace {

namespace fs = std::filesystem;

constexpr char kTokenizerFile[] = "tokenizer.json";

std::string Meaning(const Tokenizer& tokenizer, int32_t id) {
  std::string text = tokenizer.IsControl(id) ? "the control token \"" : "\"";
  text += tokenizer.TokenBytes(id);
  text += '"';
  return text;
}

// Beside the file, in the checkpoint's folder, in the run's folder.
Result<std::unique_ptr<Tokenizer>> LoadBeside(const fs::path& file) {
  const fs::path folder = fs::absolute(file).parent_path();
  for (const fs::path& candidate :
       {folder / kTokenizerFolder, folder, folder.parent_path().parent_path() / kTokenizerFolder}) {
    std::error_code error;
    if (fs::exists(candidate / kTokenizerFile, error)) {
      return LoadTokenizerFromFolder(candidate.string());
    }
  }
  return NotFound(
      file.string() + ": no " + kTokenizerFile + " in " + (folder / kTokenizerFolder).string() +
      ", beside the file or in its run's folder" +
      ": whether the decoder's ids mean the same cannot be told; put the tokenizer there, "
      "or leave llm. out of --init-parts");
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> TokenizerOfWeights(const std::string& path) {
  if (fs::path(path).extension() == ".safetensors") return LoadBeside(path);
  MCV_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(path));
  return files.is_hf() ? LoadTokenizerFromFolder(files.folder())
                       : LoadTokenizerFromGguf(*files.text_gguf());
}

Status CheckSameTokenizer(const Tokenizer& weights, const Tokenizer& ours,
                          const std::string& path) {
  constexpr char kAdvice[] =
      "; name the tokenizer of these weights with --tokenizer-dir, or leave llm. out of "
      "--init-parts";
  for (int32_t id = 0; id < std::min(weights.vocab_size(), ours.vocab_size()); ++id) {
    if (weights.TokenBytes(id) == ours.TokenBytes(id) &&
        weights.IsControl(id) == ours.IsControl(id)) {
      continue;
    }
    return InvalidArgument(path + ": these weights were trained with another tokenizer: id " +
                           std::to_string(id) + " is " + Meaning(weights, id) + " there and " +
                           Meaning(ours, id) + " in this run" + kAdvice);
  }
  if (weights.vocab_size() == ours.vocab_size()) return OkStatus();
  return InvalidArgument(path + ": these weights were trained with another tokenizer, of " +
                         std::to_string(weights.vocab_size()) + " tokens; this run's has " +
                         std::to_string(ours.vocab_size()) + kAdvice);
}

Status CopyTokenizer(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return IoError(to + ": cannot make the folder: " + error.message());
  for (const char* name : {kTokenizerFile, "tokenizer_config.json"}) {
    fs::copy_file(fs::path(from) / name, fs::path(to) / name, fs::copy_options::overwrite_existing,
                  error);
    if (error) return IoError(to + ": cannot copy " + name + " there: " + error.message());
  }
  return OkStatus();
}

}  // namespace mcv::trainer
