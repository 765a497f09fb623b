# SPDX-License-Identifier: BSD-2-Clause
"""deosctl against the control API with a made-up cluster behind it: every verb, every
ending, and what an upload survives. The API's own parser and hashes judge what comes."""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import socket
import subprocess
import threading

import pytest

from operate import client, commands, fabric, find, show, verbs
from operate.rigbed import BUILD, ROOT, Rig, deosctl, words_of
from operate.test_bundle import fill
from clusters.failure import Failure, Usage
from clusters.report import Report

ELF = BUILD / "libos" / "bin" / "hello"


@pytest.fixture(scope="module")
def shared():
    """One server for tests that leave nothing behind."""
    with Rig() as rig:
        yield rig


# ---- looking ----

def test_status_shows_states_with_their_reasons(shared):
    text = deosctl(shared, "status").stdout
    assert "3 voters, a majority of them answers" in text
    assert "address   10.1.1.100, held by node 10101010" in text
    assert "site      none yet" in text
    line = next(line for line in text.splitlines() if line.startswith("30303030"))
    assert "dead" in line and "it answered neither a ping nor the pings of others" in line


def test_json_is_the_answer_as_it_came(shared):
    told = json.loads(deosctl(shared, "--json", "status").stdout)
    assert told["formed"] and told["majority"] and told["alive"] == 2
    assert [node["life"] for node in told["nodes"]] == ["alive", "alive", "dead"]
    told = json.loads(deosctl(shared, "--json", "nodes").stdout)
    assert told["nodes"][0]["disk_bytes"] == 65536 * 4096
    assert json.loads(deosctl(shared, "--json", "jobs").stdout) == {"jobs": []}


def test_nodes_shows_sizes_in_units(shared):
    text = deosctl(shared, "nodes").stdout
    line = next(line for line in text.splitlines() if line.startswith("10101010"))
    assert "32.0 MiB" in line and "234.4 MiB of 256.0 MiB" in line and "1 min" in line
    assert "self voter holder coordinator" in line


def test_logs_are_shown_without_control_bytes(shared):
    text = deosctl(shared, "logs", "1010").stdout
    assert 'two "quoted" ??' in text and "three ü" in text
    assert "\x01" not in text and "the node is dead" in text
    told = json.loads(deosctl(shared, "--json", "logs", "1010", "--lines", 2).stdout)
    raw = told["logs"][0]["text"].encode("utf-8", "surrogateescape")
    assert raw == b'two "quoted" \x01\xff\nthree \xc3\xbc\n'


def test_events_of_all_nodes_in_order(shared):
    lines = deosctl(shared, "events").stdout.splitlines()
    assert len(lines) == 6  # three of each node that lives
    assert lines == sorted(lines, key=lambda line: line[:10])
    assert "alive -> dead: it was suspect and did not answer in time" in lines[-1]
    assert len(deosctl(shared, "events", "2020").stdout.splitlines()) == 3
    assert len(deosctl(shared, "events", "2020", "--since", 2).stdout.splitlines()) == 1


def test_caps(shared):
    lines = deosctl(shared, "caps", "10.1.1.11").stdout.splitlines()
    assert lines[0].split() == ["PROGRAM", "ENV", "SLOT", "TYPE", "RIGHTS", "BASE", "COUNT",
                                "DEPTH", "CHILDREN"]
    assert lines[1].split() == ["agent", "3", "4", "blocks", "rw---", "8", "65528", "1", "2"]


def test_links_of_one_node_and_of_all(shared):
    lines = deosctl(shared, "links", "10.1.1.11").stdout.splitlines()
    assert lines[0].split()[:5] == ["NODE", "PEER", "STATE", "SESSION", "RTT"]
    assert lines[1].split() == ["20202020", "20202020", "up", "1", "123", "1", "of", "16", "8",
                                "1514", "100", "90", "2", "3", "4", "1", "1", "0"]
    assert lines[2].split()[2] == "lapsed" and len(lines) == 3
    told = json.loads(deosctl(shared, "--json", "links").stdout)
    assert [node["node"][:4] for node in told["nodes"]] == ["1010", "2020"]  # one is dead
    assert told["nodes"][0]["links"][1]["lapses"] == 1


