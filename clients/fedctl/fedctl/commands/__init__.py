"""One module a command (or two that belong together); `fedctl.main` lists them and imports each when it is used."""
