#!/usr/bin/env bash
# Runs programs of this build on an emulated processor, for kernels that this machine cannot execute:
# docs/howto/run-on-an-emulated-processor.md. Needs Debian's package files (fetched with apt-get
# download, unpacked below --work, nothing is installed) and a Bochs binary. Not part of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

usage() {
  cat <<'END'
scripts/emulate.sh [OPTIONS] [COMMAND...]
Boots a Linux kernel in the Bochs emulator and runs each COMMAND (one argument, a shell line; its
first word a program of this repository) there, one after the other, in the same folder as here.
Prints what they print. Without a COMMAND: the kernels' tests, and `minicpmv parity` with both
AVX-512 targets.
  --bochs FILE    the emulator (default: bochs)
  --cpu MODEL     its processor, see `bochs --help cpu` (default: sapphire_rapids)
  --memory MB     of the emulated machine (default: 1024)
  --minutes N     the run is ended after that long (default: 60)
  --with PATH     a file or folder of this repository to take along, besides testdata,
                  models/nano and docs/pictures; may be repeated
  --commands FILE further commands, one a line
  --work DIR      downloads, image and log (default: build/emulate)
Exit status: 0 if every command ended with 0; 1 if one did not; 2 if they did not all run.
END
}

fail() { echo "emulate: $*" >&2; exit 2; }

bochs=bochs cpu=sapphire_rapids memory=1024 minutes=60 work=build/emulate
commands=()
carried=(testdata models/nano docs/pictures)
while [[ ${1:-} == --* ]]; do
  option=$1
  if [ "$option" = --help ]; then usage; exit; fi
  [ $# -ge 2 ] || fail "$option needs a value; see --help"
  case "$option" in
    --bochs) bochs=$2 ;;
    --cpu) cpu=$2 ;;
    --memory) memory=$2 ;;
    --minutes) minutes=$2 ;;
    --with) carried+=("$2") ;;
    --commands)
      [ -r "$2" ] || fail "--commands: cannot read $2"
      mapfile -t commands <"$2"
      ;;
    --work) work=$2 ;;
    *) fail "unknown option $option; see --help" ;;
  esac
  shift 2