def test_fabric_shows_reasons_and_capabilities(shared):
    text = deosctl(shared, "fabric", "1010").stdout
    assert "200 received, 193 accepted" in text and "READ 40" not in text
    assert re.search(r"^ +7 +link +length +its length disagrees", text, re.M)
    assert re.search(r"^ +1 +rcap +buffer +not sent: no transmit buffer", text, re.M)
    assert re.search(r"^ +2 +host +long ", text, re.M)
    assert re.search(r"^ +3 +rcap +range +outside the range", text, re.M)
    assert "for peers   read 40" in text
    lent, held = (next(line.split() for line in text.splitlines() if f" {kind} " in line)
                  for kind in ("frames", "blocks"))
    assert lent == ["3", "frames", "r--", "20202020", "9", "4", "40", "10", "B", "160.0", "KiB",
                    "3", "<", "16", "us", "<", "64", "us"]
    assert held[:6] == ["5", "blocks", "rw-", "30303030", "9", "2"]
    assert "< 128 us" in text and "< 512 us" in text
    told = json.loads(deosctl(shared, "--json", "fabric", "1010").stdout)["nodes"][0]
    assert told["received"] == told["accepted"] + sum(
        one["count"] for one in told["drops"] if one["layer"] == "link")


def test_a_crowd_is_shown_whole():
    """A thousand peers, hundreds of capabilities: more than an answer holds, so in pages."""
    with Rig("many=1022") as rig:
        lines = deosctl(rig, "links", "1010").stdout.splitlines()
        assert len({line.split()[1] for line in lines[1:]}) == 1022 == len(lines) - 1
        told = json.loads(deosctl(rig, "--json", "fabric", "1010").stdout)["nodes"][0]
        assert [link["index"] for link in told["links"]] == list(range(1022))
        assert [one["slot"] for one in told["exports"]] == [3, *range(6, 1022)]
        assert [one["index"] for one in told["held"]] == list(range(512))
        assert not told["truncated"] and "not all" not in deosctl(rig, "fabric", "1010").stdout
        lines = deosctl(rig, "caps", "1010").stdout.splitlines()
        assert [int(line.split()[2]) for line in lines[1:]] == list(range(4, 1026))
        values, _ = metrics_of(deosctl(rig, "metrics").stdout)
        for name, count in (("link_up", 1022), ("export_denials_total", 1017),
                            ("held_latency_seconds_count", 512)):
            assert sum(key.startswith(f"deos_{name}{{") for key in values) == count


def test_what_is_cut_is_said(monkeypatch):
    monkeypatch.setattr(client, "PAGES_MAX", 1)
    with Rig("many=1022") as rig:
        known = client.Client("127.0.0.1", rig.port)
        told = known.whole("fabric", "1010", "links")
        assert 203 < len(told["links"]) < 1022 and told["truncated"]
        assert show.CUT in fabric.node_text(told)


def test_a_trace_is_written_and_shown(shared, tmp_path):
    path = tmp_path / "trace"
    said = deosctl(shared, "trace", path, "1010").stdout
    assert said.startswith(f"{path}: 6 events of 1 node")
    done = subprocess.run([ROOT / "harness" / "trace", path], capture_output=True, text=True,
                          check=True)
    assert [line.split()[2] for line in done.stdout.splitlines()] == [
        "boot", "peer", "session", "in", "ran", "out"]
    assert "REQUEST 7 READ slot 3" in done.stdout and "RESPONSE 7 DONE, 8 bytes" in done.stdout
    assert "No such file" in deosctl(shared, "trace", tmp_path / "no" / "f", status=1).stderr


def test_metrics_are_what_prometheus_reads(shared):
    text = deosctl(shared, "metrics").stdout
    values, types = metrics_of(text)
    assert values['deos_fabric_dropped_total{layer="link",reason="length"}'] == 7
    uuid = "20202020-2020-2020-2020-202020202020"
    assert values[f'deos_link_rtt_seconds{{peer="{uuid}"}}'] == 0.000123
    assert values['deos_memory_free_bytes'] == 32 << 20
    assert types["deos_held_latency_seconds"] == "histogram"
    labels = 'index="5",peer="30303030-3030-3030-3030-303030303030",environment="9",type="blocks"'
    bucket = f"deos_held_latency_seconds_bucket{{{labels},le="
    assert values[bucket + '"0.000064"}'] == 0 and values[bucket + '"0.000128"}'] == 2
    assert values[bucket + '"0.000512"}'] == 3 == values[bucket + '"+Inf"}']
    assert values[f"deos_held_latency_seconds_count{{{labels}}}"] == 3


