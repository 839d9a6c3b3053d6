// The bytes are put into the program by the assembler, read-only, so that they are mapped like any
// other part of it and cost memory only where they are touched.
#include "apps/cli/options/default_model.h"

#ifdef MCV_BUILT_IN_FOLDER

// GGUF aligns tensors to 32 bytes from the file's start; 64 keeps whole cache lines.
#define MCV_EMBED(symbol, path)                \
  asm(".section .rodata\n"                     \
      ".balign 64\n"                           \
      ".global " #symbol "_begin\n" #symbol    \
      "_begin:\n"                              \
      ".incbin \"" path                        \
      "\"\n"                                   \
      ".global " #symbol "_end\n" #symbol      \
      "_end:\n"                                \
      ".byte 0\n"                              \
      ".previous\n");                          \
  extern "C" const std::byte symbol##_begin[]; \
  extern "C" const std::byte symbol##_end[]

MCV_EMBED(mcv_built_in_text, MCV_BUILT_IN_FOLDER "/llm-q8_0.gguf");
MCV_EMBED(mcv_built_in_vision, MCV_BUILT_IN_FOLDER "/mmproj-q8_0.gguf");

namespace mcv::cli {

Status UseBuiltInModel(EngineOptions* options) {
  options->built_in = GgufPairBytes{{mcv_built_in_text_begin, mcv_built_in_text_end},
                                    {mcv_built_in_vision_begin, mcv_built_in_vision_end},
                                    "built-in nano model",
                                    /*in_program=*/true};
  return OkStatus();
}

}  // namespace mcv::cli

#else

namespace mcv::cli {

Status UseBuiltInModel(EngineOptions*) {
  return NotFound("this program was built without a model: name one with --model or $MCV_MODEL");
}

}  // namespace mcv::cli

#endif
