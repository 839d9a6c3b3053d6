// The tokenizer that weights were trained with. Rows of the embedding and of the head are token
// ids: with another tokenizer every one of them would mean another word, and nothing else would
// notice.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "family/tokenizer/tokenizer.h"

namespace mcv::trainer {

// path: as ImportWeights takes it. A file of the trainer has its tokenizer in the folder
// "tokenizer" beside it or in the run's folder. NotFound says where it was looked for.
Result<std::unique_ptr<Tokenizer>> TokenizerOfWeights(const std::string& path);

// InvalidArgument names the first id that means something else. `path`: of the weights.
Status CheckSameTokenizer(const Tokenizer& weights, const Tokenizer& ours, const std::string& path);

// tokenizer.json and tokenizer_config.json; the folder `to` is made if it is not there.
Status CopyTokenizer(const std::string& from, const std::string& to);

}  // namespace mcv::trainer
