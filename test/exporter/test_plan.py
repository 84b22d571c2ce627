"""--dry-run says what would be done and does nothing; --if-absent leaves what is there as it is."""

import json
import shutil

import pytest
from test_command import COMMIT, MODEL, hub, read, run  # noqa: F401
from test_route import recorder, unknown  # noqa: F401


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_dry_run_names_the_parts_and_writes_nothing(tmp_path):
    out = tmp_path / "the models" / "out"
    first = run(MODEL, "--dry-run", "--variant", "fp32,int8", "--out", out, script=True)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"would write fp32, int8 of bert-mean to {out}\n" and not out.parent.exists()
    assert run(MODEL, "--out", out).returncode == 0
    before = files(out)
    some = run(MODEL, "--dry-run", "--variant", "fp32,int8", "--out", out)
    assert some.stdout == f"would write int8 of bert-mean to {out}; fp32 is up to date\n"
    none = run(MODEL, "--dry-run", "--out", out)
    assert none.stdout == f"bert-mean: {out}: fp32 is up to date, nothing to do\n"
    assert files(out) == before


def test_a_dry_run_finds_what_would_stop_the_export(tmp_path):
    assert run(MODEL, "--out", tmp_path / "out").returncode == 0
    other = run(MODEL, "--out", tmp_path / "out", "--source", "team/other", "--dry-run")
    assert other.returncode == 1 and "holds an export of bert-mean" in other.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("")
    foreign = run(MODEL, "--out", tmp_path / "mine", "--dry-run")
    assert foreign.returncode == 1 and "is not empty" in foreign.stderr


def test_a_dry_run_of_a_model_on_the_hub_fetches_nothing(tmp_path, hub):  # noqa: F811
    out = tmp_path / "out"
    result = run("team/small", "--dry-run", "--out", out, **hub.settings)
    assert result.returncode == 0, result.stderr
    assert f"would fetch team/small from {hub.settings['HF_ENDPOINT']}" in result.stdout
    assert f"would write fp32 to {out}" in result.stdout
    assert hub.seen == [] and not out.exists()
    offline = run("team/small", "--dry-run", "--out", out, HF_HUB_OFFLINE="1", **hub.settings)
    assert offline.returncode == 1 and "HF_HUB_OFFLINE is set" in offline.stderr
    # What is in the cache is planned as a directory is.
    assert run("team/small", "--out", out, **hub.settings).returncode == 0
    hub.seen.clear()
    cached = run("team/small", "--dry-run", "--variant", "int8", "--out", out, **hub.settings)
    assert cached.stdout == f"would write int8 of team/small to {out}; fp32 is up to date\n" and hub.seen == []


def test_a_dry_run_names_pytorch_and_does_not_enter_it(tmp_path, unknown):  # noqa: F811
    python = str(recorder(tmp_path))
    result = run(unknown, "--dry-run", "--out", tmp_path / "out", QUADRATE_TORCH_PYTHON=python)
    assert result.returncode == 0 and f"by PyTorch in {python}" in result.stdout
    assert "quadrate_export_torch" not in result.stdout


def test_a_dry_run_of_random_weights(tmp_path):
    result = run("--random", MODEL / "config.json", "--tokenizer", MODEL, "--out", tmp_path / "out", "--dry-run")
    assert result.returncode == 0 and "would write fp32 of random/config" in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_there_is_left_and_the_hub_not_asked(tmp_path, hub):  # noqa: F811
    out = tmp_path / "out"
    arguments = ["team/small", "--if-absent", "--out", out]
    made = run(*arguments, **hub.settings)
    assert made.returncode == 0 and read(out)["revision"] == COMMIT
    hub.seen.clear()
    shutil.rmtree(tmp_path / "hf")
    before = files(out)
    again = run(*arguments, **hub.settings)
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"team/small: {out} is there (fp32), and is left as it is\n"
    assert run(*arguments, "--revision", COMMIT, **hub.settings).stdout == again.stdout
    assert hub.seen == [] and files(out) == before
    # Another revision, or a part that is not there, is exported as ever.
    for more in (["--revision", "main"], ["--variant", "int8"], ["--outputs", "tokens"], ["--max-length", "16"]):
        assert run(*arguments, *more, "--dry-run", **hub.settings).stdout.startswith("would fetch team/small")


@pytest.mark.parametrize("damage", ["tokenizer.json", "model.onnx", "quadrate.json"])
def test_a_model_that_is_damaged_is_not_there(tmp_path, damage):
    out = tmp_path / "out"
    run(MODEL, "--out", out)
    file = out / damage
    file.write_bytes(file.read_bytes()[:-3] + b"   ")
    result = run(MODEL, "--if-absent", "--out", out)
    assert result.returncode == 0, result.stderr
    assert "is left as it is" not in result.stdout and f"bert-mean: fp32 in {out}" in result.stdout
    assert "is left as it is" in run(MODEL, "--if-absent", "--out", out).stdout


def test_a_file_without_a_checksum_is_not_there(tmp_path):
    out = tmp_path / "out"
    run(MODEL, "--out", out)
    content = read(out)
    content["files"] = [item for item in content["files"] if item["path"] != "model.onnx"]
    (out / "quadrate.json").write_text(json.dumps(content))
    assert "is left as it is" not in run(MODEL, "--if-absent", "--out", out).stdout


def test_if_absent_and_force_exclude_each_other():
    result = run(MODEL, "--if-absent", "--force")
    assert result.returncode == 2 and "--if-absent leaves what is there" in result.stderr
