"""setup-wsl-docker.sh: every command that would change the system is played, and its files are
written below another root."""

import pytest

SCRIPT = "setup-wsl-docker.sh"
DOCKER_KEY = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
NVIDIA_KEY = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
COMMANDS = ["uname", "id", "dpkg-query", "dpkg", "apt-get", "curl", "gpg", "systemctl", "nvidia-ctk", "usermod", "docker"]
CHANGING = ["apt-get", "curl", "nvidia-ctk", "usermod"]


class Ubuntu:
    def __init__(self, bench):
        self.bench, self.root = bench, bench.folder / "root"
        self.played = bench.fake("play_ubuntu", *COMMANDS).set(
            root=str(self.root), keys={"docker.com": DOCKER_KEY, "nvidia.github.io": NVIDIA_KEY})
        bench.env |= {"SETUP_WSL_ROOT": str(self.root), "SUDO_USER": "maria"}
        self.write("etc/os-release", 'ID=ubuntu\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n')
        (self.root / "run/systemd/system").mkdir(parents=True)
        self.write("usr/lib/wsl/lib/libcuda.so.1", "")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path):
        return (self.root / path).read_text()

    def run(self, *arguments, **env):
        return self.bench.run(SCRIPT, *arguments, **env)

    def changes(self):
        """Calls that change the system."""
        asked = [call for name in CHANGING for call in self.played.calls(name)]
        return asked + [call for verb in ("enable", "restart") for call in self.played.calls("systemctl", verb)]

    def fails(self, words, *arguments, **env):
        result = self.run(*arguments, **env)
        assert result.returncode == 1 and words in result.stderr, result.stderr
        return result


@pytest.fixture
def ubuntu(bench):
    return Ubuntu(bench)


def test_installs_both_and_does_nothing_again(ubuntu):
    result = ubuntu.run()
    assert result.returncode == 0, result.stderr
    sources = ubuntu.read("etc/apt/sources.list.d/docker.sources")
    for line in ("URIs: https://download.docker.com/linux/ubuntu", "Suites: noble", "Architectures: amd64",
                 "Signed-By: /etc/apt/keyrings/docker.asc"):
        assert line in sources.splitlines()
    assert "https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /" in ubuntu.read("etc/apt/sources.list.d/nvidia-container-toolkit.list")
    assert "docker.com" in ubuntu.read("etc/apt/keyrings/docker.asc")
    assert {"docker-ce", "docker-compose-plugin", "nvidia-container-toolkit"} <= set(ubuntu.played.get()["installed"])
    assert ubuntu.played.calls("systemctl", "enable", "--now", "docker") and ubuntu.played.calls("systemctl", "restart", "docker")
    assert "docker" in ubuntu.played.get()["groups"] and "done: Docker answers" in result.stdout
    ubuntu.played.forget()
    again = ubuntu.run()
    assert again.returncode == 0, again.stderr
    assert ubuntu.changes() == [] and "all was there: nothing was done" in again.stdout


def test_a_dry_run_changes_nothing_and_needs_no_root(ubuntu):
    ubuntu.played.set(uid=1000)
    result = ubuntu.run("--dry-run")
    assert result.returncode == 0, result.stderr
    assert ubuntu.changes() == [] and not (ubuntu.root / "etc/apt").exists()
    for words in ("would add the repository Docker's", DOCKER_KEY, "would add the repository NVIDIA's", NVIDIA_KEY,
                  "would run: env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker-ce",
                  "would run: systemctl enable --now docker", "would run: nvidia-ctk", "would run: usermod --append --groups docker maria"):
        assert words in result.stdout
    ubuntu.fails("root is needed")


def test_a_dry_run_can_be_had_anywhere(ubuntu):
    """Debian, no WSL, no systemd, no GPU, another Docker, nobody to use it, and no apt-get nor dpkg."""
    ubuntu.played.set(kernel="6.8.0-49-generic", installed=["docker.io"])
    ubuntu.write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
    (ubuntu.root / "run/systemd/system").rmdir()
    (ubuntu.root / "usr/lib/wsl/lib/libcuda.so.1").unlink()
    in_the_way = ["this is no WSL2", "this is debian", "there is no user 'old peter' here", "systemd is off", "Windows lends no NVIDIA GPU", "docker.io would be in Docker's way"]
    result = ubuntu.run("--dry-run", "--user", "old peter")
    assert result.returncode == 0, result.stderr
    for words in in_the_way:
        assert f"a run would end here: {words}" in result.stderr
    for command in ("apt-get", "dpkg", "dpkg-query", "systemctl", "docker"):
        (ubuntu.bench.commands / command).unlink()
    ubuntu.bench.without("apt-get", "dpkg", "dpkg-query", "systemctl", "docker")
    (ubuntu.root / "etc/os-release").unlink()
    result = ubuntu.run("--dry-run")
    assert result.returncode == 0, result.stderr
    for words in ("there is no command 'dpkg-query' here", "there is no command 'apt-get' here", "this is an unknown distribution"):
        assert f"a run would end here: {words}" in result.stderr
    assert "command not found" not in result.stderr
    assert "Suites: CODENAME; " in result.stdout and "Architectures: ARCHITECTURE; " in result.stdout
    assert "install -y --no-install-recommends docker-ce" in result.stdout and "would run: usermod --append --groups docker maria" in result.stdout
    assert ubuntu.changes() == [] and not (ubuntu.root / "etc/apt").exists() and not (ubuntu.root / "etc/wsl.conf").exists()


