"""Entry point of `python -m streammon`."""

from streammon.cli import main

main()
