"""Shell completion, as bash does it and as zsh and fish ask for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("reszoo")
BASH = """
eval "$(_RESZOO_COMPLETE=source_bash reszoo)"
complete -p reszoo
COMP_WORDS=(reszoo "$@") COMP_CWORD=$#
_reszoo_completion reszoo
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words: str) -> list[str]:
    path = os.pathsep.join([str(PROGRAM.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", *words], capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    first, *found = done.stdout.splitlines()
    assert "_reszoo_completion" in first
    return found


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_verbs_options_and_their_values() -> None:
    assert completed("ex") == ["export"]
    assert {"--to", "--precision", "--out"} <= set(completed("export", "--"))
    assert completed("export", "REF", "--input", "u") == ["uint8"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script_and_their_answers(shell: str) -> None:
    def asked(instruction: str, **settings: str) -> str:
        environment = os.environ | {"_RESZOO_COMPLETE": f"{instruction}_{shell}"} | settings
        done = subprocess.run([str(PROGRAM)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "_RESZOO_COMPLETE" in asked("source")
    args = "reszoo quan"
    answers = asked("complete", _TYPER_COMPLETE_ARGS=args, _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert "quantize" in answers
    assert "prune" not in answers.split()
