// The command line as a user meets it: exit codes, one-line errors, suggestions, help.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/run_command.h"

namespace sepia::test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

/// The command failed with `code` and said why in exactly one line.
void expect_failure(const CommandResult& result, int code, const std::string& part) {
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_THAT(result.err, StartsWith("error: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(result.out, "");
}

TEST(CommandLine, TellsItsVersion) {
  const CommandResult result = run_sepia({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, MatchesRegex("sepia [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(CommandLine, HelpGoesToStdoutAndListsCommandsAndExitCodes) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"}, {"-h"}, {"help"}}) {
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("doctor"));
    EXPECT_THAT(result.out, HasSubstr("Exit codes"));
    EXPECT_EQ(result.err, "");
  }
}

TEST(CommandLine, EveryCommandHasHelpWithExamples) {
  const std::string list = run_sepia({"--help"}).out;
  std::size_t at = list.find("\nCommands:\n");
  ASSERT_NE(at, std::string::npos);
  std::istringstream lines(list.substr(at + 11));
  int commands = 0;
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    if (!line.starts_with("  ") || line[2] == ' ') continue;
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    const CommandResult help = run_sepia({name, "--help"});
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("Usage: sepia " + name));
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  sepia " + name));
    EXPECT_EQ(run_sepia({"help", name}).out, help.out);
    ++commands;
  }
  EXPECT_GE(commands, 1);
}

TEST(CommandLine, NamesTheCommandsWhenNoneIsGiven) { expect_failure(run_sepia({}), 2, "sepia needs a command: "); }

TEST(CommandLine, SuggestsTheNearestCommandAndOption) {
  expect_failure(run_sepia({"docter"}), 2, "unknown command 'docter', did you mean 'doctor'?");
  expect_failure(run_sepia({"doctor", "--jsn"}), 2, "unknown option '--jsn', did you mean '--json'?; see 'sepia doctor --help'");
  expect_failure(run_sepia({"doctor", "--zzzzzz"}), 2, "unknown option '--zzzzzz'; see 'sepia doctor --help'");
  expect_failure(run_sepia({"doctor", "here"}), 2, "'here' was not expected");
}

TEST(CommandLine, AnErrorStaysOnOneLineWhateverTheInputHolds) { expect_failure(run_sepia({"doc\ntor\x1b[31m"}), 2, "'doc\\ntor\\x1b[31m'"); }

TEST(CommandLine, AFullDiskBehindStdoutIsAnError) {
  const CommandResult result = run_program({"/bin/sh", "-c", SEPIA_BINARY_DIR "/sepia doctor --json > /dev/full"});
  expect_failure(result, 4, "standard output: No space left on device");
}

TEST(Doctor, SaysWhatTheMachineOffers) {
  const CommandResult people = run_sepia({"doctor"});
  EXPECT_EQ(people.exit_code, 0);
  EXPECT_THAT(people.out, HasSubstr("oneDNN"));
  EXPECT_THAT(people.out, HasSubstr("CUDA           "));
}

TEST(Doctor, ShowsTheLimitOnInstructions) {
  const auto json = nlohmann::json::parse(run_sepia({"doctor", "--json"}, "", {"SEPIA_MAX_ISA=avx2"}).out);
  EXPECT_EQ(json.at("max_isa"), "avx2");
  EXPECT_EQ(json.at("vector_target"), "AVX2");
  EXPECT_EQ(json.at("product_target"), "AVX2");
  expect_failure(run_sepia({"doctor"}, "", {"SEPIA_MAX_ISA=mmx"}), 2, "SEPIA_MAX_ISA");
}

TEST(Doctor, VerifiesEveryKernelWithEachInstructionSet) {
  for (const char* isa : {"avx2", "avx512"}) {
    const CommandResult result = run_sepia({"doctor", "--verify", "--json"}, "", {std::string("SEPIA_MAX_ISA=") + isa});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out).at("verify");
    EXPECT_GT(json.at("cases").get<int>(), 100);
    EXPECT_EQ(json.at("cases"), json.at("passed"));
  }
}

TEST(Doctor, RefusesADeviceThatIsNotThere) {
  const CommandResult absent = run_sepia({"doctor", "--device", "cuda"}, "", {"SEPIA_CUDA_BACKEND=/no/such/library.so"});
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_THAT(absent.err, AllOf(StartsWith("error: --device cuda: SEPIA_CUDA_BACKEND: "), HasSubstr("/no/such/library.so"), EndsWith("; use --device cpu\n")));
}

TEST(Doctor, WritesJson) {
  const CommandResult machines = run_sepia({"doctor", "--json"});
  EXPECT_EQ(machines.exit_code, 0);
  EXPECT_EQ(machines.err, "");
  const auto json = nlohmann::json::parse(machines.out);
  EXPECT_GE(json.at("processors_usable").get<int>(), 1);
  EXPECT_GT(json.at("memory_gib").get<double>(), 0.1);
  EXPECT_TRUE(json.at("cuda").is_null());
  EXPECT_TRUE(json.at("cuda_reason").is_string());
}

}  // namespace
}  // namespace sepia::test
