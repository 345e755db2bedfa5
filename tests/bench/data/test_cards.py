from pathlib import Path

import pytest

from msabench.data.cards import DATASETS, match, read_card, resolve
from msabench.data.twin import make_twin
from msabench.errors import SpecError
from msabench.metrics import CONVENTIONS

OURS = {
    *("cherma", "demo", "meld", "meld-sentiment", "mosei", "mosei-video", "mosi"),
    *("mustard", "pom", "sims", "simsv2", "ur-funny"),
}


@pytest.fixture(autouse=True)
def no_datasets_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSABENCH_CARDS", str(tmp_path / "none.toml"))


def test_the_datasets_are_those_of_the_package() -> None:
    assert set(DATASETS) == OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_card_is_complete(name: str) -> None:
    card = DATASETS[name]
    assert card.name == name
    assert card.task.kind in CONVENTIONS[card.convention].tasks
    assert card.title and card.licence and card.how_to_get and card.citation["text"]
    assert card.embedded or "@" in card.citation["bibtex"]
    assert all(size > 0 for size in card.splits.values())
    assert all(variant.files for variant in card.variants.values())
    assert card.embedded or card.url.startswith("http")


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_readme_says_how_to_get_each_variant(name: str) -> None:
    card = DATASETS[name]
    text = (card.path.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}:{variant}`" in text for variant in card.variants)
    assert "data root" in text or card.embedded
    assert "How to get" in text or name in ("demo", "mosei-video", "sims")


@pytest.mark.parametrize("name", sorted(OURS))
def test_classes_are_named_and_numbered(name: str) -> None:
    card = DATASETS[name]
    if card.task.kind == "regression":
        assert not card.class_names
    else:
        assert card.task.label_range == (0.0, len(card.class_names) - 1)


def test_the_shapes_of_mmsa_files_are_all_stated() -> None:
    for card in DATASETS.values():
        for variant in card.variants.values():
            if variant.layout == "mmsa":
                assert min(*variant.text, *variant.audio, *variant.vision, variant.token_length) > 0


def test_downloads_go_where_a_variant_looks() -> None:
    offered = [
        (variant, each)
        for card in DATASETS.values()
        for variant in card.variants.values()
        for each in variant.download
    ]
    assert offered
    for variant, each in offered:
        assert any(each.file == place or each.file.startswith(f"{place}/") for place in variant.files)


@pytest.mark.parametrize("name", ["cherma", "mosi:misa", "mosi:mult", "pom"])
def test_what_has_no_twin_says_so(name: str) -> None:
    card, variant = resolve(name)
    assert not card.has_twin(variant)
    with pytest.raises(SpecError, match="has no twin"):
        make_twin(card, variant.name)


def test_simsv2_has_a_twin_with_unimodal_labels() -> None:
    made = make_twin(DATASETS["simsv2"], scale=0.01)
    assert made["train"]["vision"].shape[1:] == (232, 177)
    assert "regression_labels_T" in made["train"]


def test_the_official_sizes() -> None:
    sizes = {name: tuple(DATASETS[name].splits.values()) for name in DATASETS}
    assert sizes["mosi"] == (1284, 229, 686)
    assert sizes["simsv2"] == (2722, 647, 1034)
    assert sizes["mustard"] == (539, 68, 68)
    assert sizes["meld"] == sizes["meld-sentiment"] == (9989, 1109, 2610)
    assert sizes["pom"] == (600, 100, 203)
    assert sizes["mosei"] == (16326, 1871, 4659)
    assert sizes["sims"] == (1368, 456, 457)
    assert sizes["mosei-video"] == (629, 83, 176)
    assert DATASETS["sims"].task.label_range == (-1.0, 1.0)
    assert DATASETS["mosi"].variants["unaligned"].audio == (375, 5)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("mosi", ["mosi:unaligned"]),
        ("mosi:aligned", ["mosi:aligned"]),
        ("mosi:*align*", ["mosi:unaligned", "mosi:aligned", "mosi:mult-unaligned"]),
        ("meld*", ["meld:text", "meld-sentiment:text"]),
        ("mos*", ["mosei:unaligned", "mosei-video:video", "mosi:unaligned"]),
        ("MOSEI_video", ["mosei-video:video"]),
        ("*:aligned", ["mosei:aligned", "mosi:aligned"]),
    ],
)
def test_patterns(pattern: str, names: list[str]) -> None:
    assert match(pattern) == names


def test_all_leaves_out_the_embedded_dataset() -> None:
    real = OURS - {"demo"}
    assert {name.partition(":")[0] for name in match("all")} == real
    assert match("demo") == ["demo:unaligned"]


def test_all_twins_are_of_those_that_have_one() -> None:
    first = ["mosei:unaligned", "mosei-video:video", "mosi:unaligned", "mustard:hkt"]
    assert match("all", twin=True) == [*first, "sims:unaligned", "simsv2:unaligned", "ur-funny:hkt"]


def test_sizes_are_the_variants_own_where_it_states_them() -> None:
    card = DATASETS["mosi"]
    assert card.sizes(card.variant("aligned")) == card.splits
    assert card.sizes(card.variant("mag")) == {"train": 1281, "valid": 229, "test": 685}
    assert card.sizes(card.variant("misa")) == {}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("mosii", "unknown dataset 'mosii'; did you mean 'mosi'?"),
        ("mosi:alined", "unknown variant of mosi 'alined'; did you mean 'aligned'?"),
        ("zz*", "unknown dataset 'zz*'"),
        ("sims:z*", "unknown dataset 'sims:z*'"),
    ],
)
def test_unknown_names_get_the_nearest(pattern: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        match(pattern)
    assert words in str(caught.value)


def test_resolve_takes_the_default_variant() -> None:
    card, variant = resolve("sims")
    assert (card.name, variant.name, variant.vision) == ("sims", "unaligned", (55, 709))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('language = "en"', 'language = "fr"', "language = 'fr' is not one of en, zh"),
        ('default_variant = "unaligned"', 'default_variant = "magg"', "default_variant = 'magg'"),
        ("audio = [375, 5]", "audio = [375]", "must be [length, width]"),
        ("train = 1284", "training = 1284", "[splits] must name train, valid, test"),
        ('title = "CMU-MOSI"', 'titel = "CMU-MOSI"', "titel"),
        ("train = 1284", "train = 0", "[splits] must hold numbers of samples"),
        ('language = "en"', 'language = "en"\nmodalities = ["smell"]', "must be some of text, audio, vision"),
        ("[-3.0, 3.0]", '[-3.0, 3.0]\nclass_names = ["a"]', "class_names names 1 classes"),
        ('url = "https://www', 'url = "ftp://www', "does not begin with http"),
        ('file = "mosi/mosi.pkl"', 'file = "../mosi.pkl"', "must be a path below the data root"),
        ('layout = "mag"', 'layout = "magg"', "layout = 'magg' is not one of"),
        ("[splits]", "[sizes]", "sizes"),
        ("[task]", "[task", "cannot be read"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(DATASETS["mosi"].path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_card(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
