#!/usr/bin/env python3
"""Sets llama.cpp beside minicpmv: same files, same picture, same threads, alternating runs, medians.

  bench/peer.py --llm LLM.gguf --mmproj MMPROJ.gguf --picture PICTURE.png \\
      [--threads 2] [--rounds 3] [--peer "chroot DIR"] [--peer-path /models/full] [--ours build/release/bin/minicpmv]

--peer is put before each llama.cpp command; --peer-path is where it sees the folder of the files and the
picture. Prints a Markdown table: median of each, ratio of medians, and every single value.
"""
import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import tempfile
import time

PROMPT_TOKENS = 256
DECODE_TOKENS = 32


def run(command):
    """Output of a command, its wall seconds, and the largest resident size of its processes in bytes."""
    with tempfile.NamedTemporaryFile("w+") as usage:
        start = time.monotonic()
        done = subprocess.run(["/usr/bin/time", "-f", "%M", "-o", usage.name, *command],
                              capture_output=True, text=True, errors="replace")
        seconds = time.monotonic() - start
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(command)}\nexit status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout + done.stderr, seconds, int(usage.read().split()[-1]) * 1024


class Peer:
    def __init__(self, a):
        self.prefix, self.threads = shlex.split(a.peer), str(a.threads)
        folder = a.peer_path
        see = (lambda p: os.path.join(folder, os.path.basename(p))) if folder else (lambda p: p)
        self.llm, self.mmproj, self.picture = see(a.llm), see(a.mmproj), see(a.picture)

    def version(self):
        text, _, _ = run([*self.prefix, "llama-bench", "-m", self.llm, "-t", self.threads, "-p", "1", "-n", "0",
                          "-r", "1"])
        return re.search(r"build: (.*)", text).group(1)

    def text(self):
        text, _, _ = run([*self.prefix, "llama-bench", "-m", self.llm, "-t", self.threads, "-r", "1", "-o", "json",
                          "-p", str(PROMPT_TOKENS), "-n", str(DECODE_TOKENS)])
        rows = json.loads(text[text.index("["):text.rindex("]") + 1])
        rate = {("prefill" if r["n_prompt"] else "decode"): r["avg_ts"] for r in rows}
        return rate["prefill"], rate["decode"]

    def picture_run(self):
        text, seconds, peak = run([*self.prefix, "llama-mtmd-cli", "-m", self.llm, "--mmproj", self.mmproj,
                                   "--image", self.picture, "-p", "What is in the picture?", "-n", "24",
                                   "-t", self.threads, "--temp", "0", "--no-warmup"])
        views = sum(int(n) for n in re.findall(r"encoding mtmd batch, n_chunks = (\d+)", text))
        spent = sum(int(ms) for ms in re.findall(r"batch encoding done in (\d+) ms", text))
        if views == 0:
            raise SystemExit("llama-mtmd-cli's output has no encode times; it ended with\n" + text[-2000:])
        return spent / views / 1e3, seconds, peak


class Ours:
    def __init__(self, a):
        self.base = [a.ours, "ask"]
        self.options = ["--model", a.llm, "--mmproj", a.mmproj, "-t", str(a.threads), "--json"]
        self.picture = a.picture

    def ask(self, *words, tokens):
        text, seconds, peak = run([*self.base, *words, *self.options, "-n", str(tokens)])
        return json.loads(text[text.index("{"):text.rindex("}") + 1]), seconds, peak

    def text(self):
        # One letter and a blank are two tokens or fewer everywhere; the frame of the chat adds a few.
        question = " ".join("abcdefghijklmnopqrstuvwxyz"[i % 26] for i in range(PROMPT_TOKENS - 12))
        answer, _, _ = self.ask(question, tokens=DECODE_TOKENS)
        stats = answer["stats"]
        return stats["prefill_tokens_per_second"], stats["decode_tokens_per_second"]

    def picture_run(self):
        answer, seconds, peak = self.ask(self.picture, "What is in the picture?", tokens=24)
        picture = answer["pictures"][0]
        return picture["encode_seconds"] / picture["views"], seconds, peak


def row(name, unit, ours, peer, larger_is_better):
    a, b = statistics.median(ours), statistics.median(peer)
    ratio = a / b if larger_is_better else b / a
    values = lambda v: " ".join(f"{x:.2f}" for x in v)
    return f"| {name} | {a:.2f} {unit} | {b:.2f} {unit} | {ratio:.2f} | {values(ours)} | {values(peer)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--llm", "--mmproj", "--picture"):
        parser.add_argument(name, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", default="")
    parser.add_argument("--peer-path", default="")
    parser.add_argument("--ours", default="build/release/bin/minicpmv")
    a = parser.parse_args()
    ours, peer = Ours(a), Peer(a)
    got = {"ours": [], "peer": []}
    for turn in range(a.rounds):
        for name, side in (("ours", ours), ("peer", peer)):
            got[name].append((*side.text(), *side.picture_run()))
            print(f"round {turn + 1} of {a.rounds}: {name} {got[name][-1]}", flush=True)
    o, p = (list(zip(*got[name])) for name in ("ours", "peer"))
    print(f"\nllama.cpp {peer.version()}, {a.threads} threads, {os.path.basename(a.picture)}\n")
    print("| what | minicpmv | llama.cpp | times | single values | of llama.cpp |\n|---|---|---|---|---|---|")
    print(row("encode, per view", "s", o[2], p[2], False))
    print(row(f"prefill, {PROMPT_TOKENS} tokens", "tokens/s", o[0], p[0], True))
    print(row(f"decode, {DECODE_TOKENS} tokens", "tokens/s", o[1], p[1], True))
    print(row("picture and 24 tokens, whole process", "s", o[3], p[3], False))
    gb = lambda values: [v / 1e9 for v in values]
    print(row("peak resident memory", "GB", gb(o[4]), gb(p[4]), False))


if __name__ == "__main__":
    main()
