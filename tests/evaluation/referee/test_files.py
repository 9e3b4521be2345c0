"""Files are matched to clips by name, whatever the zeros; by number only where no name matches."""

from pathlib import Path

import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.referee.files import files_in_folder, matched

SUFFIXES = (".npy", ".csv")


def matches(folder: Path, clips: list[str], allow_partial: bool = False) -> tuple[dict[str, str], bool, list[str]]:
    """Names of the files by clip, whether they went by number, and the recorded defects."""
    defects = Defects(allow_partial)
    named = files_in_folder(folder, SUFFIXES, nested=any("/" in clip for clip in clips))
    found = matched(folder, named, "made", clips, defects)
    files = {clip: path.relative_to(folder).as_posix() for clip, (_, path) in found.of.items()}
    return files, found.by_number, defects.messages


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_names_go_before_numbers_and_zeros_do_not_matter(tmp_path: Path) -> None:
    touch(tmp_path, "1_14.npy", "01_0015.csv", "notes.md", ".01_0016.npy", "maps/01_0014.npy", "old/01_0014.npy")
    assert matches(tmp_path, ["01_0014", "01_0015"]) == (
        {"01_0014": "1_14.npy", "01_0015": "01_0015.csv"},
        False,
        [],
    )


def test_clips_that_differ_in_zeros_alone_need_their_exact_names(tmp_path: Path) -> None:
    touch(tmp_path, "1.npy", "01.npy")
    assert matches(tmp_path, ["1", "01"])[0] == {"1": "1.npy", "01": "01.npy"}


def test_clips_of_scenes_have_folders(tmp_path: Path) -> None:
    touch(tmp_path, "hall/noon.npy", "yard/noon.npy", "maps/hall/noon.npy")
    assert matches(tmp_path, ["hall/noon", "yard/noon"])[0] == {
        "hall/noon": "hall/noon.npy",
        "yard/noon": "yard/noon.npy",
    }


def test_where_no_name_matches_the_order_of_the_numbers_counts(tmp_path: Path) -> None:
    touch(tmp_path, *(f"video_{number}.npy" for number in (10, 9, 2)))
    assert matches(tmp_path, ["01_0014", "01_0015", "02_0001"]) == (
        {"01_0014": "video_2.npy", "01_0015": "video_9.npy", "02_0001": "video_10.npy"},
        True,
        [],
    )


def test_what_has_no_partner_is_told_where_that_is_allowed(tmp_path: Path) -> None:
    touch(tmp_path, "01.npy", "04.npy")
    assert matches(tmp_path, ["01", "02", "03"], allow_partial=True) == (
        {"01": "01.npy"},
        False,
        [
            f"{tmp_path}/04.npy: no clip of made has the name '04'; it is not read",
            f"{tmp_path}: nothing for 2 of 3 clips, first '02'; they are left out",
        ],
    )


def test_only_clips_that_need_a_file_lack_one(tmp_path: Path) -> None:
    named = [("02", tmp_path / "02.npy")]
    found = matched(tmp_path, named, "made", ["01", "02", "03"], Defects(False), needed={"02"})
    assert list(found.of) == ["02"]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (("a.md",), "{folder}: no file in it that ends in .npy or .csv; give the folder with one file for each clip"),
        (
            ("01.npy",),
            "{folder}: nothing for 1 of 2 clips, first '02'; "
            "add what lacks, or leave out these clips with --allow-partial",
        ),
        (
            ("01.npy", "02.npy", "03.npy"),
            "{folder}/03.npy: no clip of made has the name '03'; remove it, or name it as the clip, as '01'",
        ),
        (
            ("01.csv", "01.npy", "02.npy"),
            "{folder}/01.npy: a second file of the clip '01'; keep it or {folder}/01.csv",
        ),
        (("1.npy", "01.npy", "02.npy"), "{folder}/1.npy: a second file of the clip '01'; keep it or {folder}/01.npy"),
        (
            ("a3.npy", "a4.npy", "a5.npy"),
            "{folder}: scores of 3 for 2 clips, and nothing has the name of a clip of made, such as '01'; "
            "name it as the clip",
        ),
        (
            ("day.npy", "night.npy"),
            "{folder}/day.npy: nothing has the name of a clip of made, such as '01', and 'day' has no number to "
            "order it by; name it as the clip",
        ),
        (("a3.npy", "a3.csv"), "{folder}/a3.npy: a second file with this number; keep it or {folder}/a3.csv"),
    ],
)
def test_what_cannot_be_matched_is_refused(tmp_path: Path, files: tuple[str, ...], complaint: str) -> None:
    touch(tmp_path, *files)
    with pytest.raises(DatasetError) as refusal:
        matches(tmp_path, ["01", "02"])
    assert str(refusal.value) == complaint.format(folder=tmp_path)


@pytest.mark.parametrize("clips", [["01"], ["hall/01"]])
def test_a_folder_that_is_none_is_refused(tmp_path: Path, clips: list[str]) -> None:
    touch(tmp_path, "file.npy")
    for place, found in (
        (tmp_path / "nowhere", "it can't be read as a folder (no such file or directory)"),
        (tmp_path / "file.npy", "a file, not a folder"),
    ):
        with pytest.raises(DatasetError) as refusal:
            matches(place, clips)
        assert str(refusal.value) == f"{place}: {found}; give the folder with one file for each clip"
