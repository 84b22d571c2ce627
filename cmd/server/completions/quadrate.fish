# Completes quadrate in fish: quadrate completion fish | source
# A command is the first word or none is.
function __quadrate_first -d 'Whether the word behind quadrate is being written'
    test (count (commandline -opc)) -eq 1
end
function __quadrate_command -d 'Whether the command is one of these'
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end
function __quadrate_serves -d 'Whether models are served, with or without the word for it'
    not __quadrate_command healthcheck key version completion
end
function __quadrate_third -d 'Whether the word behind the command is being written'
    test (count (commandline -opc)) -eq 2
end
complete -c quadrate -f
complete -c quadrate -n __quadrate_first -a serve -d 'Serve models (the default)'
complete -c quadrate -n __quadrate_first -a healthcheck -d 'Ask the running server whether it is ready'
complete -c quadrate -n __quadrate_first -a key -d 'Make an API key'
complete -c quadrate -n __quadrate_first -a version -d 'The versions of all that is inside'
complete -c quadrate -n __quadrate_first -a completion -d 'A script that completes all this in a shell'
complete -c quadrate -o help -d 'Print how it is used'
complete -c quadrate -n 'not __quadrate_command key completion' -o config -r -F -d 'Configuration file'
complete -c quadrate -n __quadrate_serves -o check -d 'Check the configuration and exit'
complete -c quadrate -n '__quadrate_command version' -o json -d 'Tell it as JSON'
complete -c quadrate -n '__quadrate_command completion; and __quadrate_third' -a 'bash zsh fish'
complete -c quadrate -n '__quadrate_command key; and __quadrate_third' -a new
complete -c quadrate -n '__quadrate_command key' -o name -x -d 'Name in logs and metrics'
complete -c quadrate -n '__quadrate_command key' -o models -x -d 'Names of models'
complete -c quadrate -n '__quadrate_command key' -o limits -x -d 'Class of rate_limits.yaml'
complete -c quadrate -n '__quadrate_command key' -o expires -x -d 'When it ends'
complete -c quadrate -n '__quadrate_command key' -o admin -d 'May use /admin'
