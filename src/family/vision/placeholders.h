// How the views of a picture are bracketed in the prompt: the layout without any token id, so that
// each tokenizer can spell it in its own numbers (model-spec 1.7).
#pragma once

#include <string>
#include <vector>

#include "family/config.h"
#include "family/vision/slicing.h"

namespace mcv {

struct PlaceholderPiece {
  enum class Kind {
    kSpecial,  // `text` is one special token, "<image>" for instance
    kText,     // `text` is ordinary text: the digits of an image id, a newline
    kQueries,  // `num_queries` rows that the embeddings of view `view` replace; `text` is the token
               // that holds their places ("<unk>")
  };
  Kind kind = Kind::kSpecial;
  std::string text;
  int view = -1;
  int num_queries = 0;
  friend bool operator==(const PlaceholderPiece&, const PlaceholderPiece&) = default;
};

struct PlaceholderStyle {
  PlaceholderFormat format = PlaceholderFormat::kSliceBlock;
  bool use_image_id = false;
  int queries = 0;
};

// The style of a version with `queries` of its resampler.
PlaceholderStyle StyleOf(const ModelConfig& config);

// The pieces of one picture in order, without the newline that joins it to what follows.
// image_index counts pictures over the whole conversation from 0. Each view is bracketed by
// kSpecial pieces right before and after its kQueries piece. PlaceholderFormat::kSingle takes a
// picture that is not cut.
std::vector<PlaceholderPiece> ImagePlaceholder(const SlicePlan& plan, const PlaceholderStyle& style,
                                               int image_index);

// The same as text, each special token and every placeholder spelled out: what the published code's
// prompt string contains.
std::string PlaceholderText(const std::vector<PlaceholderPiece>& pieces);

}  // namespace mcv
