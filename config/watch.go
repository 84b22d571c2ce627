package config

import _ "github.com/fsnotify/fsnotify"
