// Files that are wrong in one place, damaged everywhere, or right in an unusual way.
#include <gmock/gmock.h>

#include <functional>

#include "family/tokenizer/test_tokenizers.h"
#include "family/tokenizer/tiny_files.h"

namespace mcv {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> Parse(const json& file, const json& config = nullptr) {
  auto tokenizer =
      ParseTokenizerJson(file.dump(), config.is_null() ? "" : config.dump(), "tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

// Encodes and decodes, so that sanitizers see the tables of a damaged file in use.
void Use(const Tokenizer& tokenizer) {
  const std::string text = "the <image> \xE4\xB8\xAD...<unk>\n12 im the";
  for (const auto& ids : {tokenizer.EncodeText(text), tokenizer.EncodeWithSpecials(text)}) {
    for (const int32_t id : ids) ASSERT_TRUE(id >= 0 && id < tokenizer.vocab_size());
    (void)tokenizer.Decode(ids, {.show_control = true});
  }
}

TEST(TokenizerJsonTest, TinyFileWorks) {
  const auto tokenizer = Parse(TinyBpeJson());
  EXPECT_THAT(tokenizer->EncodeText("the he"), ElementsAre(257, ' ', 256));
  EXPECT_THAT(tokenizer->EncodeWithSpecials("the<unk>"), ElementsAre(257, 258));
  EXPECT_THAT(tokenizer->stop_ids(), ElementsAre(259));
  EXPECT_EQ(tokenizer->vocab_size(), 260);
}

TEST(TokenizerJsonTest, MergesMayBePairs) {
  json file = TinyBpeJson();
  file["model"]["merges"] = json::array({json::array({"h", "e"}), json::array({"t", "he"})});
  EXPECT_THAT(Parse(file)->EncodeText("the"), ElementsAre(257));
}

TEST(TokenizerJsonTest, IgnoreMergesTakesAWholePieceOnly) {
  json file = TinyBpeJson();
  file["model"]["merges"] = json::array();
  EXPECT_THAT(Parse(file)->EncodeText("the"), ElementsAre('t', 'h', 'e'));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(Parse(file)->EncodeText("the thee"), ElementsAre(257, ' ', 't', 'h', 'e', 'e'));
}

// 2.5 pads with "!" and so flags it: it is split off where the reference does, and stays a
// character for everybody else.
TEST(TokenizerJsonTest, APaddingExclamationMarkStaysACharacter) {
  json file = TinyBpeJson();
  file["model"]["vocab"]["!!"] = 260;
  file["model"]["merges"].push_back("! !");
  file["added_tokens"].push_back({{"id", '!'}, {"content", "!"}, {"special", true}});
  const auto tokenizer = Parse(file, {{"pad_token", "!"}});
  EXPECT_FALSE(tokenizer->IsControl('!'));
  EXPECT_THAT(tokenizer->EncodeText("!!"), ElementsAre(260));
  EXPECT_THAT(tokenizer->EncodeWithSpecials("!!"), ElementsAre('!', '!'));
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{'!', 'a', '!'}), "!a!");
}

// 2.6's <unk> is an ordinary token with merges that only the config declares.
TEST(TokenizerJsonTest, ADeclaredOrdinaryTokenCanNotBeTyped) {
  json file = TinyBpeJson();
  file["added_tokens"].erase(0);
  file["model"]["vocab"]["<u"] = 260;
  file["model"]["vocab"]["nk>"] = 261;
  file["model"]["vocab"]["nk"] = 262;
  file["model"]["vocab"]["<unk>"] = 258;
  for (const char* merge : {"< u", "n k", "nk >", "<u nk>"})
    file["model"]["merges"].push_back(merge);
  file["model"]["ignore_merges"] = true;
  const auto tokenizer = Parse(file, {{"unk_token", {{"content", "<unk>"}}}});
  EXPECT_EQ(tokenizer->SpecialId("<unk>"), 258);
  EXPECT_TRUE(tokenizer->IsControl(258));
  const std::vector<int32_t> typed = tokenizer->EncodeText("<unk>");
  EXPECT_EQ(std::count(typed.begin(), typed.end(), 258), 0);
  EXPECT_EQ(tokenizer->Decode(typed), "<unk>");
  EXPECT_THAT(tokenizer->EncodeWithSpecials("<unk>"), ElementsAre(258));
}

TEST(TokenizerJsonTest, AWrongConfigDoesNotTakeWordsAway) {
  const auto tokenizer = Parse(TinyBpeJson(), {{"eos_token", "the"}, {"bos_token", 7}});
  EXPECT_FALSE(tokenizer->IsControl(257));
  EXPECT_EQ(tokenizer->eos_id(), std::nullopt);
}

TEST(TokenizerJsonTest, TheDefaultOfSeveralTemplatesIsTaken) {
  const json templates = {{{"name", "tool"}, {"template", "a"}},
                          {{"name", "default"}, {"template", "b"}}};
  EXPECT_EQ(Parse(TinyBpeJson(), {{"chat_template", templates}})->chat_template(), "b");
}

TEST(TokenizerJsonTest, EveryWrongEntryIsNamed) {
  struct Wrong {
    const char* what;
    std::function<void(json&)> make;
    const char* message;
  };
  const Wrong cases[] = {
      {"id too large", [](json& f) { f["model"]["vocab"]["xx"] = 1 << 20; }, "'xx'"},
      {"negative id", [](json& f) { f["model"]["vocab"]["xx"] = -1; }, "'xx'"},
      {"id as text", [](json& f) { f["model"]["vocab"]["xx"] = "7"; }, "'xx'"},
      {"id twice", [](json& f) { f["model"]["vocab"]["xx"] = 7; }, "two tokens have id 7"},
      {"far id", [](json& f) { f["model"]["vocab"]["xx"] = 100000; }, "largest id is 100000"},
      {"empty token", [](json& f) { f["model"]["vocab"][""] = 260; }, "0 bytes"},
      {"long token", [](json& f) { f["model"]["vocab"][std::string(5000, 'x')] = 260; }, "5000"},
      {"no byte", [](json& f) { f["model"]["vocab"].erase("Q"); }, "no token for byte 81"},
      {"no vocabulary", [](json& f) { f["model"].erase("vocab"); }, "model.vocab"},
      {"merges as object",
       [](json& f) {
         f["model"]["merges"] = {{"h", "e"}};
       },
       "model.merges"},
      {"unknown part", [](json& f) { f["model"]["merges"].push_back("t hx"); }, "merge 2"},
      {"unknown result", [](json& f) { f["model"]["merges"].push_back("t t"); }, "its result"},
      {"merge twice", [](json& f) { f["model"]["merges"].push_back("h e"); }, "is there twice"},
      {"three parts", [](json& f) { f["model"]["merges"].push_back("t h e"); }, "two parts"},
      {"one part", [](json& f) { f["model"]["merges"].push_back("the"); }, "two parts"},
      {"short pair", [](json& f) { f["model"]["merges"].push_back({"t"}); }, "two parts"},
      {"long pair",
       [](json& f) {
         f["model"]["merges"].push_back({"t", "h", "e"});
       },
       "two parts"},
      {"number as merge", [](json& f) { f["model"]["merges"].push_back(3); }, "merge 2"},
      {"deep merge", [](json& f) { f["model"]["merges"].push_back({{"a"}}); }, "nesting"},
      {"added twice",
       [](json& f) {
         f["added_tokens"].push_back({{"id", 260}, {"content", "<unk>"}});
       },
       "are both '<unk>'"},
      {"added elsewhere",
       [](json& f) {
         f["added_tokens"].push_back({{"id", 7}, {"content", "<x>"}});
       },
       "the vocabulary says"},
      {"added without id",
       [](json& f) {
         f["added_tokens"].push_back({{"content", "<x>"}});
       },
       "entry 2"},
      {"added without text",
       [](json& f) {
         f["added_tokens"].push_back({{"id", 260}});
       },
       "\"content\""},
      {"added is text", [](json& f) { f["added_tokens"] = "x"; }, "added_tokens"},
      {"lstrip", [](json& f) { f["added_tokens"][0]["lstrip"] = true; }, "lstrip"},
      {"another model", [](json& f) { f["model"]["type"] = "Unigram"; }, "Unigram"},
      {"byte fallback", [](json& f) { f["model"]["byte_fallback"] = true; }, "byte_fallback"},
      {"another pattern",
       [](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a*)*"; },
       "neither Llama 3's"},
      {"no pre-tokenizer", [](json& f) { f.erase("pre_tokenizer"); }, "pre_tokenizer"},
      {"prefix space",
       [](json& f) { f["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
       "prefix space"},
      {"another normaliser",
       [](json& f) {
         f["normalizer"] = {{"type", "NFKC"}};
       },
       "NFKC"},
      {"model is a list", [](json& f) { f["model"] = json::array(); }, "model.vocab"},
  };
  for (const Wrong& wrong : cases) {
    SCOPED_TRACE(wrong.what);
    json file = TinyBpeJson();
    wrong.make(file);
    const auto tokenizer = ParseTokenizerJson(file.dump(), "", "dir/tokenizer.json");
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_THAT(tokenizer.status().message(), HasSubstr(wrong.message));
    EXPECT_THAT(tokenizer.status().message(), HasSubstr("dir/tokenizer.json"));
  }
}

TEST(TokenizerJsonTest, TextsThatAreNoTokenizer) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("3"), std::string("null"), std::string("{}"),
        std::string("{\"model\":{\"vocab\":{\"a\":0}}}"), std::string("\xff\xfe"),
        std::string(100'000, '['), std::string("{\"a\":") + std::string(100'000, '['),
        std::string(
            "{\"model\":{\"vocab\":{}},\"model\":{\"vocab\":{\"a\":1},\"vocab\":{\"b\":2}}}")}) {
    EXPECT_FALSE(ParseTokenizerJson(text, "", "x").ok()) << text.substr(0, 60);
  }
  for (const char* config : {"[]", "{", "{\"added_tokens_decoder\": 3}",
                             "{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}",
                             "{\"added_tokens_decoder\": {\"99999999999\": {\"content\": \"a\"}}}",
                             "{\"added_tokens_decoder\": {\"5\": 3}}"}) {
    const auto tokenizer = ParseTokenizerJson(TinyBpeJson().dump(), config, "x");
    ASSERT_FALSE(tokenizer.ok()) << config;
    EXPECT_THAT(tokenizer.status().message(), HasSubstr("tokenizer_config.json"));
  }
}

TEST(TokenizerJsonTest, EveryTruncationAndByteFlipIsSurvived) {
  const std::string whole = TinyBpeJson().dump();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(ParseTokenizerJson(whole.substr(0, length), "", "x").ok()) << length;
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char mask : {'\x01', '\x80'}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      const auto tokenizer = ParseTokenizerJson(damaged, "", "x");
      if (tokenizer.ok()) Use(**tokenizer);
    }
  }
}

