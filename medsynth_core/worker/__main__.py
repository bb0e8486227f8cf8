"""``python -m medsynth_core.worker``."""

from medsynth_core.worker.server import main

if __name__ == "__main__":
    main()
