# Completes quadrate in bash: source <(quadrate completion bash)
_quadrate() {
  local word=$2 before=$3 command=serve i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      serve | healthcheck | key | version | completion) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  case $before in
    -config | --config) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    -name | -models | -limits | -expires) return ;;
  esac
  local words
  case $command in
    key) words="new -name -models -limits -expires -admin -help" ;;
    version) words="-json -config -help" ;;
    completion) words="bash zsh fish" ;;
    healthcheck) words="-config -help" ;;
    *) words="-config -check -help" ;;
  esac
  ((COMP_CWORD == 1)) && words="$words serve healthcheck key version completion"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _quadrate quadrate
