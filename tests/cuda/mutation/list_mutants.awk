# Lists the mutants of one kernel file, and writes the file with all of them in it, each behind a switch (mutants.h):
#     awk -v first=ID -v out=INSTRUMENTED_FILE -f list_mutants.awk FILE
# prints   ID <tab> LINE <tab> KIND <tab> the line as the mutant has it   with IDs from `first` on. KIND is
#   barrier     a __syncthreads, __syncwarp or wait for an asynchronous copy is left out
#   comparison  < becomes <=, <= becomes <, > becomes >=, >= becomes >
#   term        a statement `a += b;` or `a -= b;` is left out; fmaf(b, c, a) loses its product
#   sum         a + b or a - b loses b. A mutant only where the sum is a floating-point number, which the compiler finds out (mutants.h)
# Host code is mutated too: a grid that is one block short is a border like any other. Operators stand between spaces, as the formatter
# puts them; template brackets do not. Lines keep their numbers.
function blank_strings(text,  result) {
  result = ""
  while (match(text, /"([^"\\]|\\.)*"/)) {
    result = result substr(text, 1, RSTART - 1) "\"" sprintf("%*s", RLENGTH - 2, "") "\""
    gsub(/\t/, " ", result)
    text = substr(text, RSTART + RLENGTH)
  }
  return result text
}
function trimmed(text) { sub(/^[ \t]+/, "", text); sub(/[ \t]+$/, "", text); return text }
# One mutant: `length_` characters at `position` of the code become `mutated` in its listing and `switched` in the instrumented file.
function site(kind, position, length_, mutated, switched) {
  ++sites
  at[sites] = position; span[sites] = length_; text_of[sites] = switched
  printf "%d\t%d\t%s\t%s\n", id, NR, kind, trimmed(substr(code, 1, position - 1) mutated substr(code, position + length_))
  ++id
}
# Braces and parentheses before the character at `position` of this line: a statement stands where no parenthesis is open.
function walk_to(position,  c) {
  for (; walked < position; ++walked) {
    c = substr(clean, walked, 1)
    if (c == "(") ++open[level]
    else if (c == ")") --open[level]
    else if (c == "{") open[++level] = 0
    else if (c == "}" && level > 0) --level
  }
}
function begins_statement(before) {
  before = trimmed(before)
  return before == "" || before ~ /([;{})]|else)$/
}
BEGIN { id = first; level = 0; open[0] = 0; kName = "::sepia::mutation::" }
/^#/ {
  if ($0 ~ /^#ifdef SEPIA_SIMT/) left_out = 0
  else if ($0 ~ /^#ifndef SEPIA_SIMT|^#ifdef __CUDA_ARCH__/) left_out = 1
  else if ($0 ~ /^#else/) left_out = !left_out
  else if ($0 ~ /^#endif/) left_out = 0
  print > out
  next
}
{
  comment = ""; code = $0
  clean = blank_strings(code)
  if (match(clean, /\/\//)) { comment = substr(code, RSTART); code = substr(code, 1, RSTART - 1); clean = substr(clean, 1, RSTART - 1) }
  if (left_out) { print > out; next }
  sites = 0; walked = 1
  wanted = clean !~ /static_assert|SEPIA_CHECK|asm|kPerLoad < T >/
  for (position = 1; wanted && position <= length(clean); ++position) {
    rest = substr(clean, position)
    c = substr(rest, 1, 1)
    if (c == " " && match(rest, /^ (<|<=|>|>=) /)) {
      operator = substr(rest, 2, RLENGTH - 2)
      other = operator == "<" ? "<=" : operator == "<=" ? "<" : operator == ">" ? ">=" : ">"
      site("comparison", position + 1, length(operator), other, operator " " kName "Border<" id ">{} " operator)
    } else if (c == " " && rest ~ /^ [+-] /) {
      operator = substr(rest, 2, 1)
      site("sum", position + 1, 1, operator " 0 *", operator " " kName "Term<" id ">{} " operator)
    } else if (c == "f" && rest ~ /^fmaf\(/ && substr(clean, position - 1, 1) !~ /[A-Za-z_0-9:]/) {
      site("term", position, 5, "third_of(", kName "multiply_add<" id ">(")
    } else if (c == " " && rest ~ /^ [+-]= /) {
      before = substr(clean, 1, position - 1)
      walk_to(position)
      if (open[level] == 0 && match(before, /(\*)?[A-Za-z_][A-Za-z_0-9]*((\.|->)[A-Za-z_0-9]+|\[[^\]]*\]|\([^()]*\))*$/) &&
          begins_statement(substr(before, 1, RSTART - 1))) {
        site("term", RSTART, 0, "; // ", "SEPIA_MUTANT_LEAVES_OUT(" id ") ")
      }
    } else if (c ~ /[_a-z]/ && substr(clean, position - 1, 1) !~ /[A-Za-z_0-9:]/ &&
               match(rest, /^(detail::)?(__syncthreads|__syncwarp|wait_for_copies|commit_copies)(<[^>]*>)?\([^)]*\);/)) {
      width = RLENGTH
      if (clean !~ /__device__|void /) site("barrier", position, width, ";", "SEPIA_MUTANT_LEAVES_OUT(" id ") " substr(rest, 1, width))
      position += width - 1
    }
  }
  walk_to(length(clean) + 1)
  # Edits from the last place to the first, so that places stay true; a statement's switch is found behind the operator but stands first.
  for (i = 2; i <= sites; ++i) {
    for (j = i; j > 1 && at[j - 1] > at[j]; --j) {
      t = at[j]; at[j] = at[j - 1]; at[j - 1] = t
      t = span[j]; span[j] = span[j - 1]; span[j - 1] = t
      t = text_of[j]; text_of[j] = text_of[j - 1]; text_of[j - 1] = t
    }
  }
  for (i = sites; i >= 1; --i) code = substr(code, 1, at[i] - 1) text_of[i] substr(code, at[i] + span[i])
  print code comment > out
}
