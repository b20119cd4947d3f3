"""What the API reference has to be told about reszoo's code, which it reads without running it: a griffe extension."""

import re
from typing import Any

import griffe

# What the methods of `Checkpoint` give, where the workflow behind them gives more.
PUBLIC = {"Pruned": "Checkpoint", "Quantized": "Artifact"}


class Api(griffe.Extension):
    """Methods and records are documented as what they are at run time."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        if pkg.name != "reszoo":
            return
        api: griffe.Module = pkg["api"]
        for owner in (api, api["Checkpoint"], api["Artifact"]):
            for name, member in list(owner.members.items()):
                if isinstance(member, griffe.Attribute) and (source := workflow(member.value)):
                    owner.set_member(name, as_member(name, pkg[api.resolve(source).removeprefix("reszoo.")], owner))
        for module in pkg["export"], pkg["prune"], pkg["quantize"], pkg["training"], pkg["core"]:
            for each in module.modules.values():
                for record in each.classes.values():
                    if any(str(base) == "Choices" for base in record.bases):
                        add_signature(record)


def workflow(value: object) -> str | None:
    """The function behind `predict = predict` and behind `export = stage(export)`."""
    if isinstance(value, griffe.ExprCall) and str(value.function) == "stage":
        return str(value.arguments[0])
    return str(value) if isinstance(value, griffe.ExprName) else None


def as_member(name: str, function: griffe.Function, owner: griffe.Module | griffe.Class) -> griffe.Function:
    """The function under another name; of a class, as a method, whose first parameter is the object."""
    first, *others = function.parameters
    docstring = function.docstring or griffe.Docstring("")
    parameters, text = [first, *others], docstring.value
    if is_method := owner.is_class:
        parameters, text = [griffe.Parameter("self"), *others], without(first.name, text)
    returns = public(function.returns, owner.parent if is_method else owner)
    made = griffe.Function(name, parameters=griffe.Parameters(*parameters), returns=returns)
    made.docstring = griffe.Docstring(
        text, parent=made, parser=docstring.parser, parser_options=docstring.parser_options
    )
    return made


def public(returns: Any, api: Any) -> Any:
    """A link to the public class."""
    name = PUBLIC.get(str(returns), str(returns))
    return griffe.ExprName(name, parent=api) if name in ("Checkpoint", "Artifact") else returns


def without(parameter: str, docstring: str) -> str:
    """The docstring without what it says about one parameter; and without "Args:", if there is no other."""
    text = re.sub(rf"^    {parameter}: .*\n(?: {{8,}}.*\n)*", "", docstring, flags=re.MULTILINE)
    return re.sub(r"^Args:\n(?! )", "", text, flags=re.MULTILINE)


def add_signature(record: griffe.Class) -> None:
    """A record is made from its fields, by their names."""
    fields = [each for each in record.attributes.values() if "instance-attribute" in each.labels]
    keyword = griffe.ParameterKind.keyword_only
    keywords = [griffe.Parameter(f.name, annotation=f.annotation, kind=keyword, default=f.value) for f in fields]
    init = griffe.Function("__init__", parameters=griffe.Parameters(griffe.Parameter("self"), *keywords))
    record.set_member("__init__", init)