def metrics_of(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Samples and types; the format's rules are asserted on the way."""
    values: dict[str, float] = {}
    types: dict[str, str] = {}
    family = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            assert family not in types, "a family's lines stand together"
            types[family] = kind
        elif not line.startswith("# HELP "):
            found = re.fullmatch(r"(([a-z_]+)(\{([a-z]+=\"[^\"]*\",?)+\})?) ([0-9.]+)", line)
            assert found, line
            name = found[2]
            if types[family] == "histogram":
                name = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name == family and found[1] not in values, line
            values[found[1]] = float(found[5])
    return values, types


def test_what_is_asked_of_nobody(shared):
    for words in (("logs", "nobody"), ("caps", "4444"), ("events", "4444"), ("links", "4444"),
                  ("fabric", "4444"), ("trace", "/dev/null", "4444")):
        assert "no such job or node" in deosctl(shared, *words, status=1).stderr


# ---- jobs ----

def test_a_job_from_beginning_to_end():
    with Rig() as rig:
        done = deosctl(rig, "deploy", "job", ELF, "--count", 2, "--memory", "1M", "--port", 81,
                       "--slices", 2, "--", "a", "b=c")
        assert done.stdout.startswith("deployed job hello (")
        job = json.loads(deosctl(rig, "--json", "jobs").stdout)["jobs"][0]
        assert (job["name"], job["count"], job["port"], job["memory_bytes"], job["slices"],
                job["arguments"]) == ("hello", 2, 81, 1 << 20, 2, "a b=c")
        assert job["image"]["bytes"] == ELF.stat().st_size
        assert "2 of 2" in deosctl(rig, "jobs").stdout
        deosctl(rig, "scale", "hello", "every")
        assert json.loads(deosctl(rig, "--json", "jobs").stdout)["jobs"][0]["count"] == "every"
        deosctl(rig, "remove", "hello")
        assert deosctl(rig, "jobs").stdout.startswith("no jobs")
        assert "no job of that name" in deosctl(rig, "remove", "hello", status=1).stderr
        assert "no job of that name" in deosctl(rig, "scale", "hello", 3, status=1).stderr


def test_a_job_without_a_place_says_why():
    with Rig() as rig:
        deosctl(rig, "deploy", "job", ELF, "--memory", "8G")
        line = deosctl(rig, "jobs").stdout.splitlines()[1]
        assert "waiting" in line and "no live node has enough frames left" in line
        assert "0 of 1" in line


def test_what_is_no_program_is_not_sent(shared, tmp_path):
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    assert "no ELF program" in deosctl(shared, "deploy", "job", text, status=1).stderr
    assert "No such file" in deosctl(shared, "deploy", "job", tmp_path / "none", status=1).stderr
    assert "Is a directory" in deosctl(shared, "deploy", "job", tmp_path, "--name", "x",
                                       status=1).stderr
    assert not any(line.startswith("job") for line in shared.lines)


# ---- sites ----

def test_a_site_is_deployed_and_the_web_server_first(tmp_path):
    files = fill(tmp_path)
    with Rig() as rig:
        done = deosctl(rig, "deploy", "site", tmp_path)
        assert "deployed web on every node, port 80" in done.stderr
        assert done.stdout.startswith(f"deployed {len(files)} files, ")
        assert done.stdout.rstrip().endswith("the site's generation 1")
        size = sum(map(len, files.values()))
        assert rig.wait_line("site") == f"site {len(files)} files {size} bytes"
        job = json.loads(deosctl(rig, "--json", "jobs").stdout)["jobs"][0]
        assert (job["name"], job["count"], job["port"]) == ("web", "every", 80)
        again = json.loads(deosctl(rig, "--json", "deploy", "site", tmp_path).stdout)
        assert (again["generation"], again["files"], again["bytes"]) == (2, len(files), size)
        assert [line for line in rig.lines if line.startswith("job")] == [
            f"job web {(BUILD / 'libos/bin/web').stat().st_size} bytes"]


def test_links_are_followed_inside_and_refused_outside(shared, tmp_path):
    folder, outside = tmp_path / "site", tmp_path / "secret"
    folder.mkdir()
    outside.write_text("secret")
    (folder / "a").write_text("a")
    (folder / "b").symlink_to("a")
    assert "deployed 2 files" in deosctl(shared, "deploy", "site", folder).stdout
    (folder / "c").symlink_to(outside)
    error = deosctl(shared, "deploy", "site", folder, status=1).stderr
    assert f"{folder}/c: a symbolic link that leads out of the site" in error
    assert "no such directory" in deosctl(shared, "deploy", "site", tmp_path / "none",
                                          status=1).stderr


def test_a_cluster_without_majority_takes_no_changes(tmp_path):
    fill(tmp_path)
    for word, why in (("no-majority", "too few voters answer"),
                      ("no-record", "have not agreed on a record yet")):
        with Rig(word) as rig:
            error = deosctl(rig, "deploy", "site", tmp_path, status=1).stderr
            assert "takes no changes now" in error and why in error
            assert why in deosctl(rig, "status").stdout
            assert "begun" not in rig.lines


def test_full_disks_are_told_while_the_upload_is_on_its_way(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(64 << 20)
    with Rig("room=1000000") as rig:
        error = deosctl(rig, "deploy", "site", tmp_path, status=1).stderr
        assert error.splitlines()[-1] == "deosctl: the disks have too little room"
        assert not any(line.startswith("site") for line in rig.lines)


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGINT])
def test_a_deployment_that_is_broken_off_leaves_the_old_site(tmp_path, with_signal):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.html").write_text("old")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "large").write_bytes(bytes(8 << 20))
    with Rig("rate=2000000") as rig:
        deosctl(rig, "deploy", "site", tmp_path / "one")
        rig.lines.clear()
        with subprocess.Popen(words_of(rig, ("deploy", "site", tmp_path / "two")),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            rig.wait_line("begun")
            process.send_signal(with_signal)
            assert b"Traceback" not in process.communicate(timeout=30)[0]
            assert process.returncode == -with_signal
        rig.wait_line("aborted")
        told = json.loads(deosctl(rig, "--json", "status").stdout)
        assert (told["site"]["generation"], told["site"]["files"]) == (1, 1)
        assert "generation 2" in deosctl(rig, "deploy", "site", tmp_path / "one").stdout


def test_a_second_deployment_waits_for_the_first(tmp_path):
    (tmp_path / "f").write_bytes(bytes(3 << 20))
    with Rig("rate=1000000") as rig:
        deosctl(rig, "deploy", "job", BUILD / "libos/bin/web", "--name", "web")
        rig.lines.clear()
        with subprocess.Popen(words_of(rig, ("deploy", "site", tmp_path)),
                              stdout=subprocess.DEVNULL) as first:
            rig.wait_line("begun")
            done = deosctl(rig, "deploy", "site", tmp_path)
            assert "another deployment is under way" in done.stderr
            assert first.wait(30) == 0
        assert json.loads(deosctl(rig, "--json", "status").stdout)["site"]["generation"] == 2


def test_progress_is_a_line_now_and_then_when_piped(monkeypatch):
    clock, said = [0.0], io.StringIO()
    monkeypatch.setattr(verbs.time, "monotonic", lambda: clock[0])
    progress = verbs.Progress(Report(said, io.StringIO(), "deosctl"), 4 << 20)
    for _ in progress.follow(iter([bytes(1 << 20)] * 4)):
        clock[0] += 3.0
    assert said.getvalue().splitlines() == [
        "deosctl: 2.0 MiB of 4.0 MiB (50%), 341.3 KiB/s",
        "deosctl: 4.0 MiB of 4.0 MiB (100%), 341.3 KiB/s"]


# ---- endings ----

WRONG = [
    (), ("nonsense",), ("status", "x"), ("deploy",), ("deploy", "site"), ("deploy", "x"),
    ("scale", "web"), ("scale", "web", "0"), ("scale", "web", "65"), ("scale", "web", "-1"),
    ("scale", "Web", "1"), ("remove",), ("remove", "a b"), ("logs",), ("logs", ""),
    ("logs", "x", "--lines", "0"), ("events", "--since", "x"), ("caps",), ("drain", "x"),
    ("undrain", "x"), ("why", "x"), ("top",), ("metrics", "x"), ("trace",), ("status", "--", "x"),
    ("deploy", "job", "Hello.elf"), ("deploy", "job", "hello", "--port", "0"),
    ("deploy", "job", "hello", "--memory", "x"), ("deploy", "job", "hello", "--memory", "1"[:0]),
    ("deploy", "job", "hello", "--slices", "0"), ("deploy", "job", "hello", "--name", "9"),
]


def test_wrong_commands_are_usage_errors(shared, monkeypatch, capsys):
    for words in WRONG:
        monkeypatch.setattr("sys.argv", ["deosctl", "--cluster", shared.url, *words])
        assert commands.main() == 2, words
        said = capsys.readouterr()
        assert said.err.startswith("deosctl: ") and said.err.count("\n") == 1, words
        assert said.out == ""
    deosctl(shared, "nonsense", status=2)


def test_arguments_are_words(shared):
    for word in ("a b", "", "a\nb", "ü"):
        with pytest.raises(Usage, match="plain words without blanks"):
            commands.run(["--cluster", shared.url, "deploy", "job", str(ELF), "--", word])


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999", "http://x/path", "::",
                                 "http://x:port", "http://[::1"])
