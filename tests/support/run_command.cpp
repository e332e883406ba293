#include "tests/support/run_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace sepia::test {
namespace {

/// Appends what is there to `text`; false at the end of the stream.
bool read_some(int descriptor, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

[[noreturn]] void become(const std::vector<std::string>& words, const std::string& folder, const std::vector<std::string>& environment, int out, int err) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (!folder.empty() && ::chdir(folder.c_str()) != 0) ::_exit(127);
  ::setenv("OMP_WAIT_POLICY", "passive", 0);  // other tests run beside this one
  for (const std::string& variable : environment) {
    const std::size_t equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& words, const std::string& folder, const std::vector<std::string>& environment) {
  std::array<int, 2> out;
  std::array<int, 2> err;
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) become(words, folder, environment, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

void Process::send(int signal_number) const { ::kill(pid_, signal_number); }

CommandResult Process::wait() {
  CommandResult result;
  std::array<pollfd, 2> waiting = {{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
  std::array<std::string*, 2> texts = {&result.out, &result.err};
  for (int open = 2; open > 0;) {
    ::poll(waiting.data(), waiting.size(), -1);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      if (read_some(waiting[i].fd, *texts[i])) continue;
      ::close(waiting[i].fd);
      waiting[i].fd = -1;
      --open;
    }
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

CommandResult run_program(const std::vector<std::string>& words, const std::string& folder, const std::vector<std::string>& environment) {
  return Process(words, folder, environment).wait();
}

std::vector<std::string> sepia_words(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {SEPIA_BINARY_DIR "/sepia"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

CommandResult run_sepia(const std::vector<std::string>& arguments, const std::string& folder, const std::vector<std::string>& environment) {
  return run_program(sepia_words(arguments), folder, environment);
}

void expect_refusal(const std::vector<std::string>& words, int exit_code, const std::string& part) {
  const CommandResult result = run_sepia(words);
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_NE(result.err.find("error: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "without: " << part;
  EXPECT_EQ(result.out, "");
}

}  // namespace sepia::test
