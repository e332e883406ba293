// Every sub-command registers itself here: one function each, defined in the file of its name. add_all_commands calls them
// in the order in which `sepia --help` lists them.
#pragma once

#include "tools/cli/session.h"

namespace sepia::cli {

void add_bench_command(CLI::App& app, Session& session);
void add_convert_command(CLI::App& app, Session& session);
void add_demo_command(CLI::App& app, Session& session);
void add_data_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_eval_command(CLI::App& app, Session& session);
void add_explain_command(CLI::App& app, Session& session);
void add_gradcheck_command(CLI::App& app, Session& session);
void add_paper_command(CLI::App& app, Session& session);
void add_predict_command(CLI::App& app, Session& session);
void add_report_command(CLI::App& app, Session& session);
void add_summary_command(CLI::App& app, Session& session);
void add_train_command(CLI::App& app, Session& session);

void add_all_commands(CLI::App& app, Session& session);

}  // namespace sepia::cli
