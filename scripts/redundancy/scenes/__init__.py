"""Each module is a scene: see ../play.py."""
