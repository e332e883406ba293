#include "tools/commands/commands.h"

namespace sepia::cli {

void add_all_commands(CLI::App& app, Session& session) {
  add_demo_command(app, session);
  add_train_command(app, session);
  add_eval_command(app, session);
  add_predict_command(app, session);
  add_explain_command(app, session);
  add_report_command(app, session);
  add_paper_command(app, session);
  add_data_command(app, session);
  add_convert_command(app, session);
  add_summary_command(app, session);
  add_bench_command(app, session);
  add_gradcheck_command(app, session);
  add_doctor_command(app, session);
}

}  // namespace sepia::cli