def test_without_a_gpu(ubuntu):
    (ubuntu.root / "usr/lib/wsl/lib/libcuda.so.1").unlink()
    ubuntu.fails("install NVIDIA's driver in Windows")
    assert ubuntu.changes() == []
    assert ubuntu.run("--no-gpu", "--user", "").returncode == 0
    assert "nvidia-container-toolkit" not in ubuntu.played.get()["installed"]
    assert ubuntu.played.calls("usermod") == [] and ubuntu.played.calls("nvidia-ctk") == []


@pytest.mark.parametrize(("kernel", "words"), [
    ("6.8.0-49-generic", "this is no WSL2"), ("4.4.0-19041-Microsoft", "this is WSL1"),
])
def test_another_machine_is_refused(ubuntu, kernel, words):
    ubuntu.played.set(kernel=kernel)
    ubuntu.fails(words)
    assert ubuntu.changes() == []


def test_the_first_kernels_of_wsl2_are_known(ubuntu):
    ubuntu.played.set(kernel="4.19.128-microsoft-standard")
    assert ubuntu.run("--dry-run").returncode == 0


def test_another_distribution_is_refused(ubuntu):
    ubuntu.write("etc/os-release", "ID=debian\n")
    ubuntu.fails("this is debian, and the script knows Ubuntu alone")
    (ubuntu.root / "etc/os-release").unlink()
    ubuntu.fails("an unknown distribution")


@pytest.mark.parametrize(("before", "after"), [
    (None, "\n[boot]\nsystemd=true\n"),
    ("[boot]\ncommand=x\n", "[boot]\nsystemd=true\ncommand=x\n"),
    ("[boot]\nsystemd = false\n[user]\ndefault=maria\n", "[boot]\nsystemd=true\n[user]\ndefault=maria\n"),
])
def test_systemd_that_is_off(ubuntu, before, after):
    (ubuntu.root / "run/systemd/system").rmdir()
    if before is not None:
        ubuntu.write("etc/wsl.conf", before)
    ubuntu.fails("systemd is off")
    assert "would" in ubuntu.run("--enable-systemd", "--dry-run").stdout
    assert (ubuntu.read("etc/wsl.conf") if before is not None else None) == before
    result = ubuntu.run("--enable-systemd")
    assert result.returncode == 0 and "wsl --shutdown" in result.stdout
    assert ubuntu.read("etc/wsl.conf") == after and ubuntu.changes() == []


def test_other_packagings_are_named_and_removed_on_demand(ubuntu):
    ubuntu.played.set(installed=["curl", "ca-certificates", "gpg", "docker.io", "runc"])
    ubuntu.fails("docker.io runc would be in Docker's way: --replace")
    assert ubuntu.changes() == []
    assert ubuntu.run("--replace").returncode == 0
    assert "docker.io" not in ubuntu.played.get()["installed"]


def test_docker_desktop_is_left_alone(ubuntu):
    desktop = ubuntu.bench.folder / "docker-desktop/docker"
    desktop.parent.mkdir()
    (ubuntu.bench.commands / "docker").rename(desktop)
    (ubuntu.bench.commands / "docker").symlink_to(desktop)
    ubuntu.fails("Docker Desktop lends its engine")
    assert ubuntu.changes() == []


@pytest.mark.parametrize("host", ["docker.com", "nvidia.github.io"])
def test_a_key_that_is_another_is_refused(ubuntu, host):
    ubuntu.played.set(keys={"docker.com": DOCKER_KEY, "nvidia.github.io": NVIDIA_KEY} | {host: "A" * 40})
    ubuntu.fails(f"has the fingerprint {'A' * 40}, not ")
    assert not (ubuntu.root / "etc/apt/keyrings" / ("docker.asc" if host == "docker.com" else "nvidia-container-toolkit.asc")).exists()
    assert "nvidia-container-toolkit" not in ubuntu.played.get()["installed"]


def test_no_network_is_named(ubuntu):
    ubuntu.played.set(network=False)
    ubuntu.fails("cannot fetch https://download.docker.com/linux/ubuntu/gpg: curl: (6) Could not resolve host")
    assert ubuntu.played.calls("apt-get") == []


@pytest.mark.parametrize(("step", "words"), [("update", "apt-get update failed"), ("install", "could not be installed")])
def test_apt_that_fails_is_named(ubuntu, step, words):
    ubuntu.played.set(apt_fails=step)
    ubuntu.fails(words)


def test_the_result_is_looked_at(ubuntu):
    ubuntu.played.set(docker_fails=True)
    ubuntu.fails("does not answer: Cannot connect")
    ubuntu.played.set(docker_fails=False, forgets=True)
    ubuntu.fails("does not know the runtime nvidia")


def test_an_unknown_user_is_named(ubuntu):
    ubuntu.fails("there is no user 'old peter' here", "--user", "old peter")


def test_what_is_no_ubuntu_lacks_its_commands(ubuntu):
    (ubuntu.bench.commands / "apt-get").unlink()
    ubuntu.bench.without("apt-get")
    ubuntu.fails("there is no command 'apt-get' here")
