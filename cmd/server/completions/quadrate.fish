# Completes quadrate in fish: quadrate completion fish | source
set -l commands serve healthcheck key version completion
complete -c quadrate -f
complete -c quadrate -n "not __fish_seen_subcommand_from $commands" -a serve -d 'Serve models (the default)'
complete -c quadrate -n "not __fish_seen_subcommand_from $commands" -a healthcheck -d 'Ask the running server whether it is ready'
complete -c quadrate -n "not __fish_seen_subcommand_from $commands" -a key -d 'Make an API key'
complete -c quadrate -n "not __fish_seen_subcommand_from $commands" -a version -d 'The versions of all that is inside'
complete -c quadrate -n "not __fish_seen_subcommand_from $commands" -a completion -d 'A script that completes all this in a shell'
complete -c quadrate -n "not __fish_seen_subcommand_from key completion" -o config -r -F -d 'Configuration file'
complete -c quadrate -n "not __fish_seen_subcommand_from healthcheck key version completion" -o check -d 'Check the configuration and exit'
complete -c quadrate -n "__fish_seen_subcommand_from version" -o json -d 'Tell it as JSON'
complete -c quadrate -n "__fish_seen_subcommand_from completion" -a 'bash zsh fish'
complete -c quadrate -n "__fish_seen_subcommand_from key" -a new
complete -c quadrate -n "__fish_seen_subcommand_from key" -o name -x -d 'Name in logs and metrics'
complete -c quadrate -n "__fish_seen_subcommand_from key" -o models -x -d 'Names of models'
complete -c quadrate -n "__fish_seen_subcommand_from key" -o limits -x -d 'Class of rate_limits.yaml'
complete -c quadrate -n "__fish_seen_subcommand_from key" -o expires -x -d 'When it ends'
complete -c quadrate -n "__fish_seen_subcommand_from key" -o admin -d 'May use /admin'
