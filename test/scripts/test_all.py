"""What holds for every script: help, wrong usage, and being a program."""

import os

import pytest
from conftest import SCRIPTS

ALL = ["benchmark.sh", "prefetch-tei-models.sh", "pull-ollama-models.sh", "setup-wsl-docker.sh", "start-all.sh"]


@pytest.mark.parametrize("script", ALL)
def test_help_is_the_header_and_calls_nobody(bench, script):
    played = bench.fake("play_docker", "docker", "curl", "apt-get")
    for option in ("-h", "--help"):
        result = bench.run(script, option)
        assert result.returncode == 0 and result.stderr == ""
        assert f"scripts/{script}" in result.stdout and "--dry-run" in result.stdout
        assert "Exit status: 0" in result.stdout
        assert "set -euo pipefail" not in result.stdout and "#!" not in result.stdout
    assert played.calls() == []


@pytest.mark.parametrize("script", ALL)
def test_an_unknown_option_is_wrong_usage(bench, script):
    result = bench.run(script, "--nonsense")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == f"{script.removesuffix('.sh')}: unknown {'option' if 'models' in script else 'argument'} '--nonsense'; --help says what there is\n"


@pytest.mark.parametrize(("script", "option"), [
    ("benchmark.sh", "--url"), ("prefetch-tei-models.sh", "--image"), ("pull-ollama-models.sh", "--routing"),
    ("setup-wsl-docker.sh", "--user"), ("start-all.sh", "--config"),
])
def test_an_option_without_its_value_is_wrong_usage(bench, script, option):
    result = bench.run(script, option)
    assert result.returncode == 2 and f"{option} needs a value" in result.stderr


@pytest.mark.parametrize(("script", "arguments"), [
    ("start-all.sh", ["--timeout", "soon"]), ("start-all.sh", ["--stop-timeout=-1"]),
    ("pull-ollama-models.sh", ["--stall", "1.5"]), ("prefetch-tei-models.sh", ["--timeout", ""]),
    ("start-all.sh", ["--timeout", "08"]),  # to the shell's arithmetic no number at all
])
def test_seconds_are_whole_numbers(bench, script, arguments):
    result = bench.run(script, *arguments)
    assert result.returncode == 2 and "is no whole number" in result.stderr


def test_seconds_have_a_bound(bench):
    result = bench.run("start-all.sh", "--timeout", "9" * 20)
    assert result.returncode == 2 and "is more than 999999999" in result.stderr


@pytest.mark.parametrize("script", ALL)
def test_scripts_can_be_executed(script):
    assert os.access(SCRIPTS / script, os.X_OK)


def test_the_engines_script_tells_its_usage(bench):
    """Asked for it is an answer; of an unknown word it is the complaint."""
    for option in ("-h", "--help"):
        result = bench.run("image/engine.sh", option)
        assert result.returncode == 0 and result.stderr == ""
        assert result.stdout.startswith("A container engine for the tests.") and "engine.sh stop DIR" in result.stdout and "pipefail" not in result.stdout
    wrong = bench.run("image/engine.sh", "nonsense")
    assert wrong.returncode == 2 and wrong.stdout == "" and "engine.sh start DIR" in wrong.stderr
