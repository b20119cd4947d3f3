"""A runtime whose engine is not what it was made for."""

raise ImportError("the engine has another version\nand much more to say")