TEST(SentencePieceTest, TinyModelWorksWithoutConfig) {
  const auto tokenizer = ParseSentencePieceModel(TinySentencePieceModel(), "", "tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  const Tokenizer& t = **tokenizer;
  const auto id_of = [](const std::string& text) {
    const std::vector<TinyPiece> pieces = TinyPieces();
    const auto found = std::find_if(pieces.begin(), pieces.end(),
                                    [&](const TinyPiece& piece) { return piece.text == text; });
    return static_cast<int32_t>(found - pieces.begin());
  };
  EXPECT_EQ(t.SpecialId("<slice>"), id_of("<reserved_22>"));
  EXPECT_TRUE(t.IsControl(id_of("<image>")));
  EXPECT_EQ(t.TokenBytes(id_of("<reserved_23>")), "</slice>");
  EXPECT_THAT(t.EncodeText("the im"),
              ElementsAre(id_of("the"), id_of("\xE2\x96\x81"), id_of("im")));
  // Longest first, and never joined: "..." then ".", not two pairs.
  EXPECT_THAT(t.EncodeText("...."), ElementsAre(id_of("..."), id_of(".")));
  EXPECT_THAT(t.EncodeText("z"), ElementsAre(id_of("<0x7A>")));
  EXPECT_THAT(t.EncodeWithSpecials("<image></slice>"),
              ElementsAre(id_of("<image>"), id_of("<reserved_23>")));
  // The reference finds a renamed piece by its old text; a person can not.
  EXPECT_THAT(t.EncodeWithSpecials("<reserved_22>"), ElementsAre(id_of("<reserved_22>")));
  for (const int32_t id : t.EncodeText("<reserved_22><image>")) EXPECT_FALSE(t.IsControl(id));
}

TEST(SentencePieceTest, EveryWrongFieldIsNamed) {
  const std::string model = TinySentencePieceModel();
  const std::string good_normalizer = ProtoBytes(3, ProtoInteger(3, 0) + ProtoInteger(4, 0));
  std::string pieces;
  for (const TinyPiece& piece : TinyPieces()) {
    pieces += ProtoPiece(piece.text, piece.score, piece.kind);
  }
  const std::pair<std::string, const char*> cases[] = {
      {"", "no pieces"},
      {"\x0a\x7f", "cut off or broken"},
      {std::string(20, '\xff'), "cut off or broken"},
      {"just a text file", "broken"},
      {model + ProtoPiece("", 0, 1), "0 bytes"},
      {model + ProtoPiece("\xff", 0, 1), "UTF-8"},
      {model + ProtoPiece("xx", NAN, 1), "score"},
      {model + ProtoPiece("xx", 0, 9), "type 9"},
      {model + ProtoPiece("the", 0, 1), "('the') is there twice"},
      {model + ProtoPiece("...", 0, 4), "('...') is there twice"},
      {model + ProtoPiece("<0x41>", 0, 6), "is there twice"},
      {model + ProtoPiece("<0xZZ>", 0, 6), "<0xNN>"},
      {ProtoPiece("a", 0, 1) + TinySpecs(), "no piece for byte 0"},
      {pieces, "model type 1"},
      {pieces + ProtoBytes(2, ProtoInteger(3, 2)), "byte fallback"},
      {pieces + ProtoBytes(2, ProtoInteger(3, 2) + ProtoInteger(35, 1)), "add_dummy_prefix"},
      {model + ProtoBytes(3, ProtoBytes(2, "map")), "identity"},
  };
  for (const auto& [bytes, message] : cases) {
    const auto tokenizer = ParseSentencePieceModel(bytes, "", "dir/tokenizer.model");
    ASSERT_FALSE(tokenizer.ok()) << message;
    EXPECT_THAT(tokenizer.status().message(), HasSubstr(message));
    EXPECT_THAT(tokenizer.status().message(), HasSubstr("dir/tokenizer.model"));
  }
  const json far = {{"added_tokens_decoder", {{"90000", {{"content", "<x>"}}}}}};
  EXPECT_THAT(ParseSentencePieceModel(model, far.dump(), "x").status().message(),
              HasSubstr("90000"));
}

TEST(SentencePieceTest, EveryTruncationAndByteFlipIsSurvived) {
  const std::string whole = TinySentencePieceModel();
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto tokenizer = ParseSentencePieceModel(whole.substr(0, length), "", "x");
    // The specs are last, and without them the format's defaults do not fit.
    EXPECT_FALSE(tokenizer.ok()) << length;
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char mask : {'\x01', '\x08', '\x80'}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      const auto tokenizer = ParseSentencePieceModel(damaged, "", "x");
      if (tokenizer.ok()) Use(**tokenizer);
    }
  }
}

