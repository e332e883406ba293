// sepia gradcheck: every operation's gradient against central differences.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "tools/cli/errors.h"
#include "tools/cli/json.h"
#include "tools/cli/nearest.h"
#include "tools/cli/options.h"
#include "tools/commands/commands.h"
#include "tools/gradcheck/grad_case.h"

namespace sepia::cli {
namespace {

struct GradcheckOptions {
  std::vector<std::string> ops;
  std::uint64_t seed = 1;
  bool json = false;
};

void check_names(const std::vector<std::string>& wanted) {
  const std::vector<std::string> known = tools::grad_case_ops();
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string suggestion = nearest(name, known);
    fail(ErrorKind::kUsage, "no operation is called '", name, "'", suggestion.empty() ? "" : ", did you mean '" + suggestion + "'?",
         "; there are ", fmt::format("{}", fmt::join(known, " ")));
  }
}

nlohmann::ordered_json case_json(const tools::GradCase& grad_case, const tools::GradReport& report) {
  nlohmann::ordered_json mismatches = nlohmann::ordered_json::array();
  for (const auto& m : report.mismatches) {
    mismatches.push_back({{"input", m.input}, {"index", m.index}, {"analytic", m.analytic}, {"numeric", m.numeric}});
  }
  return {{"op", grad_case.op}, {"case", grad_case.name}, {"gradients", report.checked}, {"worst", report.worst}, {"mismatches", mismatches}};
}

int run_gradcheck(const GradcheckOptions& options) {
  check_names(options.ops);
  set_num_threads(1);  // thousands of tiny kernels: handing them to threads costs more than running them
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  int cases = 0;
  int passed = 0;
  std::string first_fault;
  for (const tools::GradCase& grad_case : tools::grad_cases()) {
    const bool wanted = options.ops.empty() || std::find(options.ops.begin(), options.ops.end(), grad_case.op) != options.ops.end();
    if (!wanted) continue;
    const tools::GradReport report = tools::check_gradients(grad_case, options.seed);
    const bool good = report.mismatches.empty();
    ++cases;
    passed += good;
    results.push_back(case_json(grad_case, report));
    if (!options.json) {
      fmt::print("{:<16} {:<46} {:>4} gradients  worst {:8.1e}  {}\n", grad_case.op, grad_case.name, report.checked, report.worst, good ? "ok" : "WRONG");
    }
    if (!good && first_fault.empty()) {
      const auto& m = report.mismatches.front();
      first_fault = fmt::format("{} ({}): d/d{}[{}] is {:g}, a central difference says {:g}; its backward pass is wrong", grad_case.op, grad_case.name, m.input, m.index, m.analytic, m.numeric);
    }
  }
  if (options.json) {
    print_json({{"passed", passed}, {"cases", cases}, {"seed", options.seed}, {"results", results}});
  } else {
    fmt::print("{} of {} cases agree\n", passed, cases);
  }
  if (!first_fault.empty()) print_error(first_fault);
  return passed == cases ? 0 : 1;
}

}  // namespace

void add_gradcheck_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<GradcheckOptions>();
  CLI::App& command = session.add_command(app, "gradcheck", "Check every operation's gradient against central differences, in double",
                                          "sepia gradcheck\n"
                                          "sepia gradcheck conv2d batch_norm\n"
                                          "sepia gradcheck --json");
  command.add_option("OP", options->ops, "Operations to check; all when none is named: " + fmt::format("{}", fmt::join(tools::grad_case_ops(), " ")));
  add_seed_option(command, options->seed);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_gradcheck(*options); });
}

}  // namespace sepia::cli
