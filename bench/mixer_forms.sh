# For scripts beside it that train the same model with each mechanism of the sub-quadratic family (source it, do not run
# it): configs in which nothing differs but the mixer and its sizes.

# The lines of FORM: the mixer's, under KEY (encoder-mixer or decoder-mixer), and its sizes. What they see of a sequence is
# kept small, so that something is missing.
form_lines() {
  local form=$1 key=$2
  case $form in
    exact) echo "$key = \"scaled_dot\"" ;;
    local) printf '%s = "local"\nwindow = 64\n' "$key" ;;
    longformer) printf '%s = "local"\nwindow = 64\nglobal-tokens = 1\n' "$key" ;;
    sparse) printf '%s = "sparse"\nstride = 32\n' "$key" ;;
    bigbird) printf '%s = "bigbird"\nblock = 16\nwindow-blocks = 3\nglobal-blocks = 1\nrandom-blocks = 2\n' "$key" ;;
    lsh) printf '%s = "lsh"\nlsh-hashes = 2\nlsh-chunk = 32\n' "$key" ;;
    linformer) printf '%s = "linformer"\nprojected-length = 64\n' "$key" ;;
    performer | linear) echo "$key = \"$form\"" ;;
    nystrom) printf '%s = "nystrom"\nlandmarks = 32\n' "$key" ;;
    *) echo "FORMS: unknown: $form" >&2 && return 2 ;;
  esac
}

# The config FILE with LINES in place of what it says under the same keys.
config_with() {
  local file=$1 lines=$2 names
  names=$(sed -nE 's/^([a-z-]+) =.*/\1/p' <<<"$lines")
  grep -vE "^(${names//$'\n'/|}) =" "$file"
  echo "$lines"
}