// A GGUF as the public converter writes it.
class GgufTokenizerTest : public ::testing::Test {
 protected:
  struct Fields {
    std::string arch, model, pre;
    std::vector<std::string> tokens;
    std::vector<int32_t> types;
    std::vector<float> scores;
    std::vector<std::string> merges;
    int unknown_id = -1;
    int eos_id = -1;
  };
  static Fields MiniCpm() {
    Fields fields{"minicpm", "llama", "default", {}, {}, {}, {}};
    for (const TinyPiece& piece : TinyPieces()) {
      fields.tokens.push_back(piece.text);
      fields.types.push_back(piece.kind == 4 ? 1 : piece.kind);  // the converter's gap
      fields.scores.push_back(piece.score);
    }
    fields.eos_id = 2;
    return fields;
  }
  static Fields Bpe(const std::string& arch, const std::string& pre) {
    Fields fields{arch, "gpt2", pre, {}, {}, {}, {"h e", "t he"}};
    for (int byte = 0; byte < 256; ++byte) {
      fields.tokens.push_back(ByteAlphabetCharacter(static_cast<uint8_t>(byte)));
    }
    for (const char* text : {"he", "the", "<unk>", "<|eot_id|>", "[PAD]"}) {
      fields.tokens.push_back(text);
    }
    fields.types.assign(fields.tokens.size(), 1);
    fields.types[258] = fields.types[259] = 3;
    fields.types[260] = 5;
    return fields;
  }
  Result<std::unique_ptr<Tokenizer>> Load(const Fields& fields) {
    GgufWriter writer;
    writer.AddString("general.architecture", fields.arch);
    writer.AddString("tokenizer.ggml.model", fields.model);
    if (!fields.pre.empty()) writer.AddString("tokenizer.ggml.pre", fields.pre);
    writer.AddStrings("tokenizer.ggml.tokens", fields.tokens);
    writer.AddI32s("tokenizer.ggml.token_type", fields.types);
    if (!fields.scores.empty()) writer.AddF32s("tokenizer.ggml.scores", fields.scores);
    if (!fields.merges.empty()) writer.AddStrings("tokenizer.ggml.merges", fields.merges);
    if (fields.unknown_id >= 0) {
      writer.AddU32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(fields.unknown_id));
    }
    if (fields.eos_id >= 0) {
      writer.AddU32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(fields.eos_id));
    }
    const std::string path = ::testing::TempDir() + "tokenizer_loaders_test.gguf";
    const Status written = writer.Write(path);
    EXPECT_TRUE(written.ok()) << written.ToString();
    auto file = GgufFile::Open(path);
    std::remove(path.c_str());
    if (!file.ok()) return file.status();
    return LoadTokenizerFromGguf(*file);
  }
  std::string Refusal(const Fields& fields) {
    const auto tokenizer = Load(fields);
    EXPECT_FALSE(tokenizer.ok());
    return tokenizer.ok() ? "" : tokenizer.status().message();
  }
};

