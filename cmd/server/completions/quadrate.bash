# Completes quadrate in bash: source <(quadrate completion bash)
_quadrate() {
  local word=$2 before=$3 command='' words
  # In -config=FILE the = is a word of its own.
  if [ "$word" = = ]; then before=${COMP_WORDS[COMP_CWORD - 1]} word=''
  elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
  case $before in
    -config | --config) compopt -o default 2>/dev/null; COMPREPLY=(); return ;;
    -name | --name | -models | --models | -limits | --limits | -expires | --expires) COMPREPLY=(); return ;;
  esac
  # A command is the first word or none is.
  if ((COMP_CWORD > 1)); then command=${COMP_WORDS[1]}; fi
  case $command in
    key) if ((COMP_CWORD == 2)); then words="new"; else words="-name -models -limits -expires -admin -help"; fi ;;
    version) words="-json -config -help" ;;
    completion) words="-help"; if ((COMP_CWORD == 2)); then words="bash zsh fish -help"; fi ;;
    healthcheck) words="-config -help" ;;
    '') words="serve healthcheck key version completion -config -check -help" ;;
    *) words="-config -check -help" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _quadrate quadrate
