"""``python -m medsynth_core.worker``."""

from medsynth_core.worker.serving import main

if __name__ == "__main__":
    main()
