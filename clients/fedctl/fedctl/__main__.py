"""`python -m fedctl`."""

from fedctl.main import main

main()
