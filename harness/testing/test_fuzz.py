# SPDX-License-Identifier: BSD-2-Clause
"""What `make fuzz` takes from the head of a target's source."""

from __future__ import annotations

import fuzz


def test_words_become_a_dictionary():
    """Escapes as in C, \\s for a blank; libFuzzer's file has what is no letter in hex."""
    words = fuzz.named("// words: GET\\s/a ip=\n// words: \\r\\n \"\nint words;\n", "words")
    assert words == ["GET\\s/a", "ip=", "\\r\\n", '"']
    assert fuzz.dictionary(words).splitlines() == [
        '"GET\\x20\\x2fa"', '"ip\\x3d"', '"\\x0d\\x0a"', '"\\x22"']


def test_hints_of_a_target(tmp_path, monkeypatch):
    """Its words are an option; seeds and lines go into the corpus, but for what is large."""
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    build = tmp_path / "build"
    for folder in (tmp_path / "room", build / "fuzz/room/x.corpus", build / "made"):
        folder.mkdir(parents=True)
    (tmp_path / "room/x_fuzz.c").write_text("// seeds: made/*.o\n// words: ab\n"
                                        "// lines: room/x.golden\n")
    (tmp_path / "room/x.golden").write_text("# two\n\n01 02 # the first\nff\n")
    (build / "made/one.o").write_bytes(b"1")
    (build / "made/large.o").write_bytes(bytes(fuzz.SEED_BYTES + 1))
    (build / "made/other").write_bytes(b"2")
    program, corpus = build / "fuzz/room/x_fuzz", build / "fuzz/room/x.corpus"
    option = fuzz.hints(program, corpus)
    assert option == [f"-dict={program}.words"]
    assert (build / "fuzz/room/x_fuzz.words").read_text() == '"ab"\n'
    assert {path.name: path.read_bytes() for path in corpus.iterdir()} == {
        "one.o": b"1", "x.golden.1": b"\x01\x02", "x.golden.2": b"\xff"}
    (tmp_path / "room/x_fuzz.c").write_text("int x;\n")
    assert fuzz.hints(program, corpus) == []
