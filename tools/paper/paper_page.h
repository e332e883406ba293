// paper.html: the document's figures and numbers beside those of this run.
#pragma once

#include <string>
#include <vector>

#include "tools/paper/experiments.h"
#include "tools/report/canvas.h"
#include "tools/report/html.h"

namespace sepia::paper {

/// A figure of the document, made anew: its files stand in the paper's folder.
struct PaperFigure {
  int number = 0;        ///< in the document; 0: one that it does not have
  std::string file;      ///< without its ending, from the paper's folder: "figures/figure2"; .svg and .png are there
  std::string caption;   ///< what it shows here; also what stands for it where it cannot be seen
  std::string document;  ///< what the document says about its own
  report::Figure figure{};  ///< the drawing itself, for the page
};

struct PaperPage {
  std::vector<Comparison> comparisons;
  std::vector<PaperFigure> figures;  ///< in the order of the page
  std::vector<std::string> notes;    ///< what a reader must know: which data, what was left out
  std::vector<report::Setting> settings;
  std::vector<std::string> commands;
  std::string version;
};

/// The whole page as one self-contained HTML document, the figures in it as drawings that follow the reader's light or dark setting.
std::string paper_page(const PaperPage& page);

/// The same numbers for machines: {"comparisons":[{"section","quantity","document","ours"}],"figures":[{"number","file","caption"}]}.
std::string paper_json(const PaperPage& page);

}  // namespace sepia::paper
