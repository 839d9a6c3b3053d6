// The row kernels by libtorch's types: what the differentiable operations are written with. Private
// to trainer/modules.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/status.h"
#include "trainer/compat.h"
#include "trainer/modules/cpu/row_kernels.h"

namespace mcv::trainer {

// Work is cut into a fixed number of chunks, whatever the number of threads, and partial sums are
// added in chunk order: the bits of a gradient do not depend on the machine's load.
inline constexpr int64_t kChunks = 16;

// libtorch's bfloat16 and the kernels' are the same sixteen bits.
template <class T>
const T* Read(const Tensor& tensor) {
  return static_cast<const T*>(tensor.data_ptr());
}
template <class T>
T* Write(const Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

template <class T>
const TypedRowKernels<T>& Kernels();
template <>
inline const TypedRowKernels<float>& Kernels<float>() {
  return BestRowKernels().f32;
}
template <>
inline const TypedRowKernels<Bf16>& Kernels<Bf16>() {
  return BestRowKernels().bf16;
}

// Calls body with a null pointer of the C++ type that `type` stands for.
template <class Body>
void WithType(at::ScalarType type, const Body& body) {
  MCV_CHECK(type == at::kFloat || type == at::kBFloat16);
  if (type == at::kFloat) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<Bf16*>(nullptr));
  }
}
#define MCV_TYPE_OF(tag) std::remove_pointer_t<decltype(tag)>

inline bool HasKernel(const Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Function::apply refuses undefined tensors in libtorch 1.13; an empty one stands for "none".
inline const Tensor& NoTensor() {
  static const Tensor none = torch::empty({0});
  return none;
}
inline Tensor OrNone(const Tensor& t) { return t.defined() ? t : NoTensor(); }

}  // namespace mcv::trainer