TEST_F(GgufTokenizerTest, WhatTheConverterLosesIsRestored) {
  Fields fields = MiniCpm();
  fields.tokens.push_back("");  // padding, as exporters write it
  fields.types.push_back(5);
  fields.scores.push_back(0);
  const auto gguf = Load(fields);
  ASSERT_TRUE(gguf.ok()) << gguf.status().ToString();
  const auto model = ParseSentencePieceModel(TinySentencePieceModel(), "", "x");
  for (const char* text : {"....", "the <slice>\n", " im", "<reserved_21>", "\xE4\xB8\xAD"}) {
    EXPECT_EQ((*gguf)->EncodeText(text), (*model)->EncodeText(text));
    EXPECT_EQ((*gguf)->EncodeWithSpecials(text), (*model)->EncodeWithSpecials(text));
  }
  EXPECT_EQ((*gguf)->stop_ids(), (*model)->stop_ids());
}

TEST_F(GgufTokenizerTest, RulesFollowTheNameOrTheArchitecture) {
  for (const auto& [arch, pre, kind] : {std::tuple("llama", "llama-bpe", TokenizerKind::kLlama3Bpe),
                                        std::tuple("qwen2", "qwen2", TokenizerKind::kQwen2Bpe),
                                        std::tuple("llama", "default", TokenizerKind::kLlama3Bpe),
                                        std::tuple("qwen2", "", TokenizerKind::kQwen2Bpe)}) {
    const auto tokenizer = Load(Bpe(arch, pre));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
    EXPECT_EQ((*tokenizer)->kind(), kind);
    EXPECT_THAT((*tokenizer)->EncodeText("the"), ElementsAre(257));
  }
  EXPECT_THAT(Refusal(Bpe("llama", "gpt-4o")), HasSubstr("'gpt-4o'"));
  EXPECT_THAT(Refusal(Bpe("gemma", "default")), HasSubstr("'default'"));
  Fields fields = MiniCpm();
  fields.arch = "llama";
  EXPECT_THAT(Refusal(fields), HasSubstr("minicpm"));
  fields.model = "bert";
  EXPECT_THAT(Refusal(fields), HasSubstr("'bert'"));
}

