"""``python -m medsynth_core`` is the command ``medsynth``."""

from medsynth_core.cli import main

if __name__ == "__main__":
    main()