def test_wrong_urls_are_usage_errors(url):
    with pytest.raises(Usage, match="--cluster is http://HOST"):
        find.client_of(url)


def test_help_says_what_there_is():
    text = deosctl(None, "--help").stdout
    for verb in ("status", "nodes", "jobs", "deploy", "scale", "remove", "logs", "events", "caps",
                 "links", "fabric", "trace", "metrics"):
        assert f"    {verb}" in text
    for verb in ("drain", "why", "top"):
        assert f"    {verb}" not in text
    assert "--memory SIZE" in deosctl(None, "deploy", "job", "--help").stdout


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        error = deosctl(None, "--cluster", url, "status", status=1).stderr
    assert "Connection refused: is the cluster up?" in error
    error = deosctl(None, "--cluster", "http://no.such.host.invalid", "status", status=1).stderr
    assert "no such host" in error


def test_somebody_who_never_answers(monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:  # connections wait in its queue
        with pytest.raises(Failure, match="did not answer in time"):
            client.Client("127.0.0.1", server.getsockname()[1]).get("status")


def test_an_upload_that_nobody_takes(monkeypatch):
    monkeypatch.setattr(client, "UPLOAD_SECONDS", 0.05)
    upload = client.Upload(1 << 26, [bytes(1 << 20)] * 64)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Failure, match="did not answer in time"):
            client.Client("127.0.0.1", server.getsockname()[1]).request(
                "PUT", ("site",), None, upload)