done
for number in "$memory" "$minutes"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || fail "expected a whole number for --memory and --minutes, got '$number'"
done
for path in "${carried[@]}"; do [ -e "$path" ] || fail "--with: there is no $path here"; done
set -- "$@" "${commands[@]}"
if [ $# = 0 ]; then
  set -- "build/release/tests/kernels_test" \
    "build/release/bin/minicpmv parity testdata/goldens --target avx512bf16" \
    "build/release/bin/minicpmv parity testdata/goldens --target avx512vnni"
fi
bochs=$(command -v "$bochs") || fail "no Bochs here: name it with --bochs FILE (docs/howto/run-on-an-emulated-processor.md says how to build it)"
bochs=$(readlink -f "$bochs")
known=$("$bochs" --help cpu 2>&1 | tr -s '\n\t ' ' ')
[[ " $known " == *" $cpu "* ]] || fail "$bochs does not know the processor '$cpu'; it says: $known"

# A build tree has its BIOS in bios/, an installation in PREFIX/share/bochs.
bios_file() {  # NAME...
  local name folder
  for folder in "$(dirname "$bochs")/bios" "$(dirname "$bochs")/../share/bochs"; do
    for name in "$@"; do [ -f "$folder/$name" ] && readlink -f "$folder/$name" && return; done
  done
  fail "no $1 beside $bochs (looked in bios/ and ../share/bochs)"
}
bios=$(bios_file BIOS-bochs-latest)
vga=$(bios_file VGABIOS-lgpl-latest.bin VGABIOS-lgpl/VGABIOS-lgpl-latest.bin)

mkdir -p "$work"
work=$(cd "$work" && pwd)
packages=$work/packages
unpacked=$work/unpacked

fetch_packages() {
  local kernel
  [ -f "$work/fetched" ] && return
  echo "emulate: fetching a kernel and small tools from Debian into $packages"
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$kernel" ] || fail "apt knows no linux-image-cloud-amd64: is this a Debian system, after apt-get update?"
  mkdir -p "$packages" "$unpacked"
  # `apt-get download` warns where its own user cannot write; it then downloads as root.
  (cd "$packages" && apt-get -qq download "$kernel" busybox-static isolinux syslinux-common genisoimage libmagic1) ||
    fail "apt-get download failed"
  local package
  for package in "$packages"/*.deb; do dpkg-deb -x "$package" "$unpacked"; done
  touch "$work/fetched"
}

# The program and its libraries at the paths that they have here.
carry() {  # FILE
  local library
  mkdir -p "$initramfs$(dirname "$1")"
  cp -L "$1" "$initramfs$1"
  ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$initramfs$library" ] && continue
    mkdir -p "$initramfs$(dirname "$library")"
    cp -L "$library" "$initramfs$library"
  done
}

write_init() {
  cat >"$initramfs/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
exec >/dev/ttyS0 2>&1 </dev/null
export PATH=/bin HOME=/root TERM=dumb GLIBC_TUNABLES=glibc.cpu.hwcaps=-ERMS,-FSRM
cd "$root"
echo "emulate: \$(nproc) processor, \$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "emulate: \$(grep -m 1 ^flags /proc/cpuinfo | tr ' ' '\n' | grep -e ^avx -e ^fma -e ^f16c | tr '\n' ' ')"
for command in /commands/*; do
  echo "emulate: \$(cat \$command)"
  sh \$command
  echo "emulate: status \$? at \$(cut -d ' ' -f 1 /proc/uptime) s of the emulated clock"
done
echo "emulate: end"
sleep 10  # what was written is still on its way over the serial line
poweroff -f
END
  chmod +x "$initramfs/init"
}

make_initramfs() {  # COMMAND...
  local command program number=100 path
  initramfs=$work/initramfs
  rm -rf "$initramfs"
  mkdir -p "$initramfs"/{bin,dev,proc,sys,tmp,root,commands}
  cp "$unpacked/bin/busybox" "$initramfs/bin/busybox"
  for path in "${carried[@]}"; do
    path=$(readlink -f "$path")
    mkdir -p "$initramfs$(dirname "$path")"
    cp -r "$path" "$initramfs$(dirname "$path")/"
  done
  for command in "$@"; do
    # Assignments before the program (NAME=value program ...) are the shell's.
    for program in $command; do [[ $program == *=* ]] || break; done
    [ -x "$program" ] || fail "'$command': $program is no program here; build it first"
    carry "$(readlink -f "$program")"
    echo "$command" >"$initramfs/commands/$number"
    number=$((number + 1))
  done
  write_init
  (cd "$initramfs" && find . | "$unpacked/bin/busybox" cpio -o -H newc 2>/dev/null) >"$work/cd/initrd"
}

make_image() {  # COMMAND...
  rm -rf "$work/cd"
  mkdir -p "$work/cd"
  cp "$unpacked"/boot/vmlinuz-* "$work/cd/vmlinuz"
  cp "$unpacked/usr/lib/ISOLINUX/isolinux.bin" "$unpacked/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/cd/"
  make_initramfs "$@"
  # Nothing attacks the emulated machine: no mitigations, which cost emulated instructions. With FSRM
  # (fast short rep movs, which Bochs announces for newer processors) the kernel does not get past its
  # security modules: page faults without end.
  cat >"$work/cd/isolinux.cfg" <<'END'
serial 0 115200
default linux
label linux
  kernel vmlinuz
  append initrd=initrd console=ttyS0 loglevel=4 mitigations=off clearcpuid=fsrm panic=-1
END
  LD_LIBRARY_PATH=$unpacked/usr/lib/x86_64-linux-gnu "$unpacked/usr/bin/genisoimage" -quiet -o "$work/boot.iso" \
    -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$work/cd"
}

write_bochsrc() {
  cat >"$work/bochsrc" <<END
display_library: nogui
cpu: model=$cpu, count=1, ips=100000000, reset_on_triple_fault=0
megs: $memory
romimage: file=$bios
vgaromimage: file=$vga
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial.log
clock: sync=none
log: $work/bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
END
}

emulator=
end_emulator() { if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; fi; }
trap end_emulator EXIT

# Until the emulator ends by itself, or has said that it will, or is late.
run_emulator() {
  : >"$work/serial.log"
  timeout --kill-after=10 "${minutes}m" "$bochs" -q -f "$work/bochsrc" >"$work/bochs.out" 2>&1 </dev/null &
  emulator=$!
  tail -n +1 -f --pid="$emulator" "$work/serial.log" &
  while kill -0 "$emulator" 2>/dev/null; do
    if grep -q '^emulate: end' "$work/serial.log"; then sleep 5; end_emulator; fi
    sleep 1
  done
  wait "$emulator" 2>/dev/null || true
  emulator=
  wait
}

fetch_packages
make_image "$@"
write_bochsrc
echo "emulate: $cpu in $bochs, at most $minutes minutes; log: $work/serial.log"
run_emulator
done_count=$(grep -c '^emulate: status' "$work/serial.log" || true)
if [ "$done_count" != $# ]; then
  fail "$done_count of $# commands ran to their end; the limit was $minutes minutes (--minutes); see $work/serial.log, $work/bochs.log and $work/bochs.out"
fi
if grep '^emulate: status' "$work/serial.log" | grep -vq '^emulate: status 0 '; then
  echo "emulate: not every command succeeded"
  exit 1
fi
echo "emulate: all $# commands succeeded"
