"""python -m quadrate_export_torch: the command line of quadrate_export, in this environment."""

import sys

import onnxruntime
from transformers.utils import logging

from quadrate_export.cli import main

from .export import TorchExporter

# Warnings of libraries about what is checked here anyway would hide the lines of progress.
logging.set_verbosity_error()
logging.disable_progress_bar()
onnxruntime.set_default_logger_severity(3)

sys.exit(main(exporter=TorchExporter))
