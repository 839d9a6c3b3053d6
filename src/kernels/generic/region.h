// Switches an instruction set on for a part of a file, so that every file is compiled with the same
// flags and nothing inline that other files share is built for a newer processor.
//
//   #include ...                       // everything shared comes before
//   MCV_REGION_BEGIN("avx2,fma,f16c")
//   namespace mcv::x86_avx2 { ... }    // leaf code; no lambdas: clang leaves them out of the
//   region MCV_REGION_END
#pragma once

#define MCV_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define MCV_REGION_BEGIN(features) \
  MCV_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define MCV_REGION_END MCV_PRAGMA(clang attribute pop)
#define MCV_UNROLL MCV_PRAGMA(clang loop unroll(full))
#else
#define MCV_REGION_BEGIN(features) \
  MCV_PRAGMA(GCC push_options)     \
  MCV_PRAGMA(GCC target features)
#define MCV_REGION_END MCV_PRAGMA(GCC pop_options)
#define MCV_UNROLL MCV_PRAGMA(GCC unroll 32)
#endif

#define MCV_INLINE inline __attribute__((always_inline))
