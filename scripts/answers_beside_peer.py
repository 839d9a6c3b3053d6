#!/usr/bin/env python3
"""Asks minicpmv and llama.cpp the same questions about the same pictures with the same files, greedily,
and prints for each language model how often each is right and how often they say the same.

QUESTIONS is a folder that `mcv-nano-accuracy --write` filled. llama.cpp answers through llama-server on
the loopback interface, one server per model, stopped at the end. Where it lives in a chroot:
--peer "chroot DIR" --peer-root DIR, and the models and pictures have to lie under DIR as well.
"""
import argparse
import base64
import json
import os
import subprocess
import sys
import time
import urllib.request

PORT = 18473
START_SECONDS = 120
ANSWER_SECONDS = 60
MOST_TOKENS = 32


def ours(arguments, llm, picture, question):
    command = [arguments.minicpmv, "ask", picture, question, "-m", llm, "--mmproj", arguments.mmproj,
               "--positions", "grid", "-n", str(MOST_TOKENS), "-t", "1", "--no-progress",
               "--picture-cache", "off"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)
    return run.stdout.strip()


class PeerServer:
    def __init__(self, arguments, llm):
        def inside(path):
            return path.removeprefix(arguments.peer_root.rstrip("/"))
        command = arguments.peer.split() + [
            "llama-server", "-m", inside(llm), "--mmproj", inside(arguments.mmproj), "--host",
            "127.0.0.1", "--port", str(PORT), "-t", "1", "-c", "2048"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2):
                    return self
            except OSError:
                time.sleep(0.2)
        self.__exit__()
        sys.exit("llama-server did not become ready: try its command by hand")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def answer(self, picture, question):
        with open(picture, "rb") as file:
            data = base64.b64encode(file.read()).decode()
        content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}},
                   {"type": "text", "text": "\n" + question}]
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0,
                "max_tokens": MOST_TOKENS}
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/chat/completions",
                                         json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:
            return json.load(reply)["choices"][0]["message"]["content"].strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions")
    parser.add_argument("mmproj")
    parser.add_argument("llm", nargs="+")
    parser.add_argument("--minicpmv", default="build/release/bin/minicpmv")
    parser.add_argument("--peer", default="", help="goes before llama-server")
    parser.add_argument("--peer-root", default="", help="taken off the front of paths for llama-server")
    parser.add_argument("--count", type=int, default=1000, help="questions at most")
    parser.add_argument("--differences", action="store_true", help="print answers that differ")
    arguments = parser.parse_args()
    with open(os.path.join(arguments.questions, "questions.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][:arguments.count]
    print("| language model | questions | minicpmv right | llama.cpp right | the same answer |")
    print("|---|--:|--:|--:|--:|")
    for llm in arguments.llm:
        right = peer_right = same = 0
        with PeerServer(arguments, llm) as peer:
            for number, (name, question, truth) in enumerate(rows, 1):
                picture = os.path.join(arguments.questions, name)
                mine = ours(arguments, llm, picture, question)
                theirs = peer.answer(picture, question)
                right += mine == truth
                peer_right += theirs == truth
                same += mine == theirs
                if arguments.differences and mine != theirs:
                    print(f"{name} {question}\n  {mine}\n  {theirs}", file=sys.stderr)
                if sys.stderr.isatty():
                    print(f"\r{number} of {len(rows)}", end="", file=sys.stderr)
        print(f"| {os.path.basename(llm)} | {len(rows)} | {right} | {peer_right} | {same} |", flush=True)


if __name__ == "__main__":
    main()
