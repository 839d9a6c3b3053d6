#include "family/tensors.h"

namespace mcv {
namespace {

// Appends rows; each Add method is one kind of tensor in its common form.
class TableBuilder {
 public:
  explicit TableBuilder(const ModelConfig& config) : config_(config) {}

  std::vector<TensorSpec> Build() {
    AddText();
    if (config_.has_vision) {
      if (config_.row().vision_names == VisionNames::kTimm) {
        AddTimmVision();
      } else {
        AddSiglipVision();
      }
      AddResampler();
    }
    return std::move(table_);
  }

 private:
  TensorSpec& Add(TensorKind kind, const std::string& id, const std::string& hf,
                  const std::string& gguf, int64_t rows, int64_t cols) {
    TensorSpec spec;
    spec.id = id;
    spec.file = file_;
    spec.kind = kind;
    spec.rows = rows;
    spec.cols = cols;
    spec.hf_name = hf;
    spec.gguf_name = gguf;
    if (kind == TensorKind::kVector) {
      spec.hf_shape = spec.gguf_dims = {cols};
    } else {
      spec.hf_shape = {rows, cols};
      spec.gguf_dims = {cols, rows};
    }
    return table_.emplace_back(std::move(spec));
  }
  TensorSpec& Matrix(const std::string& id, const std::string& hf, const std::string& gguf,
                     int64_t rows, int64_t cols) {
    return Add(TensorKind::kMatrix, id, hf, gguf, rows, cols);
  }
  TensorSpec& Vector(const std::string& id, const std::string& hf, const std::string& gguf,
                     int64_t length) {
    return Add(TensorKind::kVector, id, hf, gguf, 1, length);
  }
  // A linear layer: "<hf>.weight", "<hf>.bias".
  void Linear(const std::string& id, const std::string& hf, const std::string& gguf, int64_t rows,
              int64_t cols) {
    Matrix(id, hf + ".weight", gguf + ".weight", rows, cols);
    Vector(id + ".bias", hf + ".bias", gguf + ".bias", rows);
  }
  void LayerNorm(const std::string& id, const std::string& hf, const std::string& gguf,
                 int64_t width) {
    Vector(id, hf + ".weight", gguf + ".weight", width);
    Vector(id + ".bias", hf + ".bias", gguf + ".bias", width);
  }
  // Part `part` of `parts` equal pieces, stacked in one HF weight and one HF bias.
  void FusedLinear(const std::string& id, const std::string& hf_weight, const std::string& hf_bias,
                   const std::string& gguf, int64_t width, int part, int parts) {
    TensorSpec& weight = Matrix(id, hf_weight, gguf + ".weight", width, width);
    weight.hf_shape = {parts * width, width};
    weight.hf_row_begin = part * width;
    TensorSpec& bias = Vector(id + ".bias", hf_bias, gguf + ".bias", width);
    bias.hf_shape = {parts * width};
    bias.hf_row_begin = part;  // one "row" of a vector is all of its `width` columns
  }
  // fc1 and fc2 under the swapped names of published files.
  void Mlp(const std::string& id, const std::string& hf, const std::string& gguf) {
    const int64_t width = config_.vision.width;
    const int64_t ffn = config_.vision.ffn;
    const size_t first = table_.size();
    Linear(id + ".fc1", hf + ".fc1", gguf + ".ffn_down", ffn, width);
    Linear(id + ".fc2", hf + ".fc2", gguf + ".ffn_up", width, ffn);
    for (size_t i = first; i < table_.size(); ++i) {
      TensorSpec& spec = table_[i];
      const bool is_fc1 = i < first + 2;
      const std::string suffix = spec.is_vector() ? ".bias" : ".weight";
      spec.gguf_other_name = gguf + (is_fc1 ? ".ffn_up" : ".ffn_down") + suffix;
      spec.ffn_swap = true;
    }
  }

  void AddText();
  void AddTextLayer(int layer);
  void AddPatchAndPositions(const std::string& patch, const std::string& positions);
  void AddTimmVision();
  void AddSiglipVision();
  void AddResampler();

