// mcv-loss-curve LOG.jsonl OUT.png: the loss curve of a training run as a picture.
#include <cstdio>

#include "trainer/recipes/curve.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: mcv-loss-curve RUN/log.jsonl OUT.png\n");
    return 2;
  }
  const mcv::Status status = mcv::trainer::DrawCurve(argv[1], argv[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "mcv-loss-curve: %s\n", status.ToString().c_str());
  return 1;
}
