"""quadrate healthcheck in surroundings that could mislead it."""

import subprocess

from conftest import ROOT

# Of no machine (RFC 5737).
NOWHERE = "192.0.2.1"


def test_a_proxy_of_the_environment_does_not_answer_for_the_server(web, tmp_path):
    web.answer = lambda *_: (200, ['{"status":"ready"}'])
    config = tmp_path / "server.yaml"
    config.write_text('files: {routing: "", auth: "", rate_limits: ""}\nmodels: [{name: a, path: a, tasks: [embed]}]\n')
    env = {"QUADRATE_SERVER_HOST": NOWHERE, "http_proxy": web.url, "HTTP_PROXY": web.url}
    done = subprocess.run([ROOT / "bin/quadrate", "healthcheck", "-config", config], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and NOWHERE in done.stderr and web.seen == []