  const ModelConfig& config_;
  TensorFile file_ = TensorFile::kText;
  std::vector<TensorSpec> table_;
};

void TableBuilder::AddTextLayer(int layer) {
  const TextConfig& text = config_.text;
  const std::string number = std::to_string(layer);
  const std::string id = "text." + number + ".";
  const std::string hf = "llm.model.layers." + number + ".";
  const std::string gguf = "blk." + number + ".";
  const int64_t width = text.width;
  const int64_t queries = int64_t{text.heads} * text.head_dim;
  const int64_t keys = int64_t{text.kv_heads} * text.head_dim;
  const auto attention = [&](const std::string& name, int64_t rows, int rope_heads) {
    const std::string hf_name = hf + "self_attn." + name + "_proj";
    Matrix(id + "attn_" + name, hf_name + ".weight", gguf + "attn_" + name + ".weight", rows, width)
        .rope_heads = rope_heads;
    if (!text.qkv_bias) return;
    Vector(id + "attn_" + name + ".bias", hf_name + ".bias", gguf + "attn_" + name + ".bias", rows)
        .rope_heads = rope_heads;
  };
  Vector(id + "attn_norm", hf + "input_layernorm.weight", gguf + "attn_norm.weight", width);
  attention("q", queries, text.heads);
  attention("k", keys, text.kv_heads);
  attention("v", keys, 0);
  Matrix(id + "attn_out", hf + "self_attn.o_proj.weight", gguf + "attn_output.weight", width,
         queries);
  Vector(id + "ffn_norm", hf + "post_attention_layernorm.weight", gguf + "ffn_norm.weight", width);
  Matrix(id + "ffn_gate", hf + "mlp.gate_proj.weight", gguf + "ffn_gate.weight", text.ffn, width);
  Matrix(id + "ffn_up", hf + "mlp.up_proj.weight", gguf + "ffn_up.weight", text.ffn, width);
  Matrix(id + "ffn_down", hf + "mlp.down_proj.weight", gguf + "ffn_down.weight", width, text.ffn);
}

void TableBuilder::AddText() {
  const TextConfig& text = config_.text;
  file_ = TensorFile::kText;
  Add(TensorKind::kTable, "text.embed", "llm.model.embed_tokens.weight", "token_embd.weight",
      text.vocab, text.width);
  for (int layer = 0; layer < text.layers; ++layer) AddTextLayer(layer);
  Vector("text.final_norm", "llm.model.norm.weight", "output_norm.weight", text.width);
  if (!text.tied_head) {
    Matrix("text.head", "llm.lm_head.weight", "output.weight", text.vocab, text.width);
  }
}

void TableBuilder::AddPatchAndPositions(const std::string& patch, const std::string& positions) {
  file_ = TensorFile::kVision;
  const VisionConfig& vision = config_.vision;
  const int64_t side = vision.patch;
  TensorSpec& weight = Matrix("vision.patch", patch + ".weight", "v.patch_embd.weight",
                              vision.width, 3 * side * side);
  weight.hf_shape = {vision.width, 3, side, side};
  weight.gguf_dims = {side, side, 3, vision.width};
  Vector("vision.patch.bias", patch + ".bias", "v.patch_embd.bias", vision.width);
  Add(TensorKind::kTable, "vision.positions", positions, "v.position_embd.weight",
      int64_t{vision.table_side} * vision.table_side, vision.width);
}

void TableBuilder::AddTimmVision() {
  const VisionConfig& vision = config_.vision;
  AddPatchAndPositions("vpm.patch_embed.proj", "vpm.pos_embed");
  TensorSpec& positions = table_.back();
  positions.hf_shape = {1, positions.rows, positions.cols};
  for (int layer = 0; layer < vision.layers; ++layer) {
    const std::string number = std::to_string(layer);
    const std::string id = "vision." + number;
    const std::string hf = "vpm.blocks." + number;
    const std::string gguf = "v.blk." + number;
    LayerNorm(id + ".ln1", hf + ".norm1", gguf + ".ln1", vision.width);
    int part = 0;
    for (const char* name : {"attn_q", "attn_k", "attn_v"}) {
      FusedLinear(id + "." + name, hf + ".attn.qkv.weight", hf + ".attn.qkv.bias",
                  gguf + "." + name, vision.width, part++, 3);
    }
    Linear(id + ".attn_out", hf + ".attn.proj", gguf + ".attn_out", vision.width, vision.width);
    LayerNorm(id + ".ln2", hf + ".norm2", gguf + ".ln2", vision.width);
    Mlp(id, hf + ".mlp", gguf);
  }
  LayerNorm("vision.post_ln", "vpm.norm", "v.post_ln", vision.width);
}

void TableBuilder::AddSiglipVision() {
  const VisionConfig& vision = config_.vision;
  AddPatchAndPositions("vpm.embeddings.patch_embedding",
                       "vpm.embeddings.position_embedding.weight");
  for (int layer = 0; layer < vision.layers; ++layer) {
    const std::string number = std::to_string(layer);
    const std::string id = "vision." + number;
    const std::string hf = "vpm.encoder.layers." + number;
    const std::string gguf = "v.blk." + number;
    LayerNorm(id + ".ln1", hf + ".layer_norm1", gguf + ".ln1", vision.width);
    for (const char* name : {"q", "k", "v", "out"}) {
      Linear(id + ".attn_" + name, hf + ".self_attn." + name + "_proj", gguf + ".attn_" + name,
             vision.width, vision.width);
    }
    LayerNorm(id + ".ln2", hf + ".layer_norm2", gguf + ".ln2", vision.width);
    Mlp(id, hf + ".mlp", gguf);
  }
  LayerNorm("vision.post_ln", "vpm.post_layernorm", "v.post_ln", vision.width);
}

void TableBuilder::AddResampler() {
  file_ = TensorFile::kVision;
  const ResamplerConfig& resampler = config_.resampler;
  const int64_t width = resampler.width;
  const std::string hf = "resampler.";
  Add(TensorKind::kTable, "resampler.query", "resampler.query", "resampler.query",
      resampler.queries, width);
  if (resampler.positions != ResamplerPositions::kSinCos) {
    Add(TensorKind::kTable, "resampler.positions", "resampler.pos_embed", "resampler.pos_embed",
        resampler.queries, width);
  }
  Matrix("resampler.kv", "resampler.kv_proj.weight", "resampler.kv.weight", width,
         resampler.kv_width);
  int part = 0;
  for (const char* name : {"q", "k", "v"}) {
    FusedLinear(std::string("resampler.attn_") + name, "resampler.attn.in_proj_weight",
                "resampler.attn.in_proj_bias", std::string("resampler.attn.") + name, width, part++,
                3);
  }
  Linear("resampler.attn_out", "resampler.attn.out_proj", "resampler.attn.out", width, width);
  for (const char* name : {"ln_q", "ln_kv", "ln_post"}) {
    LayerNorm(hf + name, hf + name, hf + name, width);
  }
  Matrix("resampler.proj", "resampler.proj", "resampler.proj.weight", width, width).hf_transposed =
      true;
}

}  // namespace

std::vector<TensorSpec> TensorTable(const ModelConfig& config) {
  return TableBuilder(config).Build();
}

bool IsComputedTensor(std::string_view name) {
  return name == "resampler.pos_embed_k" || name == "resampler.pos_embd_k" ||
         name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".position_ids");
}

std::vector<float> Transposed(const std::vector<float>& values, int64_t rows, int64_t cols) {
  std::vector<float> out(values.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[c * rows + r] = values[r * cols + c];
  }
  return out;
}

int64_t RopeRowOfHf(int64_t hf_row, int64_t head_dim) {
  // HF row h*d + s*(d/2) + i lies in GGUF row h*d + 2*i + s.
  const int64_t inside = hf_row % head_dim;
  const int64_t half = head_dim / 2;
  return hf_row - inside + 2 * (inside % half) + inside / half;
}

}  // namespace mcv
