# Lists the mutants of one kernel file, one per line:   LINE <tab> KIND <tab> mutated line
#   barrier     a __syncthreads, __syncwarp or wait for an asynchronous copy is left out
#   comparison  < becomes <=, <= becomes <, > becomes >=, >= becomes > (operators stand between spaces, template brackets do not)
#   term        a statement "a += b;" or "a = fmaf(b, c, a);" is left out
# Host code is mutated too: a grid that is one block short is a border like any other.
function emit(kind, text) { printf "%d\t%s\t%s\n", NR, kind, text }
/^[ \t]*\/\// || /^#/ || /static_assert/ || /SEPIA_CHECK/ { next }
{
  code = $0
  sub(/\/\/.*/, "", code)
  if (code ~ /__syncthreads\(\);|__syncwarp\([^)]*\);|(wait|await)[a-z_]*(<[^>]*>)?\([^)]*\);/ && code !~ /__device__|void /) {
    text = code
    if (sub(/(detail::)?(__syncthreads|__syncwarp|[a-z_]*wait[a-z_]*)(<[^>]*>)?\([^)]*\);/, ";", text)) emit("barrier", text)
  }
  rest = code; head = ""
  while (match(rest, / (<|<=|>|>=) /)) {
    operator = substr(rest, RSTART + 1, RLENGTH - 2)
    other = operator == "<" ? "<=" : operator == "<=" ? "<" : operator == ">" ? ">=" : ">"
    emit("comparison", head substr(rest, 1, RSTART) other substr(rest, RSTART + RLENGTH - 1))
    head = head substr(rest, 1, RSTART + RLENGTH - 2)
    rest = substr(rest, RSTART + RLENGTH - 1)
  }
  if (match(code, /[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_0-9]+|\[[^\]]*\])* (\+= [^;]*|= fmaf\([^;]*);/) && substr(code, 1, RSTART) !~ /for \([^)]*$/) {
    emit("term", substr(code, 1, RSTART - 1) ";" substr(code, RSTART + RLENGTH))
  }
}
