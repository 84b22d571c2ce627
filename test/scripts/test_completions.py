"""What quadrate completion prints, used by the shells themselves: bash and zsh in a terminal, fish by
the command with which it is asked what it would show."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ROOT, TIMEOUT_S

PROGRAM = ROOT / "bin/quadrate"
ENTER, START_OF_LINE, INSERT_ALL, ASK = "\r", "\x01", "\x1b*", "\x14"

# Of every line the words that are offered behind it. Files: in the folder there is only one of each name.
LINES = {
    "quadrate ": {"serve", "healthcheck", "key", "version", "completion"},
    "quadrate v": {"version"},
    "quadrate -": {"-config", "-check", "-help"},
    "quadrate serve -": {"-config", "-check", "-help"},
    "quadrate healthcheck -": {"-config", "-help"},
    "quadrate version -": {"-json", "-config", "-help"},
    "quadrate -check -con": {"-config"},
    "quadrate key ": {"new"},
    "quadrate key new -": {"-name", "-models", "-limits", "-expires", "-admin", "-help"},
    "quadrate key new n": set(),
    "quadrate completion ": {"bash", "zsh", "fish"},
    "quadrate completion z": {"zsh"},
    "quadrate completion bash z": set(),
    "quadrate -config onl": {"only one.yaml"},
    "quadrate serve -config onl": {"only one.yaml"},
    "quadrate -config folder/": {"folder/server.yaml"},
    # A command is the first word: this is a file's name.
    "quadrate -config key -ch": {"-check"},
    "quadrate key new -name ": set(),
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with each shell's script as the program prints it, under the name that the shell looks for."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell, name in (("bash", "quadrate"), ("zsh", "_quadrate"), ("fish", "quadrate.fish")):
        (folder / name).write_bytes(subprocess.run([PROGRAM, "completion", shell], check=True, stdout=subprocess.PIPE).stdout)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Where the lines are written."""
    (tmp_path / "only one.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/server.yaml").write_text("")
    return tmp_path