def test_no_cluster_runs_here(tmp_path):
    error = deosctl(None, "--state", tmp_path / "none", "status", status=1).stderr
    assert "no cluster is up" in error and "--cluster URL" in error


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\nhi",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"])
def test_somebody_else_there(answer, monkeypatch):
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            with contextlib.suppress(OSError):  # nobody comes any more
                for _ in range(3):
                    link, _ = server.accept()
                    with link:
                        link.recv(4096)
                        link.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(Failure):
            client.Client("127.0.0.1", server.getsockname()[1]).get("status")


def test_the_reader_of_our_lines_may_go(shared):
    done = subprocess.run(f"'{words_of(shared, ())[0]}' --cluster {shared.url} nodes | true",
                          shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


# ---- tables ----

def test_tables_are_aligned_and_quiet():
    rows = [("x", "1.5 KiB", None), ("\x1b[2Jlonger", "12 B", "no\n")]
    assert show.table(("A", "SIZE", "WHY"), rows) == ("A              SIZE  WHY\n"
                                                      "x           1.5 KiB  -\n"
                                                      "?[2Jlonger     12 B  no")
    assert [show.size(n) for n in (0, 1023, 1024, 5 << 30, 1 << 50, None)] == [
        "0 B", "1023 B", "1.0 KiB", "5.0 GiB", "1024.0 TiB", "-"]
    assert [show.span(s) for s in (0, 59, 60, 3600, 90000)] == [
        "0 s", "59 s", "1 min", "1 h 0 min", "1 d 1 h"]
