// The one place that knows which libtorch this is built against: Debian's 1.13 or anything newer.
//
// Everything else in the trainer uses only names that all of them have. Two rules keep it so: no
// autocast (precision is explicit, see modules/ops.h) and no fused library kernel whose signature
// changes between releases.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>

#include <cstdlib>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace mcv::trainer {

using torch::Tensor;

// Tensor::data_ptr<T>() asks for a mutable pointer; newer releases warn when only reading is meant.
template <class T>
const T* ConstData(const Tensor& tensor) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
  return tensor.const_data_ptr<T>();
#else
  return tensor.data_ptr<T>();
#endif
}

template <class T>
T* MutableData(const Tensor& tensor) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
  return tensor.mutable_data_ptr<T>();
#else
  return tensor.data_ptr<T>();
#endif
}

// zero_grad(set_to_none) exists only in newer releases; dropping the gradient is what it does.
inline void DropGradient(Tensor parameter) { parameter.mutable_grad() = Tensor(); }

// glibc maps and unmaps every tensor above 32 MiB anew; the page faults cost more than the
// arithmetic in it (measured: 2x for a whole step). Must run before the first allocation of a
// tensor.
inline void KeepFreedMemory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 256 << 20);
#endif
}

}  // namespace mcv::trainer
