// The nano model's tokenizer: byte-level BPE in the manner of Llama 3, with a vocabulary made for
// the questions and answers that the generator writes.
//
// Whole words are tokens only behind a space (" cat") or, capitalised, at the start of a question
// or answer ("What", "Two"). A word that is read from a picture starts its answer in lower case, so
// it is always spelled byte by byte: spelling is what a reading model can learn. The vocabulary
// relies on Llama 3's rule that a pre-token which is in the vocabulary is taken whole
// (`ignore_merges`).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/tokenizer.h"
#include "trainer/data/sample.h"

namespace mcv::trainer {

class DataAssets;

// Writes tokenizer.json and tokenizer_config.json (chat template and special tokens of
// MiniCPM-Llama3-V 2.5) into `folder`. Always the same bytes for the same assets.
Status BuildNanoTokenizer(const DataAssets& assets, const std::string& folder);

// The engine's own tokenizer behind the few calls that training needs. Immutable; thread-safe.
class NanoTokenizer {
 public:
  static Result<NanoTokenizer> Load(const std::string& folder);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  int vocabulary_size() const { return tokenizer_->vocab_size(); }

  // With `special`, the special tokens' strings become their ids; without, they are plain text.
  std::vector<int32_t> Encode(std::string_view text, bool special = true) const;
  std::string Decode(const std::vector<int32_t>& ids, bool keep_special = false) const;

  int32_t begin_of_text() const { return Special("<|begin_of_text|>"); }
  int32_t end_of_text() const { return Special("<|end_of_text|>"); }
  int32_t unk() const { return Special("<unk>"); }
  int32_t eot() const { return Special("<|eot_id|>"); }
  int32_t image_start() const { return Special("<image>"); }
  int32_t image_end() const { return Special("</image>"); }
  // Id of a special token by its string; the program ends if there is none.
  int32_t Special(std::string_view name) const;

 private:
  explicit NanoTokenizer(std::unique_ptr<Tokenizer> tokenizer);

  std::unique_ptr<Tokenizer> tokenizer_;
};

// A conversation about one picture as the decoder is trained on it:
//   <|begin_of_text|> user: <image> <unk> x num_queries </image> "\n" question, assistant: answer,
//   ...
// target[i] is the token after ids[i] where that token belongs to an answer or is its <|eot_id|>,
// else -1. The picture's features replace ids[image_begin, image_begin + num_queries). A later
// answer sees the earlier turns, and may copy from them what it should look for in the picture:
// several questions share the picture's cost in training, and evaluation asks each one alone.
struct ChatTokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> target;
  int image_begin = 0;
};
ChatTokens EncodeChat(const NanoTokenizer& tokenizer, const std::vector<Turn>& turns,
                      int num_queries);
// The ids up to and including the assistant header for the last turn, whose answer is left out.
ChatTokens EncodePrompt(const NanoTokenizer& tokenizer, const std::vector<Turn>& turns,
                        int num_queries);

}  // namespace mcv::trainer