TEST_F(GgufTokenizerTest, APaddingExclamationMarkStaysACharacter) {
  Fields fields = Bpe("llama", "llama-bpe");
  fields.types['!'] = 3;  // as the published 2.5 files have it
  const auto tokenizer = Load(fields);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_FALSE((*tokenizer)->IsControl('!'));
  EXPECT_THAT((*tokenizer)->EncodeText("!"), ElementsAre('!'));
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{'!'}), "!");
}

TEST_F(GgufTokenizerTest, AnUnknownTokenFlaggedNormalIsControl) {
  Fields fields = Bpe("qwen2", "qwen2");
  fields.types[258] = 1;
  fields.unknown_id = 258;
  const auto tokenizer = Load(fields);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_TRUE((*tokenizer)->IsControl(258));
  EXPECT_EQ((*tokenizer)->SpecialId("<unk>"), 258);
}

TEST_F(GgufTokenizerTest, WrongMetadataIsNamed) {
  Fields fields = Bpe("llama", "llama-bpe");
  fields.types.pop_back();
  EXPECT_THAT(Refusal(fields), HasSubstr("token_type has 260 entries for 261"));
  fields = Bpe("llama", "llama-bpe");
  fields.types[5] = 7;
  EXPECT_THAT(Refusal(fields), HasSubstr("token 5 is 7"));
  fields = Bpe("llama", "llama-bpe");
  fields.merges.push_back("t");
  EXPECT_THAT(Refusal(fields), HasSubstr("merges entry 2"));
  fields = Bpe("llama", "llama-bpe");
  fields.merges.clear();
  EXPECT_THAT(Refusal(fields), HasSubstr("tokenizer.ggml.merges"));
  fields = Bpe("llama", "llama-bpe");
  fields.eos_id = 261;
  EXPECT_THAT(Refusal(fields), HasSubstr("eos_token_id is 261"));
  fields = Bpe("llama", "llama-bpe");
  fields.tokens[9] = fields.tokens[8];
  EXPECT_THAT(Refusal(fields), HasSubstr("tokens 8 and 9"));
  fields = MiniCpm();
  fields.scores.pop_back();
  EXPECT_THAT(Refusal(fields), HasSubstr("scores has"));
  fields = MiniCpm();
  fields.tokens[280] = "";
  EXPECT_THAT(Refusal(fields), HasSubstr("token 280"));
}

TEST(FolderTest, AFolderWithoutTokenizerIsNamed) {
  const auto none = LoadTokenizerFromFolder(::testing::TempDir() + "no_such_folder");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(none.status().message(), HasSubstr("no_such_folder"));
}

}  // namespace
}  // namespace mcv