class Terminal:
    """A shell that is typed to; what it answers is in a file, since a terminal's output is for eyes."""

    def __init__(self, folder, words, **env):
        assert shutil.which(words[0]), f"{words[0]} is not installed: scripts/setup/setup.sh commands installs it"
        self.answers = folder / "answers"
        self.answers.write_text("")
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(folder)
            os.execvpe(words[0], words, {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8", "ANSWERS": str(self.answers), **env})
        os.set_blocking(self.terminal, False)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def answer(self) -> list[str]:
        """The lines of the next answer, which ends with the line "end"."""
        until = time.monotonic() + TIMEOUT_S
        shown = b""
        while not (text := self.answers.read_text()).endswith("end\n"):
            assert time.monotonic() < until, f"no answer, but: {shown.decode(errors='replace')}"
            time.sleep(0.02)
            try:  # read, so that the shell can go on writing
                shown += os.read(self.terminal, 65536)
            except BlockingIOError:
                pass
        self.answers.write_text("")
        return text.splitlines()[:-1]

    def close(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.terminal)


class Bash:
    """All that readline would offer is put into the line, which is then made the words of another command."""

    def __init__(self, scripts, folder):
        # Without paste mode, in which keys are text.
        (folder / ".inputrc").write_text("set enable-bracketed-paste off\n")
        (folder / "start").write_text(
            f"PS1='' PS2='' HISTFILE=''\nsource {shlex.quote(str(scripts / 'quadrate'))}\n"
            "told() { shift; { (($#)) && printf '%s\\n' \"$@\"; echo end; } >>\"$ANSWERS\"; }\necho end >>\"$ANSWERS\"\n")
        self.terminal = Terminal(folder, ["bash", "--noprofile", "--rcfile", str(folder / "start"), "-i"], INPUTRC=str(folder / ".inputrc"))
        self.terminal.answer()

    def complete(self, line: str) -> set[str]:
        self.terminal.type(line + INSERT_ALL + START_OF_LINE + "told " + ENTER)
        # What was there before stays; where nothing fits, the last word stays, too.
        before = line.split(" ")[1:]
        found = self.terminal.answer()[len(before) - 1:]
        return set() if found == [word for word in before[-1:] if word] else set(found)


class Zsh:
    """compadd, by which every function of completion offers its words, says which of them fit."""

    START = """
PS1= PS2=
unsetopt beep zle_bracketed_paste 2>/dev/null
LISTMAX=10000
autoload -Uz compinit && compinit -u -D
compadd() {
  # What only asks what would fit, with -O, -A or -D, offers nothing.
  if [[ " ${(j: :)@[1,(i)(-|--)]}" != *' '-(O|A|D)* ]]; then
    local -a fitting before
    builtin compadd -O fitting "$@"
    # -p stands before a word, which is how a file's folder is said.
    zparseopts -E p:=before
    (($#fitting)) && print -rl -- ${before[2]:-}${^fitting} >>$ANSWERS
  fi
  builtin compadd "$@"
}
ask() { zle list-choices; print end >>$ANSWERS; zle kill-whole-line; }
zle -N ask
bindkey -e
bindkey '^T' ask
print end >>$ANSWERS
"""

    def __init__(self, scripts, folder, lead="fpath=({} $fpath)"):
        (folder / ".zshrc").write_text(lead.format(shlex.quote(str(scripts))) + self.START)
        self.terminal = Terminal(folder, ["zsh", "-d", "-i"], ZDOTDIR=str(folder))
        self.terminal.answer()

    def complete(self, line: str) -> set[str]:
        self.terminal.type(line + ASK)
        return {word for answer in self.terminal.answer() for word in shlex.split(answer)}  # as they would be written


class Fish:
    def __init__(self, scripts, folder):
        assert shutil.which("fish"), "fish is not installed: scripts/setup/setup.sh commands installs it"
        # Where fish looks for those of programs that a package has installed.
        there = folder / "share/fish/vendor_completions.d"
        there.mkdir(parents=True)
        (there / "quadrate.fish").write_bytes((scripts / "quadrate.fish").read_bytes())
        self.env = {"PATH": f"{ROOT / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "XDG_DATA_DIRS": f"{folder / 'share'}:/usr/share", "LANG": "C.UTF-8"}
        self.folder = folder

    def complete(self, line: str) -> set[str]:
        done = subprocess.run(["fish", "-c", f"complete -C {shlex.quote(line)}"], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return {offered.split("\t")[0] for offered in done.stdout.splitlines()}


@pytest.fixture(params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def shell(request, scripts, folder):
    made = request.param(scripts, folder)
    yield made
    if hasattr(made, "terminal"):
        made.terminal.close()


def test_offers_what_the_program_takes(shell):
    for line, wanted in LINES.items():
        found = shell.complete(line)
        # Some shells offer flags, too, where a word without a dash is wanted.
        if wanted and not any(word.startswith("-") for word in wanted):
            found = {word for word in found if not word.startswith("-")}
        if not wanted:
            found -= {"-help"}
        assert found == wanted, line


def test_sourcing_it_is_enough_in_zsh(scripts, folder):
    """As source <(quadrate completion zsh) does, in a shell whose completion is on."""
    zsh = Zsh(scripts, folder, "")
    try:
        assert zsh.complete("quadrate v") == set()
        zsh.terminal.type(f"source <({shlex.quote(str(PROGRAM))} completion zsh); print end >>$ANSWERS{ENTER}")
        zsh.terminal.answer()
        assert zsh.complete("quadrate v") == {"version"}
    finally:
        zsh.terminal.close()


def test_sourcing_it_is_enough_in_fish():
    line = f"{shlex.quote(str(PROGRAM))} completion fish | source; complete -C 'quadrate v'"
    done = subprocess.run(["fish", "--no-config", "-c", line], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert re.match(r"version\t", done.stdout) and done.stdout.count("\n") == 1
