"""``python -m fedsvc``."""

from fedsvc.main import main

main()
