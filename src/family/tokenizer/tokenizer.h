// Text to token ids and back, for the three kinds of tokenizer that the family has.
//
// There are two ways in. EncodeText is for what people type: it can never give a control token,
// whatever the text says. EncodeWithSpecials is for rendered prompts and for comparing with the
// reference: "<image>" and its like become their ids. A chat prompt is built from control ids and
// EncodeText (spec/prompt), so typed text stays text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "family/tokenizer/byte_trie.h"
#include "family/tokenizer/vocabulary.h"
#include "family/versions.h"
#include "formats/gguf/gguf_file.h"

namespace mcv {

struct DecodeOptions {
  // Control tokens are left out, or shown by their names ("<|eot_id|>").
  bool show_control = false;
  // What the published code does to a finished answer (clean_up_tokenization_spaces): no blank
  // before . ? ! , and before English contractions. Only Decode can do it, a stream can not.
  bool clean_up_spaces = false;
};

// What a loader knows before the algorithm itself is built.
struct TokenizerSetup {
  TokenizerKind kind = TokenizerKind::kLlama3Bpe;
  Vocabulary vocabulary;
  std::vector<SpecialToken> specials;
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::string chat_template;
};

// Immutable after loading, so any number of threads may use one.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Plain text: never a control token. Bytes that are not UTF-8 are read as U+FFFD, one for each
  // maximal malformed piece. No BOS. Empty text gives no ids.
  std::vector<int32_t> EncodeText(std::string_view utf8) const;
  // The reference's rule: the special strings are cut out first (leftmost, then longest), each rest
  // is encoded alone. No BOS.
  std::vector<int32_t> EncodeWithSpecials(std::string_view utf8) const;

  // The id of a special token by its exact text ("<|eot_id|>", "<image>"); ordinary words have
  // none.
  std::optional<int32_t> SpecialId(std::string_view text) const;
  // True for tokens that steer the model; false for ids outside the vocabulary. "!" is never one,
  // although files of 2.5 flag it so because it serves as padding.
  bool IsControl(int32_t id) const;
  // True for the ids that end an answer.
  bool IsStop(int32_t id) const;
  // The bytes that the token stands for, which may be part of a character. A control token gives
  // its name; an id outside the vocabulary gives nothing.
  std::string TokenBytes(int32_t id) const;
  // Always valid UTF-8: broken sequences become U+FFFD.
  std::string Decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const;

  // Ids are 0 .. vocab_size() - 1. A model's logits may be wider (padding).
  int vocab_size() const { return vocabulary_.size(); }
  std::optional<int32_t> bos_id() const { return bos_id_; }
  std::optional<int32_t> eos_id() const { return eos_id_; }
  // The file's end token and the family's other end strings that this vocabulary has, looked up by
  // name: 2.5 needs both <|end_of_text|> and <|eot_id|>.
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }
  TokenizerKind kind() const { return kind_; }
  // The Jinja text that came with the file, or empty. Shown to people, never run.
  const std::string& chat_template() const { return chat_template_; }

 protected:
  explicit Tokenizer(TokenizerSetup setup);

  // kTyped must not give control ids; kReference may give what the reference gives between two
  // special strings.
  enum class TextSource { kTyped, kReference };
  // Appends the ids of valid UTF-8.
  virtual void AppendPlain(std::string_view utf8, TextSource source,
                           std::vector<int32_t>* ids) const = 0;
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  TokenizerKind kind_;
  Vocabulary vocabulary_;
  std::vector<SpecialToken> specials_;
  ByteTrie special_trie_;  // text -> index into specials_
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::vector<int32_t> stop_ids_;
  std::string chat_template_;
};

// From a Hugging Face folder: tokenizer.json (byte-level BPE), or tokenizer.model
// (SentencePiece BPE), either with tokenizer_config.json. Errors name the file and the entry.
Result<std::unique_ptr<Tokenizer>> LoadTokenizerFromFolder(const std::string& folder);

// From the metadata of a language model's GGUF. For architecture minicpm the file's flags are known
// to be incomplete (model-spec 5.1), so what they leave out is put back.
Result<std::unique_ptr<Tokenizer>> LoadTokenizerFromGguf(const GgufFile& file);

// The same from bytes already in memory, for tests and fuzzers; `config` may be empty. `name` is
// used in messages.
Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view json,
                                                      std::string_view config,
                                                      const std::string& name);
Result<std::unique_ptr<Tokenizer>> ParseSentencePieceModel(std::string_view model,
                                                           std::string_view config,
                                                           const std::string& name);

// Tokens to text as they come: a character that is spread over several tokens is held back until it
// is whole. One answer, one thread; the tokenizer must outlive it.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool show_control = false)
      : tokenizer_(tokenizer), show_control_(show_control) {}

  // The text that became certain with this token: valid UTF-8, possibly empty.
  std::string Push(int32_t id);
  // What is still held back, as U+FFFD; the object is then ready for another answer.
  std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  bool show_control_;
  std::string pending_;  // the beginning of a character, at most 3 bytes
};

}  // namespace mcv
