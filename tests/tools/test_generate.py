"""Generated files: the committed ones are current, and the check refuses a file that is not."""

import pytest

from tools.generate import GENERATORS, ROOT, Generator, main, stale_files, write


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_generated_files_are_current(generator):
    assert [file.path for file in stale_files([generator], ROOT)] == [], "run: make generate"


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_generators_make_the_same_files_at_every_call(generator):
    first, second = generator.files(), generator.files()
    assert first and first == second


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_generate_check_refuses_changed_and_missing_files(generator, tmp_path, capsys):
    write(stale_files([generator], tmp_path), tmp_path)
    assert main(["--check"], [generator], tmp_path) == 0
    changed, *others = sorted(generator.files())
    file = tmp_path / changed
    file.write_text(file.read_text() + " ")
    for other in others:
        (tmp_path / other).unlink()
    assert main(["--check"], [generator], tmp_path) == 1
    said = capsys.readouterr().err
    assert f"{changed} is out of date (generator {generator.name})" in said and "run `make generate`" in said
    assert all(f"{other} is missing" in said for other in others)


@pytest.fixture
def numbers():
    """A generator of two files that owns their folder."""
    return Generator("numbers", lambda: {"made/one.txt": "1\n", "made/two.txt": "2\n"}, owned=("made/*",))


def test_generate_writes_stale_files_and_removes_leftover_ones(numbers, tmp_path, capsys):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/one.txt").write_text("1\n")
    (tmp_path / "made/three.txt").write_text("3\n")
    assert main([], [numbers], tmp_path) == 0
    assert capsys.readouterr().out == "wrote made/two.txt\nremoved made/three.txt\n"
    assert {file.name: file.read_text() for file in tmp_path.glob("made/*")} == {"one.txt": "1\n", "two.txt": "2\n"}
    assert main(["--check"], [numbers], tmp_path) == 0


def test_generate_check_refuses_leftover_files_and_writes_nothing(numbers, tmp_path, capsys):
    main([], [numbers], tmp_path)
    (tmp_path / "made/three.txt").write_text("3\n")
    (tmp_path / "made/one.txt").write_text("edited by hand\n")
    assert main(["--check"], [numbers], tmp_path) == 1
    said = capsys.readouterr().err
    assert "made/three.txt is left over (generator numbers)" in said and "2 generated file(s)" in said
    assert (tmp_path / "made/three.txt").exists() and (tmp_path / "made/one.txt").read_text() == "edited by hand\n"


def test_generate_check_refuses_other_line_endings(numbers, tmp_path):
    main([], [numbers], tmp_path)
    (tmp_path / "made/one.txt").write_bytes(b"1\r\n")
    assert main(["--check"], [numbers], tmp_path) == 1


def test_generate_with_a_name_runs_only_that_generator(numbers, tmp_path):
    other = Generator("letters", lambda: {"a.txt": "a\n"})
    assert main(["letters"], [numbers, other], tmp_path) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_generate_refuses_an_unknown_name(numbers, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["letters"], [numbers], tmp_path)
    assert "no generator is named letters; there are numbers" in capsys.readouterr().err


def test_generate_refuses_two_generators_of_one_file(numbers, tmp_path):
    with pytest.raises(ValueError, match="made/one.txt is made by two generators: numbers and again"):
        stale_files([numbers, Generator("again", lambda: {"made/one.txt": "1\n"})], tmp_path)


def test_make_targets_run_the_generators_and_their_check():
    makefile = (ROOT / "Makefile").read_text()
    assert "\tpython -m tools.generate\n" in makefile.replace("$(BIN)/", "")
    assert "\tpython -m tools.generate --check\n" in makefile.replace("$(BIN)/", "")
