// The program while it runs, at a terminal or between pipes: something is typed, something is
// waited for, a signal is sent. Nothing here waits for a time: what does not come fails after a
// minute.
#pragma once

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace mcv {

class RunningProgram {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // A shell's command line at a terminal of 80 columns, with nothing in its environment but this.
  // Signals go to the shell, so the line should end in `exec`.
  static RunningProgram AtTerminal(const std::string& command, const Environment& environment) {
    RunningProgram program;
    winsize size = {24, 80, 0, 0};
    program.pid_ = forkpty(&program.out_, nullptr, nullptr, &size);
    program.in_ = program.out_;
    if (program.pid_ == 0) Become(command, environment);
    return program;
  }

  // The same with a pipe as standard input and one for both outputs.
  static RunningProgram BetweenPipes(const std::string& command, const Environment& environment) {
    RunningProgram program;
    int to[2] = {-1, -1};
    int from[2] = {-1, -1};
    if (pipe(to) != 0 || pipe(from) != 0) return program;
    program.pid_ = fork();
    if (program.pid_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      dup2(from[1], STDERR_FILENO);
      for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      Become(command, environment);
    }
    close(to[0]);
    close(from[1]);
    program.in_ = to[1];
    program.out_ = from[0];
    return program;
  }

  RunningProgram(RunningProgram&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        in_(std::exchange(other.in_, -1)),
        out_(std::exchange(other.out_, -1)),
        output_(std::move(other.output_)),
        seen_(other.seen_) {}
  RunningProgram& operator=(RunningProgram&&) = delete;
  ~RunningProgram() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (in_ >= 0 && in_ != out_) close(in_);
    if (out_ >= 0) close(out_);
  }

  void Type(const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t put = write(in_, text.data() + done, text.size() - done);
      if (put <= 0) return;
      done += static_cast<size_t>(put);
    }
  }

  void Send(int signal) const { kill(pid_, signal); }

  // Whether `text` comes behind what was waited for before.
  bool WaitFor(const std::string& text) {
    while (true) {
      const size_t found = output_.find(text, seen_);
      if (found != std::string::npos) {
        seen_ = found + text.size();
        return true;
      }
      if (!ReadMore()) return false;
    }
  }

  // The line editor is ready for a line: it asks the terminal to mark what is pasted, and then
  // takes line ends as they come. What is typed between the two has its CR turned into LF by the
  // terminal.
  bool WaitForPrompt() {
    if (!WaitFor("\033[?2004h")) return false;
    termios mode{};
    for (int tries = 0; tries < 2000; ++tries) {
      if (tcgetattr(in_, &mode) != 0 || (mode.c_lflag & ICANON) == 0) return true;
      poll(nullptr, 0, 5);
    }
    return false;
  }

  // The exit status, 128 + the signal's number if one killed it; -1 where it does not end.
  int Wait() {
    while (ReadMore()) {
    }
    if (timed_out_) return -1;
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // All of it, escape sequences included.
  const std::string& output() const { return output_; }

 private:
  RunningProgram() = default;

  [[noreturn]] static void Become(const std::string& command, const Environment& environment) {
    clearenv();
    setenv("PATH", "/usr/bin:/bin", 1);
    setenv("MCV_CACHE_DIR", "off", 1);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }

  bool ReadMore() {
    constexpr int kMinute = 60'000;
    pollfd waiting = {out_, POLLIN, 0};
    if (poll(&waiting, 1, kMinute) <= 0) {
      timed_out_ = true;
      return false;
    }
    char bytes[4096];
    const ssize_t got = read(out_, bytes, sizeof bytes);
    if (got <= 0) return false;
    output_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string output_;
  size_t seen_ = 0;
  bool timed_out_ = false;
};

}  // namespace mcv
