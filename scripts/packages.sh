# Debian packages by purpose, sourced by ./dev. Each line says why it is there (design notes: docs/dependencies.md).

# What the program itself needs to build and run.
engine_packages=(
  g++ cmake ninja-build pkg-config
  libjpeg62-turbo-dev    # JPEG
  libpng-dev libwebp-dev # PNG, WebP
  libpcre2-dev           # pre-tokenizer expressions
  libutf8proc-dev        # Unicode normalisation
  nlohmann-json3-dev libcli11-dev
  libsqlite3-dev         # the cache of encoded pictures, shared by processes
  libedit-dev            # line editing in `minicpmv chat`
  ccache                 # here, because a compiler launcher that comes later changes every command
)

# What the tests of the engine and the program add.
test_packages=(
  libgtest-dev libgmock-dev
)

# What ./dev ci, fuzz, counts, bench and lint add.
ci_packages=(
  git        # lists the sources
  libbenchmark-dev
  valgrind   # counts the kernels' instructions (./dev counts)
  clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14
  python3-skimage gnome-backgrounds  # real photographs
  librsvg2-bin poppler-utils         # a PDF, and its pages as pictures
)

# What the trainer adds.
trainer_packages=(libtorch-dev libopenblas0-openmp)
if [ -f trainer/packages.txt ]; then
  while read -r package _; do
    case "$package" in ''|'#'*) ;; *) trainer_packages+=("$package") ;; esac
  done <trainer/packages.txt
fi
