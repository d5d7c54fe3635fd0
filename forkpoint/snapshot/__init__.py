"""How the program is stopped, forked and let go on."""
