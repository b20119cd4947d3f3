import pytest

from reszoo import training
from reszoo.core.errors import ReszooError, UsageError
from reszoo.training.schedule import check_sizes, image_size, learning_rate


@pytest.mark.parametrize("name", training.names())
def test_our_recipes_are_named_as_their_files(name):
    assert training.load(name).name == name


def test_values_given_as_text_get_the_type_of_their_field():
    recipe = training.override(
        training.load("cifar"),
        {"epochs": "30", "lr": "0.05", "flip": "false", "schedule": "step", "milestones": "0.5,0.75"},
    )
    assert (recipe.epochs, recipe.lr, recipe.flip, recipe.milestones) == (30, 0.05, False, (0.5, 0.75))
    assert recipe.weight_decay == training.load("cifar").weight_decay


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epoch": "30"}, ("unknown recipe field 'epoch'", "Did you mean epochs")),
        ({"epochs": "many"}, ("epochs=many", "Expected `int`")),
        ({"epochs": "0"}, ("epochs=0", ">= 1")),
        ({"optimizer": "adam"}, ("optimizer=adam", "Invalid enum value")),
        ({"schedule": "step"}, ("milestones", "only step has them")),
        ({"select": "best"}, ('train_on = "train"', "val is not trained on")),
        ({"momentum": "0"}, ("nesterov needs a momentum",)),
        ({"lookahead": "5", "ema_decay": "0.9"}, ("two averages of the weights",)),
        ({"alternating_flip": "true", "flip": "false"}, ("alternating_flip needs flip",)),
        ({"cutmix": "inf"}, ("cutmix=inf", "Give a finite number")),
        ({"lr": "nan"}, ("lr", "nan")),
        ({"threads": "100000"}, ("threads=100000", "are the most here")),
    ],
)
def test_wrong_values_are_refused(changes, says):
    with pytest.raises(UsageError) as caught:
        training.override(training.load("cifar"), changes)
    for text in says:
        assert text in str(caught.value)


def test_a_recipe_of_the_users(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\nname = "mine"\nsummary = ""\nepochs = 2\nbatch = 8\nlr = 0.1\n')
    assert training.load(str(path)).epochs == 2
    path.write_text(path.read_text().replace("lr = 0.1", 'lr = "high"'))
    with pytest.raises(ReszooError, match=r"mine\.toml.*lr"):
        training.load(str(path))
    with pytest.raises(UsageError, match="Did you mean cifar"):
        training.load("cifra")
    with pytest.raises(ReszooError, match=r"missing\.toml does not exist\nCompare it with"):
        training.load(tmp_path / "missing.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ReszooError, match=r"folder\.toml cannot be read: it is no file"):
        training.load(tmp_path / "folder.toml")
    path.write_text(path.read_text().replace('lr = "high"', "lr = inf"))
    with pytest.raises(UsageError, match="`lr=inf` is not possible"):
        training.load(path)


def test_he2015_is_the_papers_schedule_to_the_letter():
    paper = training.load("cifar-he2015")
    assert (paper.steps, paper.batch, paper.weight_decay, paper.nesterov) == (64_000, 128, 1e-4, False)
    assert paper.epochs * (45_000 // 128) >= 64_000

    def at(step, recipe=paper):
        return learning_rate(recipe, step, 64_000)

    assert [at(0), at(31_999), at(32_000), at(47_999), at(48_000), at(63_999)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )
    for_110_layers = training.override(paper, {"warmup": "0.00625"})
    assert [at(0, for_110_layers), at(399, for_110_layers), at(400, for_110_layers)] == pytest.approx([0.01, 0.01, 0.1])


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_rate_rises_once_and_falls_to_nearly_nothing(schedule):
    recipe = training.override(training.load("cifar-fast"), {"schedule": schedule, "warmup": "0.1"})
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.lr * recipe.warmup_factor)
    assert max(rates) == rates[100] == pytest.approx(recipe.lr)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert 0 < rates[-1] < 0.002 * recipe.lr


def test_images_grow_an_eighth_at_a_time():
    growing = training.override(training.load("cifar"), {"initial_scale": "0.5", "epochs": "40"})
    sides = [image_size((32, 48), growing, epoch, 10) for epoch in range(40)]
    assert sides[0] == (16, 24)
    assert sorted(set(sides)) == [(16, 24), (20, 30), (24, 36), (28, 42), (32, 48)]
    assert sides == sorted(sides)
    assert sides[29] < sides[30] == (32, 48) or sides[29] == (32, 48)
    assert {image_size((32, 48), training.load("cifar"), epoch, 10) for epoch in range(200)} == {(32, 48)}
    tiny = training.override(growing, {"initial_scale": "0.01"})
    assert image_size((32, 48), tiny, 0, 10) == (4, 6)
    cut = training.override(growing, {"steps": "200"})  # half of the epochs
    assert [image_size((32, 48), cut, epoch, 10) for epoch in (0, 15)] == [(16, 24), (32, 48)]


@pytest.mark.parametrize(("changes", "needed"), [({}, 44), ({"ema_decay": "0.99"}, 459), ({"lookahead": "5"}, 90)])
def test_a_run_that_would_end_with_the_statistics_of_small_images_is_refused(changes, needed):
    growing = training.override(training.load("cifar"), {"initial_scale": "0.5", "epochs": "4", **changes})
    check_sizes(growing, needed)  # the last of four epochs
    with pytest.raises(UsageError, match=rf"leaves {needed - 1} of {4 * (needed - 1)} steps .* which need {needed}"):
        check_sizes(growing, needed - 1)
    check_sizes(training.override(growing, {"initial_scale": "0"}), 1)
