#include "apps/bench/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace mcv::bench {
namespace {

constexpr size_t kMostOutput = size_t{16} << 20;
constexpr int kPollMilliseconds = 100;

// Both ends of a pipe, closed when it goes.
struct Pipe {
  int read = -1, write = -1;
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    Close(&read);
    Close(&write);
  }
  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  static void Close(int* end) {
    if (*end >= 0) close(*end);
    *end = -1;
  }
};

// What the child tells through its pipe when it could not become the program.
struct Failure {
  int error = 0;
  bool hiding = false;  // while files were to be hidden
};

// The rest runs between fork and exec: system calls only.
bool HideFiles(const std::vector<std::string>& files) {
  if (files.empty()) return true;
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  for (const std::string& file : files) {
    if (mount("/dev/null", file.c_str(), nullptr, MS_BIND, nullptr) != 0) return false;
  }
  return true;
}

[[noreturn]] void BecomeProgram(const ProcessOptions& options, char* const* words, int out, int err,
                                int failure_pipe, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  signal(SIGPIPE, SIG_DFL);
  Failure failure;
  if (!HideFiles(options.hidden_files)) {
    failure = {errno, true};
  } else {
    execvp(words[0], words);
    failure.error = errno;
  }
  (void)!write(failure_pipe, &failure, sizeof failure);
  _exit(127);
}

class Child {
 public:
  ~Child() {
    if (pid_ > 0) Kill(), Reap();
  }

  Status Start(const ProcessOptions& options) {
    if (options.arguments.empty()) return InvalidArgument("there is no program to run");
    if (!out_.Open() || !err_.Open() || !failure_.Open()) return Refused("cannot make a pipe");
    // Everything that allocates happens before the fork.
    std::vector<char*> words;
    for (const std::string& word : options.arguments) {
      words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    for (const std::string& setting : options.environment) {
      const size_t equals = setting.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return InvalidArgument("'" + setting + "': expected NAME=VALUE");
      }
    }
    start_ = Clock::now();
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) return Refused("cannot start a process");
    if (pid_ == 0) {
      for (const std::string& setting : options.environment) {
        putenv(const_cast<char*>(setting.c_str()));
      }
      BecomeProgram(options, words.data(), out_.write, err_.write, failure_.write, parent);
    }
    setpgid(pid_, pid_);  // also here: whoever comes first
    for (Pipe* pipe : {&out_, &err_, &failure_}) Pipe::Close(&pipe->write);
    return CheckStarted(options.arguments[0]);
  }

  // Reads both outputs until they end or there is a reason to stop.
  Status Read(const ProcessOptions& options, ProcessResult* result) {
    while (out_.read >= 0 || err_.read >= 0) {
      MCV_RETURN_IF_ERROR(CheckStop(options, *result));
      pollfd ends[2] = {{out_.read, POLLIN, 0}, {err_.read, POLLIN, 0}};
      if (poll(ends, 2, kPollMilliseconds) < 0 && errno != EINTR) return Refused("cannot wait");
      if (ends[0].revents != 0) Take(&out_.read, &result->output);
      if (ends[1].revents != 0) Take(&err_.read, &result->errors);
    }
    return OkStatus();
  }

  // Waits for its end; the time is taken as soon as it is known.
  Status Finish(const ProcessOptions& options, ProcessResult* result) {
    for (;;) {
      rusage usage = {};
      int status = 0;
      const pid_t ended = wait4(pid_, &status, WNOHANG, &usage);
      if (ended < 0 && errno != EINTR) return Refused("cannot wait");
      if (ended == pid_) {
        result->wall_seconds = SecondsSince(start_);
        result->peak_resident_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;  // KiB
        result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        kill(-pid_, SIGKILL);  // what it left behind
        pid_ = -1;
        return OkStatus();
      }
      MCV_RETURN_IF_ERROR(CheckStop(options, *result));
      usleep(500);
    }
  }

 private:
  static Status Refused(const std::string& what) {
    return IoError(what + ": " + std::strerror(errno));
  }

  // The failure pipe closes by itself when the program has taken over.
  Status CheckStarted(const std::string& program) {
    Failure failure;
    ssize_t got = 0;
    do {
      got = read(failure_.read, &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    if (got != static_cast<ssize_t>(sizeof failure)) return OkStatus();
    Reap();
    const std::string why = std::strerror(failure.error);
    if (failure.hiding) {
      return IoError("cannot hide files from " + program + ": " + why +
                     " (a mount namespace needs root, or user namespaces)");
    }
    return NotFound(program + ": cannot be run: " + why);
  }

  Status CheckStop(const ProcessOptions& options, const ProcessResult& result) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped while " + options.arguments[0] + " was running");
    }
    if (SecondsSince(start_) < options.timeout_seconds) return OkStatus();
    const std::string last = Tail(result.output + result.errors, 500);
    return IoError(CommandText(options.arguments) + "\ndid not end in " +
                   std::to_string(static_cast<int64_t>(options.timeout_seconds)) +
                   " s and was killed (--timeout)" +
                   (last.empty() ? "; it said nothing" : "; it said last:\n" + last));
  }

  static void Take(int* end, std::string* text) {
    char buffer[65536];
    const ssize_t got = read(*end, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) return Pipe::Close(end);
    const size_t room = kMostOutput - std::min(kMostOutput, text->size());
    text->append(buffer, std::min(room, static_cast<size_t>(got)));
  }

  void Kill() { kill(-pid_, SIGKILL), kill(pid_, SIGKILL); }
  void Reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  Pipe out_, err_, failure_;
  pid_t pid_ = -1;
  Clock::time_point start_;
};

}  // namespace

Result<ProcessResult> RunProcess(const ProcessOptions& options) {
  Child child;
  ProcessResult result;
  MCV_RETURN_IF_ERROR(child.Start(options));
  MCV_RETURN_IF_ERROR(child.Read(options, &result));
  MCV_RETURN_IF_ERROR(child.Finish(options, &result));
  return result;
}

std::string CommandText(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& word : arguments) {
    if (!text.empty()) text += ' ';
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n'\"\\$*?&|<>()[]{};#~`") == std::string::npos;
    text += plain ? word : "'" + word + "'";
  }
  return text;
}

Result<std::vector<std::string>> SplitCommand(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;  // a word has begun
  char quote = '\0';
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      inside = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (quote != '\0') return InvalidArgument("'" + text + "': a quote does not end");
  if (inside) words.push_back(std::move(word));
  return words;
}

std::string Tail(const std::string& text, size_t bytes) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "";
  const std::string trimmed = text.substr(0, end + 1);
  if (trimmed.size() <= bytes) return trimmed;
  const size_t line = trimmed.find('\n', trimmed.size() - bytes - 1);
  return trimmed.substr(line == std::string::npos ? trimmed.size() - bytes : line + 1);
}

}  // namespace mcv::bench
