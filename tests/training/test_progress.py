import io
import time

from rich.console import Console

from reszoo import training
from reszoo.training import progress
from reszoo.training.progress import Display, Epoch, Lines

ROW = Epoch(epoch=2, step=8, lr=0.05, loss=1.5, accuracy=0.5, val_accuracy=0.25, images_per_s=1234.5, seconds=2.0)


def follow(watcher):
    watcher.began(steps=8, done=4)
    for step in range(5, 9):
        watcher.stepped(step, loss=1.25)
    watcher.epoch_ended(ROW)
    watcher.ended()


def test_a_terminal_shows_the_loss_as_it_falls():
    shown = io.StringIO()
    follow(Display(training.load("digits"), Console(file=shown, force_terminal=True, highlight=False, width=120)))
    text = shown.getvalue()
    assert "loss 1.2500" in text
    assert "epoch   2  loss 1.5000  accuracy 0.5000  val 0.2500  lr 0.05000  1,234 images/s" in text


def test_a_log_gets_a_line_an_epoch(capsys):
    follow(Lines())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["going on from step 4 of 8", str(ROW)]


def test_a_log_in_which_nothing_appears_gets_a_line_of_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE_S", 0.05)
    lines = Lines()

    def wait_for(line):
        """However long a step takes, there is a line."""
        until = time.monotonic() + 60
        while line not in capsys.readouterr().err.splitlines():
            assert time.monotonic() < until
            time.sleep(0.01)

    lines.began(steps=8, done=0)
    wait_for("step 0 of 8")
    lines.stepped(5, loss=1.25)
    wait_for("step 5 of 8  loss 1.2500")
    wait_for("step 5 of 8  loss 1.2500")
    lines.ended()
    time.sleep(0.02)
    capsys.readouterr()
    time.sleep(0.12)
    assert capsys.readouterr().err == ""
