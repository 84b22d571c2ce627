#compdef quadrate
# Completes quadrate in zsh: source <(quadrate completion zsh)
_quadrate() {
  local command=$words[2]
  local -a commands config
  commands=(
    'serve:serve models (the default)'
    'healthcheck:ask the running server whether it is ready'
    'key:make an API key'
    'version:the versions of all that is inside'
    'completion:a script that completes all this in a shell'
  )
  config=('-config[configuration file]:file:_files' '-help[print how it is used]')
  if ((CURRENT == 2)); then
    _describe command commands
    _arguments '-check[check the configuration and exit]' $config
    return
  fi
  # A command is the first word or none is; _arguments reads what is behind it.
  if [[ $command != -* ]]; then
    shift words
    ((CURRENT--))
  fi
  case $command in
    key)
      _arguments '1:what:(new)' '-name[name in logs and metrics]:name:' '-models[names of models]:patterns:' \
        '-limits[class of rate_limits.yaml]:class:' '-expires[when it ends]:date:' '-admin[may use /admin]' '-help[print how it is used]' ;;
    version) _arguments '-json[tell it as JSON]' $config ;;
    completion) _arguments '1:shell:(bash zsh fish)' '-help[print how it is used]' ;;
    healthcheck) _arguments $config ;;
    *) _arguments '-check[check the configuration and exit]' $config ;;
  esac
}
if [ "$funcstack[1]" = _quadrate ]; then
  _quadrate "$@"
else
  compdef _quadrate quadrate
fi
